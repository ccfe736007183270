"""What a restart, a crash and dropped connections cost: nothing that was acknowledged, and nobody's place."""

import os
import random
import shutil
import signal
import time
import uuid
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select
from websocket import WebSocketException

from chat.core.db import db
from chat.messages.models import Message
from chat.site.actions import begin_epoch
from chat.site.queries import the_site
from chat.streams import log
from tests.system.attack import worker
from tests.system.conftest import new_room
from tests.system.server import Server, wait_until
from tests.system.tab import Tab
from tests.system.wire import Gone

PEOPLE, EACH = ("ada", "alice", "bob", "robot"), 250


@pytest.fixture(params=["eventlet", "gevent"])
def either_server(request, founded, tmp_path):
    """A server of this test's own in each async mode."""
    shutil.copytree(founded, tmp_path / "data")
    server = Server(tmp_path / "data", ASYNC_MODE=request.param).start()
    yield server
    server.close()


def read_all(*tabs):
    """Everybody reads until nothing comes for a moment and nothing is being asked for."""
    wait_until(lambda: not any(tab.read(0.2) for tab in tabs) and not any(tab.asked for tab in tabs))


def test_another_worker_takes_the_place_of_one_that_was_killed(either_server):
    killed = worker(either_server)
    os.kill(killed, signal.SIGKILL)

    wait_until(lambda: set(either_server._children()) - {killed}, what="another worker")
    wait_until(either_server.answers, what="its answer")


def test_a_restart_sends_everybody_away_with_a_word_and_they_come_back_to_everything(either_server):
    server = either_server
    room = new_room(server)
    alice, bob = Tab([server], "alice"), Tab([server], "bob")
    alice.connect(server), bob.connect(server)
    read_all(alice, bob)
    alice.wire.call("message", {"room": room, "text": "before", "key": "before"})
    read_all(alice, bob)

    began = time.monotonic()
    server.stop()
    stopping = time.monotonic() - began
    alice.read(1), bob.read(1)

    for tab in (alice, bob):
        assert tab.bye["reason"] == "restart" and 0 <= tab.bye["after_ms"] <= 8000
        assert not tab.connected
    server.start()
    alice.connect(server), bob.connect(server)
    alice.wire.call("message", {"room": room, "text": "after", "key": "after"})
    read_all(alice, bob)
    assert [text for stream, *_, text in bob.journal if stream == f"room:{room}"] == ["before", "after"]
    for tab in (alice, bob):
        assert tab.difference(Tab([server], tab.username, cookie=tab.cookie)) is None
        tab.disconnect()
    assert stopping < 10
    assert "Traceback" not in server.log()


def test_what_is_sent_while_the_server_is_dead_arrives_once(own_server):
    """Done when 5, without the browser: killed, not asked to stop."""
    server, room = own_server, new_room(own_server)
    alice, bob = Tab([server], "alice"), Tab([server], "bob")
    alice.connect(server), bob.connect(server)
    read_all(alice, bob)
    payload = {"room": room, "text": "typed meanwhile", "key": str(uuid.uuid4())}
    server.kill()
    alice.emit("message", payload)
    wait_until(lambda: not (alice.read(0.1) or bob.read(0.1) or alice.connected or bob.connected))

    server.start()
    alice.connect(server), bob.connect(server)
    first = alice.wire.call("message", payload)
    assert alice.wire.call("message", payload) == first
    read_all(alice, bob)

    assert [text for stream, *_, text in bob.journal if stream == f"room:{room}"] == ["typed meanwhile"]
    alice.disconnect(), bob.disconnect()


def test_another_epoch_reloads_every_page_and_ends_no_session_by_itself(own_server):
    """As after `flask epoch new`: whoever is connected is told within the poll, and comes back to the new numbers."""
    server, room = own_server, new_room(own_server)
    alice, bob = Tab([server], "alice"), Tab([server], "bob")
    alice.connect(server), bob.connect(server)
    read_all(alice, bob)
    before = alice.epoch

    server.act(begin_epoch)
    wait_until(lambda: [alice.read(0.1), bob.read(0.1)] and not (alice.connected or bob.connected))

    epoch = server.act(lambda: the_site().epoch)
    assert (alice.epoch, bob.epoch, alice.reloads) == (epoch, epoch, 2)
    assert epoch != before
    alice.connect(server), bob.connect(server)
    alice.wire.call("message", {"room": room, "text": "in the new time", "key": "k"})
    read_all(alice, bob)
    assert bob.journal[-1][-1] == "in the new time"
    alice.disconnect(), bob.disconnect()


@pytest.mark.slow
@pytest.mark.parametrize("killed", [False, True], ids=["drops", "drops and a kill -9"])
def test_a_thousand_messages_of_four_people_whose_connections_drop(own_server, killed):
    """Done when 4: stored exactly once, each sender's in the order composed, and every journal is the log in order."""
    server, room = own_server, new_room(own_server, owner="ada", members=PEOPLE[1:])
    tabs = [Tab([server], username) for username in PEOPLE]
    begun = {tab.username: tab.cursors[f"room:{room}"] for tab in tabs}
    chance = random.Random(7)
    seeds = [chance.random() for _ in tabs]
    with ThreadPoolExecutor(5) as pool:
        talking = [
            pool.submit(talk, server, tab, room, random.Random(seed)) for tab, seed in zip(tabs, seeds, strict=True)
        ]
        if killed:
            wait_until(lambda: head_of(server, room) > 300, seconds=120)
            server.kill()
            server.start()
        acknowledged = [key for talk in talking for key in talk.result()]
    for tab in tabs:
        come_back(server, tab)
    head = head_of(server, room)
    wait_until(
        lambda: [tab.read(0.05) for tab in tabs] and all(tab.is_up_to({f"room:{room}": head}) for tab in tabs),
        seconds=30,
    )

    stored, entries = server.act(lambda: (stored_in(room), log.since(f"room:{room}", begun["ada"])))
    keys = [message.key for message in stored]
    assert len(keys) == len(set(keys)) == len(acknowledged) == EACH * len(PEOPLE)
    assert set(keys) == set(acknowledged)
    composed = defaultdict(list)
    for message in stored:
        composed[message.author_id].append(int(message.text))
    assert all(numbers == list(range(EACH)) for numbers in composed.values())
    of_log = [(f"room:{room}", e.seq, e.kind, e.subject_id) for e in entries]
    texts = {message.id: message.text for message in stored}
    for tab in tabs:
        journal = [line for line in tab.journal if line[0] == f"room:{room}"]
        assert [line[:4] for line in journal] == of_log, f"{tab.username}'s journal"
        assert all(text == texts[message] for *_, message, text in journal)
        assert tab.reloads == 1
        tab.disconnect()


def head_of(server, room):
    return server.act(lambda: log.heads([f"room:{room}"])[f"room:{room}"])


def stored_in(room):
    return db.session.scalars(select(Message).where(Message.room_id == room).order_by(Message.seq)).all()


def come_back(server, tab):
    """Connect, again and again until the server is there."""

    def connected():
        try:
            tab.connect(server)
        except (Gone, OSError, WebSocketException):
            return False
        return True

    if not tab.connected:
        wait_until(connected, seconds=90, what=f"{tab.username} to come back")


def talk(server, tab, room, chance):
    """Send EACH messages, one after the other, each until it is acknowledged; drop now and then, before or after the
    answer."""
    keys, answers = [], {}
    tab.on_acknowledged = answers.__setitem__
    for n in range(EACH):
        payload = {"room": room, "text": str(n), "key": str(uuid.uuid4())}
        while payload["key"] not in keys:
            come_back(server, tab)
            number = tab.emit("message", payload)
            if chance.random() < 0.04:
                tab.disconnect()  # sent, perhaps; the answer is lost
                continue
            deadline = time.monotonic() + 10
            while tab.connected and number not in answers and time.monotonic() < deadline:
                tab.read(0.05)
            answer = answers.pop(number, None)
            answers.clear()
            if answer and answer["ok"]:
                keys.append(payload["key"])
            else:
                assert answer is None or answer["code"] in ("busy", "error"), answer
            if chance.random() < 0.02:
                tab.disconnect()
    return keys
