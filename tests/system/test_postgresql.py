"""The same promises on PostgreSQL, where transactions run side by side and the rows' locks put them in order."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask_migrate import upgrade
from sqlalchemy import func, select, text

from chat.core.db import db
from chat.core.errors import Busy, ChatError, Conflict
from chat.core.transaction import transaction
from chat.messages.actions import post_message
from chat.messages.models import Message
from chat.messages.presenter import MessageView
from chat.rooms.actions import add_member, mark_read, remove_member
from chat.streams import log
from tests import factories
from tests.factories import person
from tests.system.conftest import find_room, new_room
from tests.system.postgresql import PostgreSQL
from tests.system.server import Server, wait_until
from tests.system.tab import Tab
from tests.system.test_delivery import try_programs
from tests.system.wire import Wire

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def postgresql():
    cluster = PostgreSQL()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def community(postgresql, tmp_path_factory):
    """Two processes on one PostgreSQL database, made by the migrations."""
    url = postgresql.database()
    servers = [Server(tmp_path_factory.mktemp("data"), DATABASE_URL=url) for _ in range(2)]

    def make():
        upgrade(directory="migrations")
        factories.found()

    servers[0].act(make)
    for server in servers:
        server.begin()
    for server in servers:
        server.wait()
    yield servers
    for server in servers:
        server.close()


def in_threads(server, *works):
    """Run each work in a thread and transaction of its own, beginning together. Returns what each gave or raised."""
    together = threading.Barrier(len(works))

    def run(work):
        with server.app.app_context():
            together.wait()
            try:
                return work()
            except ChatError as error:
                return error

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def test_what_one_says_in_one_process_the_other_sees_in_another(community, room):
    alice, bob = Tab(community, "alice"), Tab(community, "bob")
    alice.connect(community[0]), bob.connect(community[1])

    alice.wire.call("message", {"room": room, "text": "Is this thing on?", "key": str(uuid.uuid4())})
    wait_until(lambda: bob.read(0.1) and bob.journal, what="bob to see it")
    bob.disconnect()
    alice.wire.call("message", {"room": room, "text": "Still there?", "key": str(uuid.uuid4())})
    bob.connect(community[0])
    wait_until(lambda: not bob.read(0.2) and len(bob.journal) == 2, what="bob to resume")

    assert [text for *_, text in bob.journal] == ["Is this thing on?", "Still there?"]
    assert bob.difference(Tab(community, "bob", cookie=bob.cookie)) is None
    alice.disconnect(), bob.disconnect()


def test_the_same_key_at_once_is_one_message(server, room):
    key, other = str(uuid.uuid4()), new_room(server)
    post = lambda where, text: lambda: post_message(person("alice"), find_room(server, where), text, key=key)  # noqa: E731

    same = in_threads(server, *[post(room, "once")] * 6)
    assert len({message.id for message in same}) == 1

    key = str(uuid.uuid4())
    different = in_threads(server, *[post(room, "here"), post(other, "there")] * 3)  # no common lock: the index decides
    assert {type(answer) for answer in different} == {MessageView, Conflict}
    assert len({answer.id for answer in different if isinstance(answer, MessageView)}) == 1


def test_numbers_are_without_holes_whoever_writes_and_whatever_fails(server, room):
    name = f"room:{room}"

    def write(n):
        def work():
            for i in range(12):
                try:
                    with transaction():
                        post_message(person("alice"), find_room(server, room), f"{n} {i}", key=str(uuid.uuid4()))
                        if i % 4 == 3:
                            raise Busy
                except Busy:
                    pass

        return work

    begun = server.act(lambda: log.heads([name])[name])
    in_threads(server, *[write(n) for n in range(4)])

    entries = server.act(lambda: log.since(name, begun))
    assert [entry.seq for entry in entries] == list(range(begun + 1, begun + 1 + 4 * 9))
    assert server.act(lambda: db.session.scalar(select(func.count()).where(Message.room_id == room))) == 4 * 9


def test_locks_are_taken_in_one_order_so_that_nobody_waits_in_a_circle(server, postgresql):
    rooms = [new_room(server) for _ in range(2)]

    def swap(room, username):
        def work():
            for _ in range(6):
                remove_member(person("alice"), find_room(server, room), person(username))
                add_member(person("alice"), find_room(server, room), person(username))
            return "done"

        return work

    def backwards(names):
        def work():
            for _ in range(10):
                with transaction():
                    log.lock(*names)
                    for name in names:
                        log.next_seq(name)
                    db.session.rollback()
            return "done"

        return work

    streams = [
        f"room:{rooms[1]}",
        f"room:{rooms[0]}",
        f"user:{server.act(lambda: person('bob').id)}",
        log.SITE,
        log.ACCESS,
    ]
    answers = in_threads(
        server, swap(rooms[0], "bob"), swap(rooms[1], "bob"), backwards(streams), backwards(streams[::-1]),
    )  # fmt: skip

    assert answers == ["done"] * 4
    assert "deadlock" not in postgresql.log()


def test_who_waits_too_long_for_a_lock_is_told_that_it_is_busy(server, room):
    wire = Wire(server, server.cookie("alice"))
    wire.take(5)
    payload = {"room": room, "text": "at last", "key": str(uuid.uuid4())}
    with server.app.app_context():
        db.session.execute(text("SELECT 1 FROM streams WHERE name = :name FOR UPDATE"), {"name": f"room:{room}"})
        assert wire.call("message", payload)["code"] == "busy"
        other = Wire(server, server.cookie("bob"))
        assert other.call("read", {"room": room, "seq": 1})["ok"], "the loop was not held meanwhile"
        db.session.rollback()

    assert wire.call("message", payload)["ok"]
    wire.drop(), other.drop()


def test_a_transaction_that_takes_its_time_is_seen_when_it_commits(server, room):
    """window: its number is taken long before it can be read, and other rooms go on meanwhile."""
    other = new_room(server)
    wire = Wire(server, server.cookie("bob"))
    wire.take(5)
    got = []

    def heard(text):
        got.extend(p["message"]["text"] for name, p in wire.take(0.1) if name == "message")
        return text in got

    with server.app.app_context(), transaction():
        post_message(person("alice"), find_room(server, room), "slow", key=str(uuid.uuid4()))
        with server.app.app_context():
            post_message(person("alice"), find_room(server, other), "quick", key=str(uuid.uuid4()))
        wait_until(lambda: heard("quick"))
        for _ in range(15):
            assert not heard("slow"), "it may still be rolled back"

    wait_until(lambda: heard("slow"))
    assert got == ["quick", "slow"]
    wire.drop()


def test_reading_on_merges_over_devices(server, room):
    for _ in range(8):
        server.act(post_message, lambda: person("alice"), lambda: find_room(server, room), "hi", key=str(uuid.uuid4()))
    head = server.act(lambda: log.heads([f"room:{room}"])[f"room:{room}"])

    in_threads(
        server,
        *[lambda seq=seq: mark_read(person("bob"), find_room(server, room), seq) for seq in range(head - 6, head + 1)],
    )

    position = server.act(lambda: mark_read(person("bob"), find_room(server, room), 0).seq)
    assert position == head


def test_whatever_happens_every_screen_ends_equal_to_a_fresh_page_here_too(community):
    try_programs(community, share=4)
