"""Event streams of a real server: cut, revoked, restarted, not read. PARLEY_SSE_CUTS says how often they are cut."""

import json
import os
import random
import shutil
import signal
import subprocess
import threading
import urllib.error
import urllib.request
import uuid

import pytest
from sqlalchemy import select

from chat.accounts.actions import end_other_sessions
from chat.core.db import db
from chat.messages.actions import post_message
from chat.rooms.actions import remove_member
from chat.streams.models import Entry
from tests.events import Events
from tests.factories import person
from tests.system.conftest import find_room, new_room
from tests.system.follower import Follower
from tests.system.server import Server, wait_until

CUTS = int(os.environ.get("PARLEY_SSE_CUTS", 50))


@pytest.fixture(scope="module", params=["eventlet", "gevent"])
def server(request, founded, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    shutil.copytree(founded, folder / "data")
    server = Server(folder / "data", ASYNC_MODE=request.param).start()
    yield server
    server.close()


@pytest.fixture
def follow(server):
    """follow(username, query) → an open Follower who was greeted."""
    opened = []

    def follow(username, query="", **options):
        opened.append(Follower(server, server.cookie(username), query).open(**options))
        return opened[-1].read_until(lambda: opened[-1].got("hello"))

    yield follow
    for follower in opened:
        if not follower.ended:
            follower.cut()


def say(server, room, *texts, username="alice"):
    """Post from the test's own process, which is another one than the server's."""
    for text in texts:
        server.act(post_message, lambda: person(username), lambda: find_room(server, room), text, key=str(uuid.uuid4()))


def posted(server, room):
    """[(seq, id)] of the messages of a room, as the log has them."""
    with server.app.app_context():
        found = select(Entry.seq, Entry.subject_id).where(Entry.stream == f"room:{room}", Entry.kind == "posted")
        return [tuple(row) for row in db.session.execute(found.order_by(Entry.seq))]


def read(follower, room):
    """[(seq, id)] of the messages of a room that came."""
    return [(seq, id) for name, seq, event, id in follower.journal if name == f"room:{room}" and event == "message"]


def streams(server):
    return server.metrics()["parley_event_streams"]


class Talk(threading.Thread):
    """Alice says one thing after the other over a websocket until she is told to stop."""

    def __init__(self, server, room):
        super().__init__(daemon=True)
        self.socket, self.room, self.enough, self.said = server.connect("alice"), room, threading.Event(), 0
        self.start()

    def run(self):
        while not self.enough.wait(0.005):
            text = f"{self.said}: " + "x" * random.randrange(2000)
            answer = self.socket.emit("message", {"room": self.room, "text": text, "key": str(uuid.uuid4())})
            assert answer["ok"], answer
            self.said += 1

    def stop(self):
        self.enough.set()
        self.join(30)
        self.socket.close()


def test_a_stream_that_is_cut_again_and_again_misses_nothing_and_repeats_nothing(server):
    room = new_room(server)
    bob = Follower(server, server.cookie("bob"), f"?rooms={room}").open()
    bob.read_until(lambda: bob.cursors)
    talk, chance = Talk(server, room), random.Random(26)

    for cut in range(CUTS):
        wait_until(lambda cut=cut: talk.said > cut, what="alice to go on")
        for _ in range(chance.randrange(1, 6)):
            bob.read(0.05, most=chance.randrange(1, 6000))
        bob.cut(rudely=chance.random() < 0.5)
        bob.open()
    talk.stop()

    stored = posted(server, room)
    bob.read_until(lambda: bob.cursors[f"room:{room}"] == stored[-1][0])
    assert len(stored) == talk.said >= CUTS
    assert read(bob, room) == stored
    assert not bob.got("reset")
    assert bob.connections > CUTS
    bob.cut()
    wait_until(lambda: streams(server) == 0, what="the streams that were cut to be let go")


def test_curl_follows_a_room_through_disconnections(server, tmp_path):
    if not shutil.which("curl"):
        pytest.skip("needs curl")
    room = new_room(server)
    cookie, texts = server.cookie("bob"), [f"line {n}" for n in range(30)]
    bob, journal, waiting = Events(), [], list(texts)

    while len(journal) < len(texts):
        bob = Events(bob.id)
        again = ["-H", f"Last-Event-ID: {bob.id}"] if bob.id else []
        address = f"{server.url}/api/v1/events?rooms={room}"
        curl = subprocess.Popen(["curl", "-sN", "-H", f"Cookie: {cookie}", *again, address], stdout=subprocess.PIPE)
        os.set_blocking(curl.stdout.fileno(), False)

        def read(curl=curl, bob=bob):
            bob.feed(curl.stdout.read() or b"")
            return [p["message"]["text"] for event, p in bob.seen if event == "message"]

        wait_until(lambda bob=bob, read=read: read() or bob.seen)
        say(server, room, *waiting[:4])
        del waiting[:4]
        wait_until(read)
        curl.send_signal(signal.SIGKILL)
        curl.wait(10)
        journal += [text for text in read() if text not in journal]
        say(server, room, *waiting[:3])
        del waiting[:3]

    assert journal == texts


def test_a_session_that_ends_elsewhere_ends_its_streams_with_a_word(server, follow):
    room = new_room(server)
    bob = follow("bob")
    say(server, room, "Before")
    bob.read_until(lambda: read(bob, room))

    server.act(end_other_sessions, lambda: person("bob"))
    say(server, room, "Newer")

    bob.read_to_the_end()
    assert bob.others[-1] == ("bye", {"reason": "revoked", "after_ms": 0})
    assert bob.ended == "closed"
    assert read(bob, room) == posted(server, room)[:1]
    again = urllib.request.Request(f"{server.url}/api/v1/events", headers={"Cookie": bob.cookie})
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(again, timeout=10)
    assert (refusal.value.code, json.load(refusal.value)["code"]) == (401, "unauthorized")


def fill(server, room):
    """Write until the server cannot get rid of it, since nobody reads at the other end."""

    alice = server.connect("alice")

    def is_full():
        assert alice.emit("message", {"room": room, "text": "y" * 20_000, "key": str(uuid.uuid4())})["ok"]
        return server.metrics()["parley_event_streams_owed_bytes"] > 200_000

    wait_until(is_full, seconds=30)
    alice.close()


def test_a_session_that_ends_takes_streams_along_that_nobody_reads(server, follow):
    room = new_room(server)
    follow("bob", window=4096)
    fill(server, room)

    server.act(end_other_sessions, lambda: person("bob"))

    wait_until(lambda: streams(server) == 0, seconds=5)


def test_whoever_does_not_read_is_cut_and_resumes(server, follow):
    room = new_room(server)
    bob = follow("bob", f"?rooms={room}", window=4096)

    fill(server, room)
    say(server, room, *["z" * 20_000] * 40)

    wait_until(lambda: streams(server) == 0, seconds=30)
    bob.read_to_the_end()
    assert bob.ended == "cut"
    bob.open().read_until(lambda: read(bob, room) == posted(server, room))


def test_a_client_that_vanishes_is_let_go(server, follow):
    bob = follow("bob")
    wait_until(lambda: streams(server) == 1)

    bob.cut()

    wait_until(lambda: streams(server) == 0)


def test_whoever_is_removed_in_another_process_is_told_and_gets_nothing_newer(server, follow):
    room = new_room(server)
    common = find_room(server, "general")
    bob = follow("bob", f"?rooms={room},{common}")
    say(server, room, "Before")
    bob.read_until(lambda: read(bob, room))

    server.act(remove_member, lambda: person("alice"), lambda: find_room(server, room), lambda: person("bob"))
    say(server, room, "Among ourselves")

    bob.read_until(lambda: bob.got("gone"))
    assert bob.got("gone") == [{"stream": f"room:{room}", "reason": "membership"}]
    say(server, common, "For all")
    bob.read_until(lambda: read(bob, common))
    assert read(bob, room) == posted(server, room)[:1]


def test_a_restart_is_told_and_the_stream_goes_on_where_it_was(founded, tmp_path):
    shutil.copytree(founded, tmp_path / "data")
    server = Server(tmp_path / "data").start()
    try:
        room, deck = new_room(server), new_room(server)
        bob = Follower(server, server.cookie("bob"), f"?rooms={room}").open()
        bob.read_until(lambda: bob.got("hello"))
        say(server, room, "Before")
        bob.read_until(lambda: read(bob, room))
        unread = Follower(server, server.cookie("bob")).open(window=4096)
        unread.read_until(lambda: unread.got("hello"))
        fill(server, deck)

        server.stop()
        bob.read_to_the_end()
        assert bob.got("bye")[0]["reason"] == "restart"
        assert bob.ended == "closed"
        assert "unfinished" not in server.log()
        say(server, room, "Meanwhile")
        server.start()

        bob.open().read_until(lambda: read(bob, room) == posted(server, room))
        assert not bob.got("reset")
    finally:
        server.close()
