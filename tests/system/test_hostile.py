"""The thirty weaknesses of the stack as it comes, W1 to W30, each attacked on a running server.

Where a weakness belongs to something that is not here any more, the test shows that it is not.
"""

import base64
import io
import json
import os
import pickle
import re
import shutil
import socket
import sqlite3
import threading
import time
import urllib.parse
import uuid
from contextlib import suppress

import pytest
from PIL import Image

from chat.accounts.actions.sessions import end_session
from chat.accounts.queries import live_session
from chat.core.db import db
from chat.messages.models import Message
from chat.rooms.actions import remove_member
from tests.factories import PASSWORD, person
from tests.system.attack import (
    PATH,
    RESET,
    TEXT,
    Attacker,
    dial,
    exchange,
    masked,
    memory,
    sockets,
    standing,
    status,
    upgrade,
)
from tests.system.conftest import find_room, new_room
from tests.system.queues import Redis
from tests.system.server import Server, wait_until
from tests.system.wire import Gone, Wire


@pytest.fixture(scope="module")
def target(founded, tmp_path_factory):
    """One server that all attacks share: whatever an attack leaves behind, the next ones meet."""
    with standing(founded, tmp_path_factory.mktemp("target") / "data") as server:
        yield server


@pytest.fixture
def hall(target):
    """A room of alice's and bob's."""
    return new_room(target)


@pytest.fixture(scope="module")
def queued(founded, tmp_path_factory):
    """Two servers of one Parley with a Redis between them."""
    redis = Redis()
    folder = tmp_path_factory.mktemp("queued") / "data"
    shutil.copytree(founded, folder)
    servers = [Server(folder, MESSAGE_QUEUE_URL=redis.url).begin() for _ in range(2)]
    for server in servers:
        server.wait()
    yield (*servers, redis)
    for server in servers:
        server.close()
    redis.kill()


@pytest.fixture(scope="module")
def strict(founded, tmp_path_factory):
    """A server whose passwords cost what they cost outside of tests."""
    folder = tmp_path_factory.mktemp("strict") / "data"
    shutil.copytree(founded, folder)
    server = Server(folder, BCRYPT_COST="12").start()
    yield server
    server.close()


def say(wire, room, text):
    answer = wire.call("message", {"room": room, "text": text, "key": str(uuid.uuid4())})
    assert answer["ok"], answer
    return answer["message"]


def heard(wire, room, count, seconds=10):
    """The texts of the messages of this room that arrive, once there are `count`."""
    got = []
    wait_until(
        lambda: (
            got.extend(p for n, p in wire.take(0.1) if n == "message" and p["stream"] == f"room:{room}")
            or len(got) >= count
        ),
        seconds=seconds,
        what=lambda: f"{count} messages; there are {len(got)}",
    )
    return [payload["message"]["text"] for payload in got]


def ended(server, cause):
    return server.metrics()[f'parley_ended_total{{cause="{cause}"}}']


class Browser:
    """A person's cookies and the token of a page, for forms."""

    def __init__(self, server, cookie=None, page="/login"):
        self.server, self.cookies = server, dict([cookie.split("=", 1)]) if cookie else {}
        self.token = re.search(rb'name="csrf_token"[^>]*value="([^"]+)"', self.get(page)).group(1).decode()

    def ask(self, method, path, body=b"", **headers):
        lines = {"Host": f"localhost:{self.server.port}", "Connection": "close", "Origin": self.server.url, **headers}
        if self.cookies:
            lines["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if body:
            lines["Content-Length"] = len(body)
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
        answer = exchange(self.server, f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body, timeout=30)
        for name, value in re.findall(rb"\r\nset-cookie: ([^=\r\n]+)=([^;\r\n]*)", answer, re.IGNORECASE):
            self.cookies[name.decode()] = value.decode()
        return answer

    def get(self, path):
        return self.ask("GET", path)

    def post(self, path, **fields):
        body = urllib.parse.urlencode({"csrf_token": self.token, **fields}).encode()
        return self.ask("POST", path, body, Content_Type="application/x-www-form-urlencoded")

    def upload(self, path, parts):
        edge = "edge"
        body = b"".join(
            f'--{edge}\r\nContent-Disposition: form-data; name="{name}"{kind}\r\n\r\n'.encode() + data + b"\r\n"
            for name, kind, data in [("csrf_token", "", self.token.encode()), *parts]
        )
        return self.ask(
            "POST", path, body + f"--{edge}--\r\n".encode(), Content_Type=f"multipart/form-data; boundary={edge}"
        )


# ---- engine.io -------------------------------------------------------------------------------------------------------


def test_w01_what_waits_for_a_reader_is_bounded(target, hall):
    alice = Wire(target, target.cookie("alice"))
    deaf = Attacker(target, target.cookie("bob"), chat=True, receive_buffer=4096)
    before, slow = memory(target.pid), ended(target, "slow")
    for n in range(60):  # three megabytes, three times what may wait
        say(alice, hall, f"{n} " + "& " * 6000)

    wait_until(lambda: ended(target, "slow") > slow, what="the deaf one to be cut")
    assert memory(target.pid) - before < 30 << 20
    assert target.metrics()["parley_backlog_bytes"] == 0
    deaf.close(), alice.drop()


def test_w02_a_reader_that_stops_is_cut_in_ten_seconds_and_not_in_forty_five(target, hall):
    alice = Wire(target, target.cookie("alice"))
    deaf = Attacker(target, target.cookie("bob"), chat=True, receive_buffer=4096)
    slow = ended(target, "slow")
    for n in range(25):
        say(alice, hall, f"{n} " + "& " * 6000)
        if target.metrics()["parley_slow_readers"]:
            break
    assert 0 < target.metrics()["parley_backlog_bytes"] < 1 << 20

    wait_until(lambda: ended(target, "slow") > slow, seconds=14, what="the deaf one to be cut")
    deaf.close(), alice.drop()


def test_w03_a_packet_that_cannot_be_read_ends_its_connection_and_all_that_belongs_to_it(target):
    before = target.metrics()
    mice = [Attacker(target, target.cookie("bob"), chat=True) for _ in range(50)]
    for mouse in mice:
        mouse.send("\x00 no packet")

    assert {mouse.ending() for mouse in mice} == {1002}
    for mouse in mice:
        mouse.close()
    # Those of the tests before may still have been on their way out.
    wait_until(lambda: target.metrics()["parley_transports"] <= before["parley_transports"], what="all to be gone")
    assert target.metrics()["parley_connections"] <= before["parley_connections"]


def test_w04_nobody_stops_being_a_stranger_in_a_namespace_that_asks_nothing(target):
    stranger = Attacker(target)
    for namespace in ("", "/,", "/x,"):
        stranger.send(f"40{namespace}")
        assert stranger.until(lambda text: text.startswith("4")).startswith("44")

    assert target.metrics()["parley_strangers"] == 1
    stranger.close()


def test_w04_two_hundred_who_say_nothing_are_gone_after_ten_seconds(target):
    before, strangers = sockets(target.pid), ended(target, "strangers")
    silent = [Attacker(target) for _ in range(200)]
    assert target.metrics()["parley_strangers"] >= 200
    nosy = Attacker(target)  # being refused again and again buys no time

    asked = []

    def ask():
        if len(asked) < 15:  # more would be ended for that
            asked.append(nosy.send("40/chat,"))
        return ended(target, "strangers") >= strangers + 201

    wait_until(ask, seconds=14, what="the strangers to be gone")
    assert {mouse.ending() for mouse in silent} == {1008} and nosy.ending() in (1008, RESET)
    assert sockets(target.pid) <= before + 5


@pytest.mark.parametrize(
    "query",
    [
        "EIO=4&transport=polling",
        "EIO=4&transport=polling&j=0",
        "EIO=3&transport=polling",
        "EIO=4&transport=polling&sid=abc",
        "EIO=4&transport=websocket&sid=abc",
        "",
    ],
)
def test_w05_there_is_no_polling_and_no_session_in_an_address(target, query):
    asked = f"GET /socket.io/?{query} HTTP/1.1\r\nHost: x\r\nOrigin: {target.url}\r\nConnection: close\r\n\r\n"

    assert status(exchange(target, asked.encode())) == 400
    assert status(exchange(target, asked.replace("GET", "POST").encode())) == 400
    if "sid" in query:
        answer = Attacker(target, target.cookie("bob"), path=f"/socket.io/?{query}")
        assert answer.status == 400


def test_w05_the_access_log_has_no_query_strings(founded, tmp_path):
    shutil.copytree(founded, tmp_path / "data")
    server = Server(tmp_path / "data", ACCESS_LOG="on").start()
    Attacker(server, path=f"{PATH}&secret=word").close()
    wait_until(lambda: '"GET /socket.io/ HTTP/1.1" 101' in server.log(), what=server.log)

    assert "secret" not in server.log() and "EIO" not in server.log()
    server.close()


def test_w06_an_origin_is_ours_or_the_handshake_is_refused(target):
    cookie = target.cookie("bob")
    for origin in ("", "null", "https://evil.example", f"http://evil.example:{target.port}"):
        assert Attacker(target, cookie, origin=origin).status == 403
    forwarded = Attacker(  # what the stock list is made of proves nothing
        target, cookie, origin="https://evil.example", Host="evil.example",
        X_Forwarded_Host="evil.example", X_Forwarded_Proto="https",
    )  # fmt: skip
    assert forwarded.status == 403
    assert Attacker(target, cookie).status == 101


def test_w07_nonsense_does_not_fill_the_log(target):
    before = len(target.log())
    for n in range(100):
        mouse = Attacker(target)
        mouse.send(b"\xff\xfe" * n, opcode=TEXT)
        mouse.close()
        exchange(target, b"NONSENSE\r\n\r\n")
        exchange(target, b"GET / HTTP/1.1\r\nBad Header\x00: x\r\n\r\n")

    assert len(target.log()) - before < 2000
    assert ended(target, "malformed") > 50, "but it is counted"


# ---- socket.io -------------------------------------------------------------------------------------------------------


def test_w08_a_client_cannot_call_our_own_handlers_and_gets_an_answer_to_any_other_name(target):
    for name in ("connect", "disconnect", "connect_error"):
        mouse = Attacker(target, target.cookie("bob"), chat=True)
        mouse.event(name, {"HTTP_COOKIE": target.cookie("ada"), "HTTP_ORIGIN": target.url}, 1)
        assert mouse.ending() == 1002
    for data in ('{"message":1}', "7", "[]", "[7]", "[[]]", '"message"'):
        mouse = Attacker(target, target.cookie("bob"), chat=True)
        mouse.send(f"42/chat,1{data}")
        assert mouse.ending() == 1002
    mouse = Attacker(target, target.cookie("bob"), chat=True)
    for n, name in enumerate(("trigger_event", "arrive", "leave ", "__init__", "answer", "", "on_message")):
        mouse.event(name, {}, n)
        assert mouse.answer(n)["code"] == "unknown_event"


def test_w09_binary_packets_are_refused_and_nothing_waits_for_attachments(target):
    before = memory(target.pid)
    for packet in ('451-/chat,1["message",{"_placeholder":true,"num":0}]', '459999999999-/chat,["x"]', "461-/chat,1[]"):
        mouse = Attacker(target, target.cookie("bob"), chat=True)
        mouse.send(packet)
        mouse.send(b"\x00" * 200_000, opcode=2)
        assert mouse.ending() == 1002
    mouse = Attacker(target, target.cookie("bob"), chat=True)
    mouse.send(b"\x04" * 1000, opcode=2)
    assert mouse.ending() == 1008

    assert memory(target.pid) - before < 10 << 20


def test_w10_one_connections_events_are_handled_in_the_order_they_were_sent(target, hall):
    alice = Attacker(target, target.cookie("alice"), chat=True)
    key = uuid.uuid4().hex
    alice.raw(
        b"".join(
            masked(f"42/chat,{n}" + json.dumps(["message", {"room": hall, "text": f"{n}", "key": f"{key}-{n}"}]))
            for n in range(300)
        )
    )
    order = []
    while len(order) < 300:
        text = alice.until(lambda text: text.startswith("43/chat,"))
        order.append(int(text[8 : text.index("[")]))

    def stored():
        rows = db.session.query(Message.text).filter(Message.room_id == hall).order_by(Message.seq).all()
        return [text for (text,) in rows]

    assert order == list(range(300))
    assert target.act(stored) == [str(n) for n in range(300)]


def test_w11_an_event_is_answered_also_when_its_handler_breaks(founded, tmp_path):
    shutil.copytree(founded, tmp_path / "data")
    server = Server(tmp_path / "data").start()
    room = new_room(server)
    bob = Wire(server, server.cookie("bob"))
    bob.take(5)
    # Waiting for the lock of the database is not what is asked about, so another program takes a table away.
    other = sqlite3.connect(server.folder / "parley.db", isolation_level=None, timeout=20)
    other.execute("ALTER TABLE sessions RENAME TO elsewhere")
    answer = bob.call("message", {"room": room, "text": "hello", "key": "k"})
    assert (answer["ok"], answer["code"]) == (False, "error")
    with pytest.raises((Gone, AssertionError)):
        Wire(server, "parley_session=" + "x" * 43)
    assert server.log().count("Connecting failed") == 1, "and not called a second time without arguments"

    other.execute("ALTER TABLE elsewhere RENAME TO sessions")
    assert bob.call("message", {"room": room, "text": "hello", "key": "k"})["ok"]
    other.close(), server.close()


# ---- several processes -----------------------------------------------------------------------------------------------


def test_w12_what_several_say_at_once_through_several_processes_arrives_in_one_order(queued):
    """Tab and Wire elsewhere check each frame's number; here the plain fact: one order for everybody."""
    here, there, _ = queued
    room = new_room(here)
    wires = [Wire(server, server.cookie(name)) for server in (here, there) for name in ("alice", "bob")]
    for wire in wires:
        wire.take(5)
    for n in range(20):
        for place, wire in enumerate(wires):
            wire.emit("message", {"room": room, "text": f"{place}:{n}", "key": f"{room}:{place}:{n}"})
    orders = [heard(wire, room, 80) for wire in wires]

    assert orders[0] == orders[1] == orders[2] == orders[3] and len(set(orders[0])) == 80


def test_w13_a_queue_that_is_away_loses_nothing_and_delays_no_answer(queued):
    here, there, redis = queued
    room = new_room(here)
    alice, bob = Wire(here, here.cookie("alice")), Wire(there, there.cookie("bob"))
    alice.take(5), bob.take(5)
    redis.kill()
    for n in range(5):
        say(alice, room, f"without a queue {n}")
    assert heard(bob, room, 5) == [f"without a queue {n}" for n in range(5)]
    redis.start()
    say(alice, room, "and with one again")

    assert heard(bob, room, 1) == ["and with one again"]
    alice.drop(), bob.drop()


def test_w14_a_listener_that_is_cut_off_comes_back(queued):
    here, there, redis = queued
    room = new_room(here)
    alice, bob = Wire(here, here.cookie("alice")), Wire(there, there.cookie("bob"))
    alice.take(5), bob.take(5)
    wait_until(lambda: not there.metrics()["parley_bus_degraded"], seconds=20, what="the queue to be heard")
    for n in range(3):
        redis.client().execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        say(alice, room, f"after cut {n}")
    assert heard(bob, room, 3) == [f"after cut {n}" for n in range(3)]

    before = there.metrics()["parley_bus_hints_received_total"]

    def another():
        say(alice, room, "is anybody listening?")
        return there.metrics()["parley_bus_hints_received_total"] > before

    wait_until(another, seconds=20, what="hints to be heard again")
    alice.drop(), bob.drop()


def emit_like_python_socketio(redis, channel, payload):
    forged = {"method": "emit", "event": "message", "data": payload, "namespace": "/chat", "room": None}
    for data in (json.dumps(forged), pickle.dumps(forged)):
        redis.client().publish(channel, data)


def test_w15_w16_whoever_can_write_to_the_queue_can_neither_speak_nor_move_anybody(queued):
    here, there, redis = queued
    bob = Wire(there, there.cookie("bob"))
    bob.take(5)
    wait_until(lambda: redis.client().pubsub_channels(), seconds=20, what="the servers to listen")
    channels = {*redis.client().pubsub_channels(), b"socketio", b"flask-socketio"}
    ignored = there.metrics()["parley_bus_ignored_total"]
    sid = "any"
    for channel in channels:
        emit_like_python_socketio(redis, channel, {"stream": "site", "seq": 10**6, "change": "forged"})
        for method in ("disconnect", "enter_room", "leave_room", "close_room", "callback"):
            forged = {"method": method, "sid": sid, "room": "room:1", "namespace": "/chat", "host_id": "x"}
            redis.client().publish(channel, json.dumps(forged))
        redis.client().publish(channel, b'1.00000000000000000000000000000000.["x",1,1,[["hint",["site",1000000]]]]')
    wait_until(lambda: there.metrics()["parley_bus_ignored_total"] > ignored, what="it to be ignored")
    bob.call("read", {"room": find_room(here, "general"), "seq": 0})

    assert not [p for _, p in bob.take() if isinstance(p, dict) and p.get("change") == "forged"]
    bob.drop()


def test_w16_who_was_removed_by_another_process_is_out_although_no_queue_says_so(queued):
    here, there, redis = queued
    room = new_room(here)
    alice, bob = Wire(here, here.cookie("alice")), Wire(there, there.cookie("bob"))
    alice.take(5), bob.take(5)
    redis.kill()
    here.act(remove_member, lambda: person("alice"), lambda: find_room(here, room), lambda: person("bob"))
    got = []
    wait_until(lambda: got.extend(bob.take(0.1)) or [p for n, p in got if n == "me" and p["change"] == "room_removed"])
    say(alice, room, "without bob")
    bob.call("read", {"room": find_room(here, "general"), "seq": 0})

    assert not [p for n, p in got + bob.take() if n == "message" and p["stream"] == f"room:{room}"]
    redis.start(), alice.drop(), bob.drop()


def test_w17_the_server_asks_for_no_acknowledgement_and_takes_none(target, hall):
    bob = Attacker(target, target.cookie("bob"), chat=True)
    alice = Wire(target, target.cookie("alice"))
    say(alice, hall, "hello")
    frame = bob.until(lambda text: '"hello"' in text)
    assert re.match(r"42/chat,\[", frame), "a number here would ask for an answer"
    bob.send("43/chat,1[]")

    assert bob.ending() == 1002
    alice.drop()


def test_w18_who_is_here_is_known_in_every_process(queued):
    from tests.system.server import Client

    here, there, _ = queued
    wait_until(lambda: not here.metrics()["parley_bus_degraded"], seconds=20, what="the queue to be heard")
    bob = Client(here, "bob")
    carol = Client(there, "carol")
    carol.emit("here", {"active": True}, namespace="/presence")
    bob.emit("here", {"active": True}, namespace="/presence")

    carol_id = carol.hello["user"]
    wait_until(
        lambda: any(p["user"] == carol_id and p["state"] == "online" for p in bob.received("presence")),
        what="bob's process to know of carol",
    )
    bob.close(), carol.close()


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_w19_nothing_that_arrives_is_unpickled(queued, tmp_path):
    here, there, redis = queued
    wait_until(lambda: redis.client().pubsub_channels(), seconds=20, what="the servers to listen")
    before = there.metrics()["parley_bus_ignored_total"]
    bomb = pickle.dumps(Bomb(tmp_path / "went off"))

    def is_ignored():  # a queue that loses half may lose it
        for channel in {*redis.client().pubsub_channels(), b"socketio"}:
            redis.client().publish(channel, bomb)
            redis.client().publish(channel, base64.b64encode(bomb))
        return there.metrics()["parley_bus_ignored_total"] > before

    wait_until(is_ignored, what="it to be ignored")

    assert not (tmp_path / "went off").exists()
    for server in (here, there):
        cookie = base64.urlsafe_b64encode(bomb).decode()
        exchange(
            server, f"GET /login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: parley={cookie}\r\n\r\n".encode()
        )
    assert not (tmp_path / "went off").exists()


# ---- sessions --------------------------------------------------------------------------------------------------------


def test_w20_a_session_that_ended_is_noticed_by_an_open_connection_at_its_next_event(target, hall):
    cookie = target.cookie("bob")
    bob = Wire(target, cookie)
    bob.take(5)
    assert say(bob, hall, "still signed in")

    def sign_out():
        session = live_session(cookie.partition("=")[2])
        end_session(session.user, session)

    target.act(sign_out)
    number = bob.emit("message", {"room": hall, "text": "after", "key": "after"})
    got = []
    with suppress(Gone):
        wait_until(lambda: got.extend(bob.take(0.1)) or number in bob.answers, seconds=5)

    assert bob.answers.get(number, {"code": "unauthorized"})["code"] == "unauthorized"
    assert not target.act(lambda: db.session.query(Message).filter(Message.key == "after").count())


@pytest.mark.parametrize(
    "cookie",
    ["remember_token=2|{}", "remember_token=2", "user_id=2; _user_id=2", "session=eyJfdXNlcl9pZCI6IjIifQ.x.y"],
)
def test_w21_no_cookie_but_the_sessions_own_opens_anything(target, cookie):
    with pytest.raises(Gone) as refusal:
        Wire(target, cookie.format("0" * 128))
    assert refusal.value.reason["data"] == {"code": "unauthorized"}

    answer = exchange(
        target, f"GET /rooms HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n".encode()
    )
    assert status(answer) in (302, 303) and b"/login" in answer


# ---- websockets ------------------------------------------------------------------------------------------------------


def test_w22_the_old_protocols_are_not_spoken_and_a_length_is_believed_before_it_is_read(target):
    old = ("Sec-WebSocket-Version", "Sec-WebSocket-Key")
    keys = {"Sec_WebSocket_Key1": "4 @1  46546xW%0l 1 5", "Sec_WebSocket_Key2": "12998 5 Y3 1  .P00"}
    assert Attacker(target, drop=old).status == 400, "hixie-75"
    assert Attacker(target, drop=old, **keys).status == 400, "hixie-76"
    assert Attacker(target, Sec_WebSocket_Version="8").status == 426
    bob = Attacker(target, target.cookie("bob"), chat=True)
    bob.raw(masked(b"", length=24 << 20))

    assert bob.ending() == 1009


def test_w23_a_limit_counts_all_fragments_of_a_message(target):
    before = memory(target.pid)
    bob = Attacker(target, target.cookie("bob"), chat=True)
    bob.send("x" * 60_000, fin=False)
    for _ in range(17):  # a megabyte
        if not bob.send("x" * 60_000, opcode=0, fin=False):
            break

    assert bob.ending() in (1009, RESET)
    assert memory(target.pid) - before < 5 << 20


def test_w24_taking_masks_off_holds_nobody_up(target):
    """12 MB cost the loop less than half of what they would byte by byte."""
    bob, payload = Attacker(target, target.cookie("bob"), chat=True), "x" * 250_000
    before, _ = target.computed()
    for n in range(50):
        bob.send(f"42/chat,{n}" + json.dumps(["unknown", payload]))
        assert bob.answer(n)["code"] == "unknown_event"

    after, _ = target.computed()
    began = time.thread_time()
    bytes(byte ^ b"mask"[at & 3] for at, byte in enumerate(payload.encode()))
    byte_by_byte = 50 * (time.thread_time() - began)
    assert after - before < byte_by_byte / 2
    bob.close()


def test_w25_compression_is_not_agreed_to(target):
    offered = Attacker(target, Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits=99999")
    assert offered.status == 101 and b"extensions" not in offered.said.lower()
    offered.send("40/chat,", reserved=0x40)

    assert offered.ending() == 1002


# ---- http ------------------------------------------------------------------------------------------------------------


def test_w26_requests_are_limited_in_every_part(target):
    host = b"Host: x\r\nConnection: close\r\n"
    assert status(exchange(target, b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n" + host + b"\r\n")) == 414
    assert status(exchange(target, b"GET / HTTP/1.1\r\n" + host + b"X: " + b"x" * 9000 + b"\r\n\r\n")) in (400, 431)
    many = b"".join(b"X-%d: x\r\n" % n for n in range(200))
    assert status(exchange(target, b"GET / HTTP/1.1\r\n" + host + many + b"\r\n")) in (400, 431)
    form = b"Content-Type: application/x-www-form-urlencoded\r\n"
    large = b"POST /login HTTP/1.1\r\n" + host + form + b"Content-Length: 999999999\r\n\r\n" + b"x" * 100_000
    assert status(exchange(target, large)) == 413
    chunks = b"POST /login HTTP/1.1\r\n" + host + form + b"Transfer-Encoding: chunked\r\n\r\n"
    assert status(exchange(target, chunks + b"100000\r\n" + b"x" * 0x100000 + b"\r\n0\r\n\r\n")) in (400, 413)


def test_w26_nonsense_for_a_body_that_nobody_read_ends_the_connection_and_is_no_error_of_ours(target):
    head = b"POST /nowhere HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    for nonsense in (b"no chunk\r\n", b"-5\r\nx\r\n", b"\x81\x88\x01\x02\r\n", b"1\r\nxyz\r\n"):
        assert status(exchange(target, head + nonsense)) == 404, nonsense

    assert "Socket error" not in target.log()


def trickle(server, head, pieces, *, seconds):
    """Send `head`, then one of `pieces` twice a second. Returns after how many seconds the server had enough."""
    began, pieces = time.monotonic(), iter(pieces)
    with dial(server) as sock:
        sock.sendall(head)
        sock.settimeout(0.5)
        while time.monotonic() - began < seconds:
            try:
                if not sock.recv(65536):
                    break
            except TimeoutError:
                pass
            except ConnectionResetError:
                break
            try:
                sock.sendall(next(pieces, b""))
            except (BrokenPipeError, ConnectionResetError):
                break
    return time.monotonic() - began


def test_w26_slow_requests_are_cut_also_when_they_say_upgrade(target):
    form = b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    body = form + b"Content-Length: 5000\r\n\r\nlogin="
    attacks = {
        "nothing at all": (b"", ()),
        "half a head": (b"GET / HTTP/1.1\r\n", ()),
        "a head in pieces": (b"GET / HTTP/1.1\r\n", (b"X-%d: x\r\n" % n for n in range(1000))),
        "half a body": (body, ()),
        "a body in pieces": (body, iter(lambda: b"x", b"")),
        "half a body to upgrade": (body.replace(b"Host", b"Upgrade: websocket\r\nHost"), ()),
        "a body in pieces to upgrade": (body.replace(b"Host", b"Upgrade: websocket\r\nHost"), iter(lambda: b"x", b"")),
        "chunks in pieces": (form + b"Transfer-Encoding: chunked\r\n\r\n", iter(lambda: b"1\r\nx\r\n", b"")),
    }
    took = {}

    def attack(name):
        took[name] = trickle(target, *attacks[name], seconds=30)

    threads = [threading.Thread(target=attack, args=(name,)) for name in attacks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for name, seconds in took.items():
        assert seconds < (10 if "head" in name or "nothing" in name else 22), took


AFTER = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"Content-Length: 5, 5\r\n\r\nabcde",
        b"Content-Length: +5\r\n\r\nabcde",
        b"Content-Length: -5\r\n\r\nabcde",
        b"Content-Length: 0x5\r\n\r\nabcde",
        b"Content-Length: 5 5\r\n\r\nabcde",
        b"Content-Length : 5\r\n\r\nabcde",
        b"Content_Length: 5\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding\x00: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        b" Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nabcde\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcdeXX0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcde\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5;a\nb\r\nabcde\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0\r\nBad Trailer\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\nGET / HTTP/1.1\r\n\r\n",
    ],
)
def test_w27_a_body_whose_end_could_be_read_in_two_ways_is_refused_and_the_connection_closed(target, head):
    """What stands behind must never be answered as a request of its own."""
    form = b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    answer = exchange(target, form + head + AFTER, timeout=20)

    assert status(answer) in (400, 501), answer[:300]
    assert answer.count(b"HTTP/1.1 ") == 1 and b'{"ok":true}' not in answer.replace(b" ", b"")


def test_w27_what_stands_behind_an_upgrade_is_frames_and_never_a_request(target):
    for data in (upgrade(target) + AFTER, upgrade(target, Content_Length=str(len(AFTER))) + AFTER):
        answer = exchange(target, data)
        assert answer.count(b"HTTP/1.1 ") == 1 and b'"ok":true' not in answer.replace(b" ", b"")
    refused = exchange(target, upgrade(target, origin="https://evil.example") + AFTER)
    assert status(refused) == 403 and refused.count(b"HTTP/1.1 ") == 1


def test_w27_forwarded_names_and_http_2_are_nothing_we_believe(target):
    assert status(exchange(target, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")) in (400, 505)
    h2c = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n"
    assert status(exchange(target, h2c + b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")) != 101
    for name in (b"X-Forwarded-For", b"X-Forwarded-Proto", b"Forwarded", b"X-Forwarded-Host"):
        answer = exchange(
            target, b"GET /login HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + name + b": https, evil.example\r\n\r\n"
        )
        assert b"evil.example" not in answer


@pytest.mark.parametrize(
    "password", ["x" * 73, "x" * 1024, "nul\0" + PASSWORD, PASSWORD + "\0", "\x00", "🦑" * 300, "x" * 100_000]
)
def test_w28_no_password_breaks_the_hash(target, password):
    answer = Browser(target).post("/login", login="alice", password=password)

    assert status(answer) == 422 and b"Traceback" not in answer


def test_w28_the_password_itself_still_opens_the_door(target):
    assert status(Browser(target).post("/login", login="alice", password=PASSWORD)) == 303


def test_w29_forms_of_parts_are_limited_in_number_and_memory(target):
    alice = Browser(target, target.cookie("alice"), "/settings/profile")
    many = alice.upload("/settings/avatar", [(f"part{n}", "", b"x") for n in range(200)])
    assert status(many) in (400, 413, 422)
    large = alice.upload("/settings/avatar", [("bio", "", b"x" * 600_000)])
    assert status(large) in (400, 413)
    picture = alice.upload("/settings/avatar", [("picture", '; filename="a.png"', b"\x89PNG" + b"x" * 5_500_000)])
    assert status(picture) == 413


@pytest.mark.parametrize("kind", ["pictures", "passwords", "long messages", "all at once"])
def test_w30_nothing_holds_the_loop(strict, kind):
    """Whatever computes for long keeps other threads busy, and not the loop."""
    server, room, failures = strict, new_room(strict), []
    alice = Browser(server, server.cookie("alice"), "/settings/profile")
    picture = io.BytesIO()
    Image.effect_noise((250, 250), 90).quantize(8).resize((6000, 6000), Image.Resampling.NEAREST).save(picture, "PNG")

    def upload():
        answer = alice.upload("/settings/avatar", [("picture", '; filename="a.png"', picture.getvalue())])
        failures.extend([answer[:200]] if status(answer) not in (200, 303) else [])

    def sign_in():
        answer = Browser(server).post("/login", login="bob", password=PASSWORD)
        failures.extend([answer[:200]] if status(answer) != 303 else [])

    def write():
        bob = Wire(server, server.cookie("bob"))
        bob.take(5)
        for text in ("*a* " * 5000, "> " * 500 + "x" * 19_000, "[a](http://b.c) " * 1200, "`" * 19_999):
            say(bob, room, text)
        bob.drop()

    kinds = {"pictures": [upload] * 3, "passwords": [sign_in] * 3, "long messages": [write] * 3}
    jobs = kinds.get(kind) or [job for several in kinds.values() for job in several]
    before = server.computed()
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not failures
    loop, others = (after - then for after, then in zip(server.computed(), before, strict=True))
    assert loop < others / 2


def test_afterwards_the_server_is_as_it_was(target):
    """Last: nothing that the attacks did is left."""
    wait_until(lambda: target.metrics()["parley_transports"] == 0, seconds=15, what="the last websocket to go")
    metrics = target.metrics()
    for name in ("connections", "strangers", "slow_readers", "backlog_bytes", "handling"):
        assert metrics[f"parley_{name}"] == 0, name
    assert isinstance(socket.create_connection(("127.0.0.1", target.port)), socket.socket)
