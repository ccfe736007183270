"""What Redis is shown of a private room: that its stream has grown, and who is writing there by their number. All that
is sent to a real one is read along, while everything happens there that can happen in a room."""

import contextlib
import re
import shutil
import socket
import threading
import urllib.request
import uuid
from itertools import chain

import pytest

from chat.accounts.actions import make_token
from chat.realtime.bus.envelope import Envelope
from chat.realtime.json import dumps, loads
from tests.factories import person
from tests.policies.sweep import REPORTED, WORDS, Looks, plant
from tests.system.conftest import find_room, new_room
from tests.system.queues import Redis
from tests.system.server import Server, wait_until

pytestmark = pytest.mark.services

PLAIN = re.compile(r"(room|user):\d+|site|access|audit|online|away|offline|desk")


class Wire:
    """Every command that a Redis is given, by its MONITOR over a socket of its own."""

    def __init__(self, redis):
        self.data, self.socket = b"", socket.create_connection(("127.0.0.1", redis.port), 10)
        self.socket.settimeout(None)  # it says nothing for as long as nobody asks Redis for anything
        self.socket.sendall(b"MONITOR\r\n")
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        wait_until(lambda: self.data.startswith(b"+OK"), what="Redis to show what it is sent")

    def _read(self):
        with contextlib.suppress(OSError):
            while data := self.socket.recv(65536):
                self.data += data

    def lines(self):
        return self.data.decode("utf-8", "replace").splitlines()[1:]

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(10)


@pytest.fixture
def redis():
    redis = Redis()
    yield redis
    redis.stop()


@pytest.fixture
def seen(redis):
    wire = Wire(redis)
    yield wire
    wire.close()


@pytest.fixture
def pair(founded, tmp_path, redis):
    """Two processes that say all they can, with Redis between them."""
    shutil.copytree(founded, tmp_path / "data")
    options = {"MESSAGE_QUEUE_URL": redis.url, "RATE_LIMITS": "on", "LOG_LEVEL": "debug"}
    servers = [Server(tmp_path / "data", **options).begin() for _ in range(2)]
    try:
        for server in servers:
            server.wait()
        for server in servers:
            wait_until(lambda server=server: "degraded" not in server.ready(), what="the queue to be heard")
        yield servers
    finally:
        for server in servers:
            server.close()


def talk(here, there, room):
    """All that can be said and shown in a room, over sockets on one process, while somebody follows on the other."""
    alice, bob = here.connect("alice"), there.connect("bob")
    try:
        for client in (alice, bob):
            client.emit("here", {"active": True, "room": room}, namespace="/presence")
        bob.wait_for("presence", lambda p: p == {"user": alice.hello["user"], "state": "online"})
        for on in (True, False, True):
            assert alice.emit("typing", {"room": room, "on": on}, namespace="/presence")["ok"]
        bob.wait_for("typing", lambda p: p == {"room": room, "user": alice.hello["user"], "on": True})
        for text in (f"{WORDS['text']} @bob @room `{WORDS['code']}`", WORDS["text of a deleted message"]):
            sent = alice.emit("message", {"room": room, "text": text, "key": str(uuid.uuid4())})
            edited = {"message": sent["message"]["id"], "text": f"{text} https://{WORDS['address']}"}
            assert alice.emit("edit", edited)["ok"]
        assert alice.emit("delete", {"message": sent["message"]["id"]})["ok"]
        assert bob.emit("read", {"room": room, "seq": sent["message"]["seq"]})["ok"]
        bob.wait_for("message", lambda p: p["change"] == "deleted")
        alice.emit("here", {"active": False}, namespace="/presence")
        bob.wait_for("presence", lambda p: p == {"user": alice.hello["user"], "state": "away"})
    finally:
        alice.close()
        bob.close()


def test_no_word_of_it_goes_through_redis(redis, seen, pair):
    here, there = pair
    looks, key = Looks("queue"), here.environ["SECRET_KEY"]
    room = new_room(here)
    token, _ = here.act(make_token, lambda: person("alice"), "a script", scopes=("read", "write"), days=1)

    here.act(lambda: plant(find_room(here, room), person("alice"), person("bob")))
    talk(here, there, room)
    shown = dumps({"active": True, "room": room, "presence": "desk"}).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(f"{here.url}/api/v1/do/here", shown, headers), timeout=10)
    wait_until(lambda: b"screen" in seen.data, what=lambda: seen.lines()[-5:])
    wait_until(lambda: there.metrics()["parley_bus_hints_received_total"] > 0, what="a hint")

    lines = seen.lines()
    sealed = [line.split('" "', 2)[2].rstrip('"').replace('\\"', '"') for line in lines if '"PUBLISH"' in line]
    assert sealed
    told = [item for text in sealed for item in Envelope(key, clock=lambda text=text: sent_at(text)).open(text)[1]]
    for kind, payload in told:
        looks.note("messages through Redis", [kind, payload])
    for line in lines:
        looks.note("commands to Redis", line)
    with redis.client() as client:
        for name in client.scan_iter():
            looks.note("what Redis keeps", repr((name, client.dump(name))))
    for server in pair:
        looks.note("the log of a server at debug", server.log())

    assert looks.missing == []
    assert looks.hits([*WORDS.values(), *REPORTED.values(), key, token]) == set()
    assert {kind for kind, _ in told} == {"hint", "here", "who", "typing", "screen"}
    assert [payload for _, payload in told if not is_plain(payload)] == []
    with redis.client() as client:  # it would have been seen
        client.publish("parley", WORDS["text"])
    wait_until(lambda: WORDS["text"] in "".join(seen.lines()), what="the word on the wire")


def sent_at(sealed):
    return loads(sealed.partition(".")[2].partition(".")[2])[2]


def is_plain(payload):
    """Whether it says nothing but numbers, whether, the names of streams, and how somebody is there."""
    if isinstance(payload, dict):
        return all(map(is_plain, chain(payload, payload.values())))
    if isinstance(payload, list):
        return all(map(is_plain, payload))
    return payload is None or isinstance(payload, int) or PLAIN.fullmatch(payload) is not None
