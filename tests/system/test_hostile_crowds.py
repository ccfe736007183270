"""Floods, strangers in numbers, slow readers, and every way to write an Origin that is not ours."""

import json
import threading
import time
import uuid

import pytest

from tests.system.attack import (
    CLOSE,
    PATH,
    PING,
    PONG,
    RESET,
    Attacker,
    exchange,
    masked,
    memory,
    sockets,
    standing,
    status,
)
from tests.system.conftest import new_room
from tests.system.server import wait_until
from tests.system.tab import Tab
from tests.system.wire import Wire


@pytest.fixture(scope="module", params=["eventlet", "gevent"])
def target(request, founded, tmp_path_factory):
    """A server in each async mode, with the limits on that keep people from flooding."""
    folder = tmp_path_factory.mktemp(request.param) / "data"
    with standing(founded, folder, ASYNC_MODE=request.param, RATE_LIMITS="on") as server:
        yield server


@pytest.fixture(scope="module")
def busy(founded, tmp_path_factory):
    """A server without limits, where a few people can fill many connections."""
    with standing(founded, tmp_path_factory.mktemp("busy") / "data") as server:
        yield server


# ---- origins (S07) ---------------------------------------------------------------------------------------------------

NOT_OURS = [
    "",
    "null",
    "NULL",
    "*",
    "file://",
    "about:blank",
    "data:text/html,x",
    "https://{host}:{port}",
    "HTTP://{host}:{port}",
    "http://{host}",
    "http://{host}:",
    "http://{host}:80",
    "http://{host}:0{port}",
    "http://{host}:{port}0",
    "http://{host}:{port}/",
    "http://{host}:{port}/path",
    "http://{host}:{port}?x",
    "http://{host}:{port}#x",
    "http://{host}.:{port}",
    "http://LOCALHOST:{port}",
    "http://{host}:{port}.evil.example",
    "http://{host}.evil.example:{port}",
    "http://evil-{host}:{port}",
    "http://evil.{host}:{port}",
    "http://evil.example/{host}:{port}",
    "http://evil.example?http://{host}:{port}",
    "http://evil.example#http://{host}:{port}",
    "http://{host}:{port}@evil.example",
    "http://user@{host}:{port}",
    "http://user:word@{host}:{port}",
    "http://[::1]:{port}",
    "http://127.0.0.2:{port}",
    "http://127.1:{port}",
    "http://2130706433:{port}",
    "http://0.0.0.0:{port}",
    "http://0x7f000001:{port}",
    "http://{host}:{port}, http://evil.example",
    "http://{host}:{port} http://evil.example",
    "http://evil.example, http://{host}:{port}",
    "//{host}:{port}",
    "{host}:{port}",
    "ws://{host}:{port}",
    "http:/{host}:{port}",
    "http://{host}:{port}\t.evil.example",
]


@pytest.mark.parametrize("origin", NOT_OURS, ids=repr)
def test_an_origin_that_is_not_letter_for_letter_ours_is_refused(busy, origin):
    cookie = busy.cookie("bob")
    given = origin.format(host="localhost", port=busy.port)

    assert Attacker(busy, cookie, origin=given).status in (400, 403)


def test_two_origins_are_none_of_ours(busy):
    evil = {"Origin ": busy.url, "Origin": "https://evil.example"}
    lines = "".join(f"{name.strip()}: {value}\r\n" for name, value in evil.items())
    asked = (
        f"GET {PATH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
    )

    assert status(exchange(busy, asked.encode())) in (400, 403)


def test_ours_is_let_in(busy):
    for host in ("localhost", "127.0.0.1"):
        assert Attacker(busy, busy.cookie("bob"), origin=f"http://{host}:{busy.port}").status == 101


# ---- floods ----------------------------------------------------------------------------------------------------------


def test_five_thousand_events_in_one_burst_are_throttled_answered_in_order_and_disturb_nobody(target):
    room = new_room(target)
    alice, bob = Attacker(target, target.cookie("alice"), chat=True), Wire(target, target.cookie("bob"))
    bob.take(5)
    key = uuid.uuid4().hex

    def flood():
        alice.sock.settimeout(60)
        events = (
            masked(f"42/chat,{n}" + json.dumps(["message", {"room": room, "text": f"{n}", "key": f"{key}{n}"}]))
            for n in range(5000)
        )
        alice.raw(b"".join(events))

    thread = threading.Thread(target=flood)
    thread.start()
    taken, refused, waits = [], [], []
    while len(taken) + len(refused) < 5000:
        text = alice.until(lambda text: text.startswith("43/chat,"), seconds=30)
        number, _, answer = text[8:].partition("[")
        answer = json.loads("[" + answer)[0]
        assert answer["ok"] or answer["code"] == "rate_limited"
        (taken if answer["ok"] else refused).append(int(number))
        if len(refused) % 500 == 250:
            began = time.monotonic()
            assert bob.call("read", {"room": room, "seq": 0})["ok"]
            waits.append(time.monotonic() - began)
    thread.join()

    # What is refused need not wait for what is being written, so it may be told a little earlier.
    assert sorted(taken + refused) == list(range(5000))
    assert taken == sorted(taken) and refused == sorted(refused)
    assert taken[:10] == list(range(10)) and len(refused) > 4000
    assert max(waits) < 2, "bob is answered meanwhile; the rest is patience with a busy machine"
    assert alice.event("read", {"room": room, "seq": 0}, 9999) and alice.answer(9999)["ok"]
    alice.close(), bob.drop()


def test_strangers_hold_no_more_than_sixty_four_kilobytes_each_whatever_they_send(target):
    """Six hundred of them, each as greedy as it may be: half a message, many fragments, pings, refusals unread."""
    warm = [Attacker(target) for _ in range(50)]
    for mouse in warm:
        mouse.close()
    wait_until(lambda: target.metrics()["parley_transports"] == 0, seconds=15)
    before = memory(target.pid)
    greedy = [
        masked("x" * 8000)[:-1],
        masked("x" * 7, fin=False) + masked("x" * 7, opcode=0, fin=False) * 1000,
        masked("x" * 125, PING) * 400,
        masked("40/nowhere" + "x" * 1000) * 60,
        b"".join(masked(f"40/nowhere{n}") for n in range(900)),
        masked('42/chat,1["message",{}]') * 600,
    ]
    crowd, peak = [], 0
    for n in range(600):
        mouse = Attacker(target, receive_buffer=4096)
        mouse.raw(greedy[n % len(greedy)])
        crowd.append(mouse)
        if n % 50 == 49:
            peak = max(peak, memory(target.pid))
    peak = max(peak, memory(target.pid))

    assert (peak - before) / len(crowd) < 64 << 10
    wait_until(lambda: target.metrics()["parley_transports"] == 0, seconds=25, what="the strangers to be gone")
    for mouse in crowd:
        mouse.close()


def test_a_flood_of_pings_is_answered_with_few_pongs_and_holds_nobody_up(target):
    before = memory(target.pid)
    mouse, bob = Attacker(target), Wire(target, target.cookie("bob"))
    bob.take(5)
    mouse.sock.settimeout(0.2)
    for _ in range(40):
        if not mouse.raw(masked(b"", PING) * 10_000):
            break
        began = time.monotonic()
        assert bob.call("read", {"room": 1, "seq": 0})
        assert time.monotonic() - began < 2
    assert memory(target.pid) - before < 10 << 20
    last, pongs = None, 0
    mouse.raw(masked("the last", PING))
    while last != b"the last" and pongs < 10_000:
        opcode, last = mouse.frame(5)
        pongs += opcode == PONG
    assert last == b"the last" and pongs < 10_000
    mouse.close(), bob.drop()


def test_an_unmasked_frame_a_giant_name_and_a_deep_nest_end_the_one_who_sends_them(target):
    for data, code in (
        (masked('42/chat,1["read",{}]', mask=None), 1002),
        (masked("42/" + "n" * 200_000 + ',1["read",{}]'), None),
        (masked('42/chat,1["' + "n" * 200_000 + '",{}]'), 1002),
        (masked("42/chat,1" + "[" * 200_000), 1002),
        (masked('42/chat,1["read",' + '{"a":' * 100_000 + "1" + "}" * 100_000 + "]"), 1009),
        (masked('42/chat,1["read",' + '{"a":' * 30_000 + "1" + "}" * 30_000 + "]"), 1002),
        (masked("40/" + "n" * 7000), None),
    ):
        mouse = Attacker(target, target.cookie("bob"), chat=True)
        mouse.raw(data)
        if code:
            assert mouse.ending() in (code, RESET)
        else:
            mouse.event("read", {"room": 1, "seq": "x"}, 7)
            assert mouse.answer(7)["code"] == "invalid", "a namespace that is not there is nobody's business"
        mouse.close()


def test_a_second_connect_changes_nothing_and_events_before_the_first_are_not_heard(target):
    mouse = Attacker(target, target.cookie("bob"))
    mouse.event("read", {"room": 1, "seq": 0}, 1)
    mouse.send("40/chat,"), mouse.send("40/chat,"), mouse.send("40/chat,")
    mouse.event("read", {"room": 1, "seq": "x"}, 2)
    heard = []
    mouse.until(lambda text: heard.append(text) or text.startswith("43/chat,2["))

    kinds = [text[:8] for text in heard if not text.startswith("42")]
    assert sorted(kinds) == ["40/chat,", "43/chat,", "44/chat,", "44/chat,"]
    assert not [text for text in heard if text.startswith("43/chat,1[")]
    assert target.metrics()["parley_connections"] >= 1
    mouse.close()


def test_connecting_and_hanging_up_as_fast_as_one_can_leaves_nothing(target):
    cookie, before = target.cookie("bob"), sockets(target.pid)
    for n in range(150):
        mouse = Attacker(target, cookie)
        mouse.raw(masked("40/chat,") + masked("41/chat,") * (n % 3) + masked("40/chat,") * (n % 2))
        mouse.close(reset=n % 2 == 0)
    wait_until(lambda: target.metrics()["parley_transports"] == 0, seconds=15, what="all to be gone")

    metrics = target.metrics()
    assert (metrics["parley_connections"], metrics["parley_strangers"], metrics["parley_handling"]) == (0, 0, 0)
    assert sockets(target.pid) <= before + 5


def test_a_message_of_what_a_member_may_send_is_taken_and_one_byte_more_is_not(target):
    most = 256 * 1024
    for size, code in ((most, None), (most + 1, 1009)):
        mouse = Attacker(target, target.cookie("bob"), chat=True)
        head, tail = '42/chat,1["unknown","', '"]'
        mouse.send(head + "x" * (size - len(head) - len(tail)) + tail)
        if code:
            assert mouse.ending() in (code, RESET)
        else:
            assert mouse.answer(1)["code"] == "unknown_event"
        mouse.close()


def test_a_goodbye_is_answered(target):
    mouse = Attacker(target, target.cookie("bob"), chat=True)
    mouse.send((1000).to_bytes(2, "big"), opcode=CLOSE)

    assert mouse.ending() == 1000


# ---- slow readers (R13) ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_fifty_who_never_read_cost_little_delay_nobody_and_miss_nothing(busy):
    room = new_room(busy)
    alice, bob = Wire(busy, busy.cookie("alice")), Tab([busy], "bob")
    bob.connect(busy)
    lazy = Tab([busy], "bob", cookie=bob.cookie)  # as the page was before: it comes back and resumes
    wait_until(lambda: not bob.read(0.2) and not bob.asked)
    cookie = busy.cookie("bob")
    deaf = [Attacker(busy, cookie, chat=True, receive_buffer=4096) for _ in range(50)]
    before, peak, slowest = memory(busy.pid), 0, 0.0
    slow = busy.metrics()['parley_ended_total{cause="slow"}']
    for n in range(60):
        began = time.monotonic()
        text = f"{n} " + "& " * 6000
        assert alice.call("message", {"room": room, "text": text, "key": f"{room}-{n}"})["ok"]
        bob.read(0.05)
        slowest = max(slowest, time.monotonic() - began)
        peak = max(peak, memory(busy.pid))
    wait_until(
        lambda: busy.metrics()['parley_ended_total{cause="slow"}'] >= slow + 50,
        seconds=15,
        what=lambda: f"the deaf to be cut: {busy.metrics()}",
    )
    wait_until(lambda: not bob.read(0.2) and not bob.asked)

    assert peak - before < 60 << 20
    assert slowest < 2, "the others are served meanwhile; the rest is patience with a busy machine"
    assert len([text for stream, *_, text in bob.journal if stream == f"room:{room}"]) == 60
    assert busy.metrics()["parley_backlog_bytes"] == 0
    lazy.connect(busy)
    wait_until(lambda: not lazy.read(0.2) and not lazy.asked, seconds=30)
    fresh = Tab([busy], "bob", cookie=bob.cookie)
    assert lazy.difference(fresh) is None and bob.difference(fresh) is None
    for mouse in deaf:
        mouse.close()
    alice.drop(), bob.disconnect(), lazy.disconnect()
