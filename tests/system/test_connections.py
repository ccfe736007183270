"""Who may connect, how, and that one connection never waits for another."""

import json
import sqlite3
import time
import urllib.error
import urllib.request
import uuid

import pytest
import websocket

from chat.accounts.actions.sessions import end_session
from chat.accounts.queries import live_session
from chat.messages.actions import post_message
from chat.rooms.actions import remove_member
from chat.streams import log
from tests.factories import person
from tests.system.conftest import find_room, new_room
from tests.system.server import wait_until
from tests.system.wire import Gone, Wire

UNAUTHORIZED = {"message": "unauthorized", "data": {"code": "unauthorized"}}


def read_until_gone(wire, *, seconds=10):
    """Everything that still arrives, and how long it took until the connection ended."""
    got, began = [], time.monotonic()
    with pytest.raises(Gone):
        while time.monotonic() - began < seconds:
            got += wire.take(1)
    return got, time.monotonic() - began


def post(server, username, room, text):
    server.act(post_message, lambda: person(username), lambda: find_room(server, room), text, key=str(uuid.uuid4()))


# ---- who -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:1", "null", ""], ids=str)
def test_a_page_of_another_site_is_refused_although_it_brings_the_cookie(server, origin):
    with pytest.raises((Gone, websocket.WebSocketBadStatusException)) as refusal:
        Wire(server, server.cookie("alice"), origin=origin)

    if isinstance(refusal.value, Gone):
        assert refusal.value.reason == UNAUTHORIZED
    else:
        assert refusal.value.status_code in (400, 403)


def test_our_own_page_is_let_in_by_every_name_of_this_machine(server):
    for origin in (server.url, server.url.replace("localhost", "127.0.0.1")):
        Wire(server, server.cookie("alice"), origin=origin).drop()


@pytest.mark.parametrize("cookie", ["", "parley_session=", "parley_session=" + "x" * 43, "session=abc"])
def test_who_is_not_signed_in_is_refused(server, cookie):
    with pytest.raises(Gone) as refusal:
        Wire(server, cookie)

    assert refusal.value.reason == UNAUTHORIZED


def test_long_polling_is_refused(server):
    url = f"{server.url}/socket.io/?EIO=4&transport=polling"
    request = urllib.request.Request(url, headers={"Cookie": server.cookie("alice"), "Origin": server.url})

    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request, timeout=5)

    assert refusal.value.code == 400 and "transport" in json.dumps(refusal.value.read().decode()).lower()


def test_the_first_word_is_hello(server, room):
    wire = Wire(server, server.cookie("bob"))

    assert wire.take(5)[0][0] == "hello"
    wire.drop()


# ---- when it ends ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["here", "elsewhere"])
def test_a_sign_out_ends_the_connection_and_nothing_newer_arrives(server, other_server, room, action):
    """P6, also when another process commits it: then the poll finds it within a second."""
    cookie = server.cookie("bob")
    wire = Wire(server, cookie)
    wire.take(5)

    if action == "here":
        request = urllib.request.Request(f"{server.url}/logout", method="POST", headers={"Cookie": cookie})
        sign_out_by_form(server, cookie, request)
    else:

        def sign_out():
            session = live_session(cookie.partition("=")[2])
            end_session(session.user, session)

        server.act(sign_out)
    post(server, "alice", room, "after the sign-out")

    got, seconds = read_until_gone(wire)
    assert ("bye", {"reason": "revoked", "after_ms": 0}) in got
    assert not [p for name, p in got if name == "message"]
    assert seconds < 2 or (action == "elsewhere" and seconds < 4)
    with pytest.raises(Gone) as refusal:
        Wire(server, cookie)
    assert refusal.value.reason == UNAUTHORIZED


def sign_out_by_form(server, cookie, request):
    """As the page's button does it, with the form's token."""
    page = urllib.request.urlopen(urllib.request.Request(f"{server.url}/rooms", headers={"Cookie": cookie}), timeout=5)
    session = page.headers["Set-Cookie"].partition(";")[0]
    token = page.read().decode().partition('name="csrf_token" value="')[2].partition('"')[0]
    request.add_header("Cookie", session)
    request.headers["Cookie"] = f"{cookie}; {session}"
    request.data = f"csrf_token={token}".encode()
    urllib.request.urlopen(request, timeout=5)


def test_a_removal_by_another_process_is_noticed_within_the_poll(server, room):
    alice, bob = Wire(server, server.cookie("alice")), Wire(server, server.cookie("bob"))
    alice.take(5), bob.take(5)
    server.act(remove_member, lambda: person("alice"), lambda: find_room(server, room), lambda: person("bob"))
    began = time.monotonic()
    post(server, "alice", room, "without bob")

    got = []
    wait_until(lambda: got.extend(bob.take(0.1)) or [p for n, p in got if n == "me" and p["change"] == "room_removed"])
    seconds = time.monotonic() - began
    bob.call("read", {"room": room, "seq": 1})  # whatever was sent before this answer has arrived
    got += bob.take()
    seen = []
    wait_until(
        lambda: seen.extend(alice.take(0.1)) or [p for n, p in seen if n == "message" and p["stream"] == f"room:{room}"]
    )

    assert not [p for name, p in got if name in ("message", "member") and p["stream"] == f"room:{room}"]
    assert seconds < 4, "a second for the poll; the rest is patience with a busy machine"
    alice.drop(), bob.drop()


# ---- side by side ----------------------------------------------------------------------------------------------------


@pytest.mark.sqlite
def test_a_connection_waits_for_its_own_events_and_nobody_elses(server, room):
    """While another process holds the database's lock, a message has to wait; a question of someone else has not."""
    alice, bob = Wire(server, server.cookie("alice")), Wire(server, server.cookie("bob"))
    hello = dict(alice.take(5))["hello"]
    bob.take(5)
    question = {"epoch": hello["epoch"], "streams": {f"room:{room}": None}}
    lock = sqlite3.connect(server.folder / "parley.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")

    message = alice.emit("message", {"room": room, "text": "held up", "key": str(uuid.uuid4())})
    resume = alice.emit("resume", question)
    assert bob.call("resume", question)["ok"], "bob is answered meanwhile"
    assert [name for name, _ in alice.take(0.2)] == []
    lock.execute("ROLLBACK")

    got = []
    wait_until(lambda: got.extend(alice.take(0.1)) or len([1 for name, _ in got if name == "ack"]) == 2)
    assert [payload[0] for name, payload in got if name == "ack"] == [message, resume]
    assert alice.answers[message]["ok"] and alice.answers[resume]["ok"]
    lock.close(), alice.drop(), bob.drop()


@pytest.mark.sqlite
def test_a_lock_that_is_held_for_long_is_answered_busy_and_the_retry_is_stored_once(server, room):
    alice = Wire(server, server.cookie("alice"))
    alice.take(5)
    payload = {"room": room, "text": "at last", "key": str(uuid.uuid4())}
    lock = sqlite3.connect(server.folder / "parley.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    assert alice.call("message", payload)["code"] == "busy"
    lock.execute("ROLLBACK")

    first, again = alice.call("message", payload), alice.call("message", payload)

    assert first["ok"] and first == again
    lock.close(), alice.drop()


def test_an_answer_to_whoever_comes_back_is_no_more_than_the_kernel_takes(server, room):
    """Over a slow line, more would wait in the process until it is cut off, and be asked for again, for ever."""
    stream = f"room:{room}"
    alice, seen = Wire(server, server.cookie("alice")), []
    epoch = alice.take(5)[0][1]["epoch"]
    cursor = server.act(lambda: log.heads([stream])[stream])
    for n in range(12):
        text, key = f"{n} " + "x" * 19_000, str(uuid.uuid4())
        server.act(lambda t=text, k=key: post_message(person("alice"), find_room(server, room), t, key=k))
    wait_until(lambda: seen.extend(p for _, p in alice.take(0.1) if p.get("stream") == stream) or len(seen) == 12)
    bob = Wire(server, server.cookie("bob"), window=4096)
    bob.take(5)
    before = server.metrics()["parley_resumes_total"]
    bob.emit("resume", {"epoch": epoch, "streams": {stream: cursor}})
    wait_until(lambda: server.metrics()["parley_resumes_total"] > before)

    assert server.metrics()["parley_backlog_bytes"] == 0
    bob.drop(), alice.drop()


def test_one_who_does_not_read_delays_nobody(server):
    """A connection that takes nothing in: the others hear everything at once."""
    room = new_room(server)
    deaf, alice = Wire(server, server.cookie("bob")), Wire(server, server.cookie("alice"))
    deaf.take(5), alice.take(5)
    for n in range(20):
        answer = alice.call("message", {"room": room, "text": f"{n} " + "x" * 9000, "key": str(uuid.uuid4())})
        assert answer["ok"]

    heard = [p["message"]["text"] for name, p in alice.take(1) if name == "message" and p["stream"] == f"room:{room}"]
    late = []
    wait_until(
        lambda: (
            late.extend(
                p["message"]["text"] for n, p in deaf.take(0.2) if n == "message" and p["stream"] == f"room:{room}"
            )
            or len(late) >= 20
        )
    )

    assert [text.split()[0] for text in heard] == [str(n) for n in range(20)]
    assert late == heard, "and whoever reads late misses nothing"
    deaf.drop(), alice.drop()
