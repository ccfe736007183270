import os
import shutil
import uuid

import pytest

from chat.core.db import db
from chat.rooms.actions import add_member, create_room
from chat.rooms.models import Room
from chat.rooms.queries import public_room_named
from tests.factories import person
from tests.system import queues
from tests.system.server import Server


@pytest.fixture(scope="session")
def queue():
    """How servers get the message queue that BUS names: redis, rabbitmq or kafka; `redis+drop` is one that loses half
    of everything. Without BUS there is none, and what one process writes the others find in the log."""
    kind, _, fault = os.environ.get("BUS", "").partition("+")
    if not kind:
        yield {}
        return
    running = {"redis": queues.Redis, "rabbitmq": queues.RabbitMQ, "kafka": queues.KafkaMock}[kind]()
    yield {"MESSAGE_QUEUE_URL": running.url, "faults": {"": "", "drop": "drop_hints=0.5"}[fault]}
    running.stop()


@pytest.fixture(scope="session")
def community(founded, tmp_path_factory, queue):
    """Two running processes of one Parley with the cast in it, for all tests that leave them as they are."""
    folder = tmp_path_factory.mktemp("community") / "data"
    shutil.copytree(founded, folder)
    servers = [Server(folder, **queue).begin() for _ in range(2)]
    for server in servers:
        server.wait()
    yield servers
    for server in servers:
        server.close()


@pytest.fixture
def server(community):
    """A running Parley with the cast in it. Whoever stops it takes `own_server`."""
    return community[0]


@pytest.fixture
def other_server(community):
    """Another process of the same Parley, on the same database."""
    return community[1]


@pytest.fixture
def own_server(founded, tmp_path, queue):
    """A running Parley of this test's own."""
    shutil.copytree(founded, tmp_path / "data")
    server = Server(tmp_path / "data", **queue).start()
    yield server
    server.close()


def new_room(server, *, kind="private", owner="alice", members=("bob",)):
    """The id of a new room of the owner's with these members in it."""

    def make():
        room = create_room(person(owner), f"room-{uuid.uuid4().hex[:12]}", kind=kind)
        for member in members:
            add_member(person(owner), room, person(member))
        return room.id

    return server.act(make)


def find_room(server, which):
    """A room by its number, inside `server.act`; the number of a room by its name."""
    if isinstance(which, int):
        return db.session.get(Room, which)
    return server.act(lambda: public_room_named(which).id)


@pytest.fixture
def room(server):
    """The id of a private room of this test's own: alice's, with bob in it."""
    return new_room(server)
