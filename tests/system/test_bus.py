"""Two server processes of one community with a message queue between them, and what happens when it is gone, frozen,
deaf, or full of lies.

Where the servers poll once an hour only, what arrives has come over the queue: that shows it without a stopwatch.
"""

import json
import shutil
import urllib.error
import urllib.request
import uuid
from contextlib import contextmanager

import pytest

from chat.accounts.actions import make_token
from chat.messages.models import Message
from chat.realtime.bus.envelope import Envelope
from chat.realtime.bus.transports import channel_of
from tests.factories import person
from tests.system.conftest import new_room
from tests.system.follower import Follower
from tests.system.queues import KafkaMock, RabbitMQ, Redis, Sentinel
from tests.system.server import Server, wait_until

NEVER_POLL = "slow_poll=3600"

pytestmark = pytest.mark.services


@contextmanager
def processes(founded, folder, url, **options):
    """Two servers of one community with the queue at `url` between them."""
    shutil.copytree(founded, folder)
    servers = [Server(folder, MESSAGE_QUEUE_URL=url, **options).begin() for _ in range(2)]
    try:
        for server in servers:
            server.wait()
        yield servers
    finally:
        for server in servers:
            server.close()


def heard(*servers):
    """Wait until these servers hear their queue."""
    for server in servers:
        wait_until(lambda server=server: "degraded" not in server.ready(), what="the queue to be heard")


@pytest.fixture(scope="module")
def redis():
    redis = Redis()
    yield redis
    redis.stop()


@pytest.fixture(scope="module")
def pair(founded, tmp_path_factory, redis):
    """Two processes with Redis between them."""
    with processes(founded, tmp_path_factory.mktemp("pair") / "data", redis.url) as servers:
        yield servers


@pytest.fixture(scope="module", params=[Redis, RabbitMQ, KafkaMock], ids=lambda queue: queue.__name__)
def by_queue_alone(request, founded, tmp_path_factory):
    """Two processes that hear of each other over this queue, or not at all."""
    queue = request.param()
    try:
        folder = tmp_path_factory.mktemp("queue") / "data"
        with processes(founded, folder, queue.url, faults=NEVER_POLL) as servers:
            heard(*servers)
            yield servers
    finally:
        queue.stop()


@pytest.fixture
def connect():
    """connect(server, username) → a client there, closed afterwards."""
    clients = []

    def connect(server, username, **options):
        clients.append(server.connect(username, **options))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def post(client, room, text):
    answer = client.emit("message", {"room": room, "text": text, "key": str(uuid.uuid4())})
    assert answer["ok"], answer
    return answer["message"]


def texts(client, room):
    frames = [p for p in client.received("message") if p["stream"] == f"room:{room}" and p["change"] == "posted"]
    return [frame["message"]["text"] for frame in frames]


def sees(client, room, wanted):
    wait_until(lambda: len(texts(client, room)) >= len(wanted), what=lambda: texts(client, room))
    assert texts(client, room) == wanted


# What it is for


def test_what_is_written_on_one_process_is_seen_on_the_other_in_order(by_queue_alone, connect):
    here, there = by_queue_alone
    room = new_room(here)
    alice, bob = connect(here, "alice"), connect(there, "bob")

    wanted = [f"Number {n}" for n in range(50)]
    for text in wanted:
        post(alice, room, text)

    sees(bob, room, wanted)


def test_who_is_here_and_who_is_writing_is_known_on_both(by_queue_alone, connect):
    here, there = by_queue_alone
    room = new_room(here)
    alice = connect(here, "alice")
    bob = connect(there, "bob")
    for client in (alice, bob):
        client.emit("here", {"active": True, "room": room}, namespace="/presence")

    alice_id, bob_id = alice.hello["user"], bob.hello["user"]
    alice.wait_for("presence", lambda p: p == {"user": bob_id, "state": "online"})
    bob.wait_for("presence", lambda p: p == {"user": alice_id, "state": "online"})
    bob.emit("typing", {"room": room, "on": True}, namespace="/presence")
    alice.wait_for("typing", lambda p: p == {"room": room, "user": bob_id, "on": True})
    bob.emit("typing", {"room": room, "on": False}, namespace="/presence")
    alice.wait_for("typing", lambda p: p == {"room": room, "user": bob_id, "on": False})

    bob.close()
    alice.wait_for("presence", lambda p: p == {"user": bob_id, "state": "offline"})


class Line:
    """What a client does that no websocket reaches: an event stream with one process, and requests to whichever."""

    def __init__(self, server, username, query=""):
        self.token, _ = server.act(make_token, lambda: person(username), "a script", scopes=("read", "write"), days=1)
        self.stream = Follower(server, None, f"?presence=desk{query}", token=self.token).open()
        self.stream.read_until(lambda: self.stream.got("hello"))
        self.user = self.stream.got("hello")[0]["user"]

    def ask(self, server, event, **data):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{server.url}/api/v1/do/{event}", json.dumps(data).encode(), headers)
        try:
            return json.load(urllib.request.urlopen(request, timeout=10))
        except urllib.error.HTTPError as refusal:
            return json.load(refusal)

    def gets(self, event, **payload):
        self.stream.read_until(lambda: payload in self.stream.got(event))


@pytest.fixture
def line():
    """line(server, username, query) → a Line, closed afterwards."""
    lines = []

    def line(server, username, query=""):
        lines.append(Line(server, username, query))
        return lines[-1]

    yield line
    for opened in lines:
        if not opened.stream.ended:
            opened.stream.cut()


def test_a_request_to_one_process_is_about_the_stream_that_another_has(by_queue_alone, connect, line):
    here, there = by_queue_alone
    room = new_room(here)
    alice, bob = connect(here, "alice"), line(here, "bob")
    alice.emit("here", {"active": True, "room": room}, namespace="/presence")
    alice.wait_for("presence", lambda p: p == {"user": bob.user, "state": "online"})
    bob.gets("presence", user=alice.hello["user"], state="online")

    assert bob.ask(there, "here", active=False, room=room, presence="desk") == {"ok": True}
    alice.wait_for("presence", lambda p: p == {"user": bob.user, "state": "away"})
    alice.emit("typing", {"room": room, "on": True}, namespace="/presence")
    bob.gets("typing", room=room, user=alice.hello["user"], on=True)
    assert bob.ask(there, "typing", room=room, on=True) == {"ok": True}
    alice.wait_for("typing", lambda p: p == {"room": room, "user": bob.user, "on": True})


def test_an_outsider_hears_of_no_private_room_whichever_process_they_ask(by_queue_alone, connect, line):
    here, there = by_queue_alone
    room = new_room(here)
    alice, bob = connect(there, "alice"), line(here, "bob")
    carol = line(here, "carol", f"&rooms={room}")
    everyone = new_room(here, members=("bob", "carol"))

    for server in (here, there):
        assert carol.ask(server, "here", active=True, room=room, presence="desk")["code"] == "not_found"
        assert carol.ask(server, "typing", room=room, on=True)["code"] == "not_found"
    for person_, shown in ((bob, room), (carol, everyone)):
        assert person_.ask(there, "here", active=False, room=shown, presence="desk") == {"ok": True}
    alice.wait_for("presence", lambda p: p == {"user": carol.user, "state": "away"})
    for typed in (room, everyone):
        alice.emit("typing", {"room": typed, "on": True}, namespace="/presence")
    alice.emit("here", {"active": False}, namespace="/presence")  # behind it, on the same way

    bob.gets("typing", room=room, user=alice.hello["user"], on=True)
    carol.gets("presence", user=alice.hello["user"], state="away")
    assert carol.stream.got("typing") == [], "not even of the room they are in, which their stream does not follow"


def test_without_its_queue_presence_of_requests_stays_with_the_process_they_come_to(founded, tmp_path, redis, line):
    own = Redis()
    try:
        with processes(founded, tmp_path / "data", own.url) as (here, there):
            room = new_room(here)
            own.kill()
            alice, bob = line(here, "alice"), line(here, "bob")
            assert alice.ask(there, "here", active=True, room=room, presence="desk") == {"ok": True}
            assert bob.ask(there, "typing", room=room, on=True) == {"ok": True}

            assert alice.ask(here, "here", active=True, room=room, presence="desk") == {"ok": True}
            assert bob.ask(here, "typing", room=room, on=True) == {"ok": True}
            alice.gets("typing", room=room, user=bob.user, on=True)
            alice.gets("presence", user=bob.user, state="online")
    finally:
        own.stop()


def test_a_process_that_begins_asks_who_is_here(founded, tmp_path, redis, connect):
    with processes(founded, tmp_path / "data", redis.url) as (here, there):
        alice = connect(here, "alice")
        there.restart()

        bob = connect(there, "bob")
        bob.wait_for("presence", lambda p: p == {"user": alice.hello["user"], "state": "online"})


# What may happen to it


def test_redis_dies_and_comes_back(pair, redis, connect):
    here, there = pair
    room = new_room(here)
    alice, bob = connect(here, "alice"), connect(there, "bob")
    heard(here, there)

    redis.kill()
    for n in range(5):
        post(alice, room, f"While it is gone {n}")
    sees(bob, room, [f"While it is gone {n}" for n in range(5)])
    for server in pair:
        wait_until(lambda server=server: server.ready().get("degraded"), what="the server to call itself degraded")
    assert here.metrics()["parley_bus_degraded"] == 1

    redis.start()
    heard(here, there)
    before = there.metrics()["parley_bus_hints_received_total"]
    post(alice, room, "Back again")
    wait_until(lambda: there.metrics()["parley_bus_hints_received_total"] > before)
    assert here.metrics()["parley_bus_degraded"] == 0
    assert "heard" in here.log()


def test_when_redis_dies_a_sentinel_names_another_and_both_go_on_there(founded, tmp_path, connect):
    first = Redis()
    spare = Redis("--replicaof", "127.0.0.1", str(first.port), "--repl-diskless-sync-delay", "0")
    sentinel = Sentinel(first, tmp_path)
    try:
        with processes(founded, tmp_path / "data", sentinel.url, faults=NEVER_POLL) as servers:
            heard(*servers)
            room = new_room(servers[0])
            alice, bob = connect(servers[0], "alice"), connect(servers[1], "bob")
            post(alice, room, "before")
            sees(bob, room, ["before"])
            wait_until(lambda: sentinel.spares() == 1, seconds=30, what="the sentinel to know of the spare")

            first.kill()
            wait_until(lambda: sentinel.answers() == spare.port, seconds=30, what="the sentinel to choose it")
            log = servers[0].log  # of both
            wait_until(lambda: log().count("The message queue is heard.") == 4, what=lambda: log()[-2000:])
            post(alice, room, "after")

            sees(bob, room, ["before", "after"])
    finally:
        for queue in (sentinel, spare, first):
            queue.stop()


def test_a_frozen_redis_holds_up_nobody(pair, redis, connect):
    here, there = pair
    room = new_room(here)
    alice, bob = connect(here, "alice"), connect(there, "bob")
    heard(here, there)

    redis.freeze()
    try:
        wanted = [f"It does not answer {n}" for n in range(20)]
        for text in wanted:
            post(alice, room, text)
        sees(bob, room, wanted)
        wait_until(lambda: here.ready().get("degraded"), what="the server to notice")
        post(alice, room, "It still does not")
        sees(bob, room, [*wanted, "It still does not"])
    finally:
        redis.thaw()
    heard(here, there)


def test_a_listener_that_is_thrown_out_listens_again(pair, redis, connect):
    here, there = pair
    room = new_room(here)
    alice, bob = connect(here, "alice"), connect(there, "bob")

    wanted = []
    for n in range(5):
        heard(here, there)
        before = there.metrics()["parley_bus_reconnects_total"]
        with redis.client() as client:
            client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        wanted.append(f"Thrown out {n}")
        post(alice, room, wanted[-1])
        sees(bob, room, wanted)
        wait_until(lambda before=before: there.metrics()["parley_bus_reconnects_total"] > before)
    heard(here, there)


def test_whom_redis_refuses_tries_again(pair, redis):
    here, _ = pair
    heard(here)
    before = here.metrics()["parley_bus_reconnects_total"]
    with redis.client() as client:
        client.execute_command("ACL", "SETUSER", "default", "resetchannels")  # may publish and subscribe no more
        try:
            wait_until(lambda: here.ready().get("degraded"), what="the server to notice", seconds=15)
        finally:
            client.execute_command("ACL", "SETUSER", "default", "allchannels")
    heard(here)
    assert here.metrics()["parley_bus_reconnects_total"] > before


def test_without_its_queue_a_server_starts_and_says_so(founded, tmp_path, redis, connect):
    own = Redis()
    own.kill()
    try:
        with processes(founded, tmp_path / "data", own.url) as (here, there):
            room = new_room(here)
            alice, bob = connect(here, "alice"), connect(there, "bob")
            assert here.ready()["degraded"] is True
            post(alice, room, "Nobody carries this")
            sees(bob, room, ["Nobody carries this"])

            own.start()
            heard(here, there)
    finally:
        own.stop()


def test_what_is_forged_changes_nothing(pair, redis, connect):
    here, there = pair
    room = new_room(here)
    heard(here, there)
    bob = connect(there, "bob")
    settings = here.app.config["PARLEY"]
    forged = Envelope("another key, of somebody who can write to our Redis")
    everything = [
        forged.seal([["hint", {f"room:{room}": 10**6}], ["here", [[bob.hello["user"], "away"]]]]),
        json.dumps({"method": "emit", "event": "message", "data": [{}], "namespace": "/chat", "room": f"room:{room}"}),
        json.dumps({"method": "disconnect", "sid": bob.io.get_sid("/chat"), "namespace": "/chat"}),
        "1..[]",
        b"\xff" * 100,
        "x" * 100_000,
    ]
    before = there.metrics()["parley_bus_ignored_total"]
    with redis.client() as client:
        for text in everything:
            assert client.publish(channel_of(settings), text) == 2

    wait_until(lambda: there.metrics()["parley_bus_ignored_total"] == before + len(everything))
    assert bob.connected and texts(bob, room) == []
    alice = connect(here, "alice")
    post(alice, room, "All is well")
    sees(bob, room, ["All is well"])


# Several processes under one gunicorn, with SQLite


@pytest.mark.sqlite
def test_two_workers_share_one_sqlite_database(founded, tmp_path, redis, connect):
    shutil.copytree(founded, tmp_path / "data")
    server = Server(tmp_path / "data", MESSAGE_QUEUE_URL=redis.url, WEB_CONCURRENCY="2").start()
    try:
        room = new_room(server)
        writers = [connect(server, ("alice", "bob")[n % 2], namespaces=("/chat",)) for n in range(8)]
        keys, answers = [f"{n}" for n in range(400)], {}

        def note(key):
            return lambda answer: answers.update({key: answer})

        for n, key in enumerate(keys):
            writers[n % 8].io.emit(
                "message", {"room": room, "text": key, "key": key}, namespace="/chat", callback=note(key)
            )
        wait_until(lambda: len(answers) == len(keys), seconds=60, what=lambda: f"{len(answers)} answers")

        assert [answer for answer in answers.values() if not answer["ok"]] == []

        def stored():
            return [m.key for m in Message.query.filter_by(room_id=room).order_by(Message.seq)]

        assert sorted(server.act(stored)) == sorted(keys)
        in_order = server.act(stored)
        for writer in writers:
            sees(writer, room, in_order)
    finally:
        server.close()
