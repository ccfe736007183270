import json
import socket
import time

import pytest

from chat.fanout import transport as limits
from tests.fanout.conftest import MOST_BYTES, read_until, texts
from tests.system.attack import CLOSE, PING, PONG, RESET, masked

BIG = "x" * 60_000


def numbers(peer):
    """The numbers that were published to this client."""
    return [json.loads(text[8:])[1] for text in texts(peer) if type(text) is str and text.startswith('42/chat,["n"')]


def make_slow(world, peer, *, frames=40):
    """Publish until bytes wait for this client. Returns how many frames of 60,000 bytes that took."""
    for count in range(frames):
        world.fanout.send(peer.sid, "big", BIG)
        world.loop.run()
        if peer.transport.queue is not None:
            return count + 1
    raise AssertionError("the kernel took it all")


@pytest.mark.skipif(limits.USER_TIMEOUT is None, reason="this system cannot be told")
def test_the_kernel_gives_up_a_client_whose_network_loses_everything_within_seconds(world):
    peer = world.member()

    assert peer.transport.socket.getsockopt(socket.IPPROTO_TCP, limits.USER_TIMEOUT) == 15_000


# ---- handshakes ------------------------------------------------------------------------------------------------------


def test_a_handshake_is_answered_with_the_right_key_and_the_open_packet(world):
    status, handover, peer = world.shake()

    assert status is None and b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in peer.head()
    opened = json.loads(peer.frame(1)[1][1:])
    assert (opened["upgrades"], opened["pingInterval"], opened["maxPayload"]) == ([], 20_000, MOST_BYTES)
    assert handover.released == 0


def test_what_came_in_the_same_packet_as_the_request_is_not_lost(world):
    peer = world.stranger(early=masked("40/chat,"))
    world.loop.run()

    assert texts(peer)[0].startswith("40/chat,")


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({"REQUEST_METHOD": "POST"}, "400"),
        ({"QUERY_STRING": "transport=websocket"}, "400"),
        ({"QUERY_STRING": "EIO=3&transport=websocket"}, "400"),
        ({"QUERY_STRING": "EIO=4&transport=websocket&sid=abc"}, "400"),
        ({"HTTP_UPGRADE": "h2c"}, "400"),
        ({"HTTP_UPGRADE": ""}, "400"),
        ({"HTTP_SEC_WEBSOCKET_KEY": "short"}, "400"),
        ({"CONTENT_LENGTH": "5"}, "400"),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, "400"),
        ({"HTTP_SEC_WEBSOCKET_VERSION": "8"}, "426"),
        ({"HTTP_SEC_WEBSOCKET_VERSION": ""}, "426"),
    ],
)
def test_what_is_no_websocket_of_ours_is_refused_and_keeps_nothing(world, environ, status):
    answer, *_ = world.shake(**environ)

    assert answer.startswith(status) and json.loads(world.body)["ok"] is False
    assert not world.engine.sockets and world.engine.counted["refused"] == 1


def test_a_refusal_is_kept_by_nobody_and_taken_for_nothing_else(world):
    world.shake(HTTP_UPGRADE="")

    assert {("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")} <= set(world.headers)


def test_the_application_may_refuse_before_anything_is_kept(world):
    world.engine.admit = lambda environ: ("403 Forbidden", "forbidden", "Not from there.")

    assert world.shake()[0] == "403 Forbidden" and not world.engine.sockets


def test_a_client_that_is_gone_before_the_answer_leaves_nothing_behind(world):
    real = world.engine.handlers["connect"]

    def gone(sid, environ):
        real(sid, environ)
        transport = world.engine.sockets[sid]
        transport.socket.shutdown(socket.SHUT_WR)  # so that writing fails

    world.engine.handlers["connect"] = gone
    _, handover, _ = world.shake()
    world.loop.run()

    assert not world.engine.sockets and handover.released == 1 and not world.loop.watched


# ---- out -------------------------------------------------------------------------------------------------------------


def test_while_bytes_wait_everything_goes_behind_them_whole_and_in_order(world):
    peer = world.member("room")
    before = make_slow(world, peer)
    for n in range(5):
        world.publish("room", n)
        world.fanout.send(peer.sid, "private", n)
    world.loop.run()
    assert peer.transport.owed == world.engine.owed > 0 and peer.transport in world.engine.behind

    got = read_until(world, peer, lambda got: len(got) == before + 10)

    kinds = [json.loads(text[8:]) for text in got]
    assert kinds[:before] == [["big", BIG]] * before
    assert kinds[before:] == [pair for n in range(5) for pair in (["n", n], ["private", n])]
    assert peer.transport.owed == 0 and not world.engine.behind
    assert ("write", peer.transport.number) not in world.loop.watched


def test_at_most_one_mebibyte_waits_for_a_reader(world):
    peer, other = world.member(), world.member("room")
    make_slow(world, peer)
    most = 0
    for _ in range(60):
        world.fanout.send(peer.sid, "big", BIG)
        world.loop.run()
        most = max(most, peer.transport.owed)
        if peer.transport.socket is None:
            break

    assert limits.MOST_OWED - 2 * len(BIG) < most <= limits.MOST_OWED
    assert peer.transport.socket is None and world.engine.counted["slow"] == 1 and not world.engine.behind
    assert peer.handover.released == 1
    world.publish("room", 1)
    world.loop.run()
    assert numbers(other) == [1]


def test_what_waits_for_many_is_kept_once(world):
    peers = [world.member("room") for _ in range(3)]
    for _ in range(40):
        world.fanout.publish("room", "big", BIG)
        world.loop.run()
        if all(peer.transport.queue for peer in peers):
            break
    world.fanout.publish("room", "big", BIG)
    world.loop.run()

    assert len({id(peer.transport.queue[-1]) for peer in peers}) == 1


def test_no_byte_waits_for_longer_than_ten_seconds(world):
    peer = world.member()
    make_slow(world, peer)
    now = time.monotonic()
    world.engine.wheel.tick(now)
    world.engine.wheel.tick(now + limits.MOST_SECONDS - 0.1)
    assert peer.transport.socket is not None

    world.engine.wheel.tick(now + limits.MOST_SECONDS + 0.1)

    assert peer.transport.socket is None and world.engine.counted["slow"] == 1


def test_a_byte_that_came_later_has_ten_seconds_of_its_own_and_no_more(world):
    transport = world.member().transport
    transport.owed = 100
    assert not transport.is_stale(0)
    transport.owed = 200
    assert not transport.is_stale(1)
    transport.sent, transport.owed = 100, 100  # the first hundred have gone

    assert not transport.is_stale(9) and not transport.is_stale(limits.MOST_SECONDS + 0.9)
    assert transport.is_stale(limits.MOST_SECONDS + 1.1)


def test_a_slow_reader_that_does_read_is_not_cut(world):
    peer = world.member()
    make_slow(world, peer)
    now = time.monotonic()
    for second in range(0, 60, 4):
        world.engine.wheel.tick(now + second)
        world.fanout.send(peer.sid, "big", BIG)
        read_until(world, peer, lambda got: got)

    assert peer.transport.socket is not None


def test_a_client_that_has_gone_is_noticed_when_something_is_written_to_it(world):
    peer = world.member("room")
    peer.close(reset=True)
    world.publish("room", 1)
    world.publish("room", 2)
    world.loop.run()

    assert not world.engine.sockets and world.chat.seen[-1] == ("disconnect",)
    assert peer.handover.released == 1


# ---- strangers -------------------------------------------------------------------------------------------------------


def test_a_stranger_that_asks_for_answers_and_reads_none_is_cut_early(world):
    peer = world.stranger()
    for _ in range(2000):
        if not peer.raw(masked("40/nowhere" + "x" * 4000) * 4) or peer.transport.socket is None:
            break
        world.loop.run()
        assert peer.transport.owed <= limits.MOST_OWED_TO_STRANGERS

    assert peer.transport.socket is None and world.engine.counted["slow"] == 1


def test_a_stranger_may_not_send_what_members_may(world):
    stranger, member = world.stranger(), world.member()
    for peer in (stranger, member):
        peer.send("42/chat," + json.dumps(["n", "x" * limits.FIRST_BYTES]))
        world.loop.run()

    assert stranger.ending(1) == 1009
    assert world.chat.seen[-1] == ("n", "x" * limits.FIRST_BYTES)


# ---- pings -----------------------------------------------------------------------------------------------------------


def test_a_ping_is_answered_with_its_body(world):
    peer = world.stranger()
    peer.send("are you there?", PING)
    world.loop.run()

    assert texts(peer) == [(PONG, b"are you there?")]


def test_of_many_pings_at_once_the_newest_is_answered(world):
    peer = world.stranger()
    peer.raw(b"".join(masked(str(n), PING) for n in range(500)))
    world.loop.run()

    assert texts(peer) == [(PONG, b"499")]


def test_pongs_do_not_gather_for_who_does_not_read(world):
    peer = world.member()
    make_slow(world, peer)
    waiting = len(peer.transport.queue)
    for n in range(300):
        peer.send(str(n), PING)
        world.loop.run()
    assert len(peer.transport.queue) == waiting

    got = read_until(world, peer, lambda got: (PONG, b"299") in got)
    assert [item for item in got if item[0] == PONG] == [(PONG, b"299")]


# ---- in --------------------------------------------------------------------------------------------------------------


def test_events_begin_in_their_order_and_each_is_answered(world):
    peer = world.member()
    world.chat.handlers["n"] = lambda sid, n: {"n": n}
    peer.raw(b"".join(masked(f'42/chat,{n}["n",{n}]') for n in range(200)))
    world.loop.run()

    assert [n for _, n in world.chat.seen[1:]] == list(range(200))
    assert texts(peer) == [f'43/chat,{n}[{{"n":{n}}}]' for n in range(200)]


def test_the_next_event_waits_for_the_one_before(world):
    peer, order = world.member(), []

    def slowly(sid, n):
        order.append(("begin", n))
        world.loop.sleep(1)
        order.append(("end", n))

    world.chat.handlers["n"] = slowly
    for n in range(3):
        peer.send(f'42/chat,["n",{n}]')
    world.loop.advance(10)

    assert order == [(what, n) for n in range(3) for what in ("begin", "end")]
    assert world.engine.busy == 0


def test_one_connection_is_not_read_from_while_its_inbox_is_full(world):
    peer, gate = world.member(), []

    def waits(sid, n):
        while not gate:
            world.loop.sleep(1)
        return n

    world.chat.handlers["n"] = waits
    total = 3000
    peer.raw(b"".join(masked(f'42/chat,{n}["n",{n}]') for n in range(total)))
    world.loop.run()
    held = len(peer.transport.inbox)
    assert ("read", peer.transport.number) not in world.loop.watched
    assert limits.FULL_INBOX < held <= limits.FULL_INBOX + limits.READ_BYTES // 20
    world.loop.run()
    assert len(peer.transport.inbox) == held, "what was not read waits at the client"

    gate.append(True)
    world.loop.advance(2)
    got = texts(peer)
    while world.loop.turn():
        got += texts(peer)

    assert got + texts(peer) == [f"43/chat,{n}[{n}]" for n in range(total)]
    assert ("read", peer.transport.number) in world.loop.watched and peer.transport.inbox is None


def test_a_flood_of_one_leaves_others_their_turn(world):
    flooder, other = world.member(), world.member()
    answered = []
    world.chat.handlers["n"] = lambda sid, who, n: answered.append((who, n))
    flooder.raw(b"".join(masked(f'42/chat,["n","flood",{n}]') for n in range(400)))
    other.send('42/chat,["n","other",0]')
    world.loop.run()

    assert len(answered) == 401
    assert answered.index(("other", 0)) <= limits.EVENTS_AT_ONCE, "not behind the whole flood"


def test_an_event_in_line_lets_the_next_ones_begin_and_settle_waits_for_all(world):
    peer, order, committed = world.member(), [], []

    def post(sid, n):
        order.append(("queued", n))
        with peer.transport.in_line():
            while not committed:
                world.loop.sleep(0.1)
        order.append(("stored", n))
        return n

    def other(sid):
        peer.transport.settle()
        order.append("other")
        return "other"

    world.chat.handlers.update(post=post, other=other)
    for n in range(5):
        peer.send(f'42/chat,{n}["post",{n}]')
    peer.send('42/chat,9["other"]')
    world.loop.run()
    assert order == [("queued", n) for n in range(5)] and peer.transport.parked == 5

    committed.append(True)
    world.loop.advance(1)

    assert order == [("queued", n) for n in range(5)] + [("stored", n) for n in range(5)] + ["other"]
    assert texts(peer) == [*(f"43/chat,{n}[{n}]" for n in range(5)), '43/chat,9["other"]']
    assert peer.transport.parked == world.engine.busy == 0 and peer.transport.inbox is None


def test_at_most_sixteen_events_of_one_connection_are_in_line(world):
    peer, begun, committed = world.member(), [], []

    def post(sid, n):
        begun.append(n)
        with peer.transport.in_line():
            while not committed:
                world.loop.sleep(0.1)
        return n

    world.chat.handlers["post"] = post
    peer.raw(b"".join(masked(f'42/chat,{n}["post",{n}]') for n in range(40)))
    world.loop.run()
    assert len(begun) == limits.MOST_PARKED + 1 and peer.transport.parked == limits.MOST_PARKED

    committed.append(True)
    world.loop.advance(5)

    assert begun == list(range(40)) and texts(peer) == [f"43/chat,{n}[{n}]" for n in range(40)]


def test_a_handler_that_breaks_ends_its_connection_and_no_other(world, caplog):
    peer, other = world.member(), world.member("room")
    world.chat.handlers["n"] = lambda sid, n: 1 / n
    peer.send('42/chat,1["n",0]')
    world.loop.run()

    assert peer.ending(1) in (1006, RESET) and "An event failed" in caplog.text
    world.publish("room", 1)
    world.loop.run()
    assert numbers(other) == [1]


# ---- what no client sends --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "packet",
    [
        "",
        "0",
        "2",
        "5",
        "6",
        "x",
        "4",
        "43/chat,1[]",
        "44/chat,",
        '451-/chat,["n",{"_placeholder":true,"num":0}]',
        "461-/chat,1[]",
        "47",
        '42/chat,["connect",{}]',
        '42/chat,["disconnect"]',
        '42/chat,["connect_error"]',
        "42/chat,",
        "42/chat",
        "42/chat,[]",
        "42/chat,{}",
        '42/chat,{"a":["n"]}',
        "42/chat,[1]",
        "42/chat,[null]",
        '42/chat,[["n"]]',
        '42/chat,-1["n"]',
        '42/chat,1234567890123456["n"]',
        '42/chat,²["n"]',
        '42/chat,1 ["n"]',
        '42/chat,["n"]x',
        '42/chat,["n",NaN]',
        '42/chat,["n",1e999]',
        '42/chat,["n","\\ud800"]',
        "42/chat," + "[" * 3000,
        f'42/chat,["{"n" * 33}"]',
        '40/chat,{"a":',
        '40/chat,²{"a":1}',
        "4012345678901-/chat,",
        "40/chat,1" + "1" * 101,
    ],
)
def test_what_no_client_of_ours_sends_ends_the_connection_quietly(world, caplog, packet):
    peer = world.member()
    peer.send(packet)
    world.loop.run()

    assert peer.ending(1) == 1002
    assert not [seen for seen in world.chat.seen if seen[0] not in ("connect", "disconnect")]
    assert world.engine.counted["malformed"] == 1 and caplog.text == ""
    world.loop.advance(limits.DRAIN_SECONDS + 1)
    assert not world.engine.sockets


def test_a_binary_message_ends_the_connection_with_its_own_code(world):
    peer = world.member()
    peer.send(b"\x00\x01", opcode=2)
    world.loop.run()

    assert peer.ending(1) == 1008


def test_a_second_connect_to_a_namespace_is_refused_and_the_first_lives(world):
    peer = world.member("room")
    peer.send("40/chat,")
    world.loop.run()
    assert texts(peer)[0].startswith("44/chat,")

    world.publish("room", 1)
    world.loop.run()
    assert numbers(peer) == [1] and world.chat.seen == [("connect",)]


def test_whoever_joins_and_leaves_again_and_again_is_ended(world):
    peer = world.stranger()
    for _ in range(limits.MOST_CONNECTS):
        peer.send("40/chat,")
        peer.send("41/chat,")
        world.loop.run()
    assert peer.transport.socket is not None and world.chat.seen[-1] == ("disconnect",)
    texts(peer)

    peer.send("40/chat,")
    world.loop.run()

    assert peer.ending(1) == 1008
    assert world.chat.seen.count(("connect",)) == limits.MOST_CONNECTS


def test_events_before_connecting_or_to_another_namespace_are_not_handled(world):
    peer = world.stranger()
    peer.send('42/chat,1["n",1]')
    peer.send('42["n",1]')
    peer.send('42/other,1["n",1]')
    world.loop.run()

    assert texts(peer) == [] and world.chat.seen == []


def test_a_namespace_that_is_not_there_is_refused_and_nothing_is_kept_of_its_name(world):
    peer = world.stranger()
    for n in range(50):
        peer.send(f"40/nowhere{n},")
    world.loop.run()

    assert len([text for text in texts(peer) if text.startswith("44/nowhere")]) == 50
    assert set(world.server.manager.rooms) <= {"/chat", "/presence"}
    assert peer.transport in world.engine.strangers


def test_a_client_that_leaves_while_it_is_let_in_is_forgotten(world):
    """The connect handler may wait, for the database for instance, and the client hang up meanwhile."""
    peer = world.stranger()
    world.chat.handlers["connect"] = lambda sid, *rest: world.loop.sleep(1)
    peer.send("40/chat,")
    world.loop.run()
    peer.close()
    world.loop.advance(2)

    assert world.chat.seen == [("connect",), ("disconnect",)]
    assert not world.engine.sockets and not world.server.environ
    assert not world.server.manager.rooms["/chat"][None]
    assert not world.server.manager.pending_connect and not world.server.manager.pending_disconnect


# ---- the end ---------------------------------------------------------------------------------------------------------


def test_a_goodbye_drains_what_waits_and_what_still_comes_and_is_no_reset(world):
    peer = world.member()
    before = make_slow(world, peer)
    peer.raw(masked("42/chat," + json.dumps(["n", "x" * 9000])) * 3)  # on its way when we say goodbye
    world.engine.disconnect(peer.transport.sid)
    world.fanout.send(peer.sid, "late", "never sent: nothing follows a close frame")

    got = read_until(world, peer, lambda got: got and got[-1][0] == CLOSE)

    assert got[-1] == (CLOSE, (1000).to_bytes(2, "big"))
    assert [json.loads(text[8:])[0] for text in got[:-1]] == ["big"] * before
    assert peer.ending(1) == 1006, "and then the end, not a reset"
    assert world.chat.seen == [("connect",)], "what came meanwhile was thrown away"
    peer.close()
    world.loop.run()
    assert not world.engine.sockets and peer.handover.released == 1


def test_a_goodbye_comes_behind_what_was_published_before_it(world):
    peer = world.member("room")
    world.publish("room", 1)
    world.engine.disconnect(peer.transport.sid)
    world.loop.run()

    assert texts(peer) == ['42/chat,["n",1]', (CLOSE, (1000).to_bytes(2, "big"))]


def test_a_refusal_arrives_also_at_who_is_still_sending(world):
    """Closed with input unread, the connection would be reset and the reason lost."""
    peer = world.member()
    peer.raw(masked("no packet") + masked("x" * 100_000))
    world.loop.run()

    assert texts(peer) == [(CLOSE, (1002).to_bytes(2, "big"))]


def test_whoever_does_not_close_after_our_goodbye_is_cut(world):
    peer = world.member()
    world.engine.disconnect(peer.transport.sid)
    world.loop.advance(limits.DRAIN_SECONDS - 0.1)
    assert world.engine.sockets

    world.loop.advance(0.2)

    assert not world.engine.sockets and peer.handover.released == 1


def test_a_client_that_says_goodbye_is_answered_and_gone(world):
    peer = world.member()
    peer.send((1001).to_bytes(2, "big") + b"closing the tab", opcode=CLOSE)
    world.loop.run()

    assert peer.ending(1) == 1001 and not world.engine.sockets
    assert world.chat.seen[-1] == ("disconnect",)


def test_engine_io_has_a_goodbye_of_its_own(world):
    peer = world.member()
    peer.send("1")
    world.loop.run()

    assert peer.ending(1) == 1006 and not world.engine.sockets


def test_the_number_of_a_closed_socket_may_be_given_away_at_once(world):
    """Unwatched before it is closed, and a callback of the same round that comes late touches nobody else."""
    first = world.member()
    number, late = first.transport.number, first.transport.on_readable
    first.transport.lost()
    assert world.loop.calls[-1] == ("unwatch", "read", number)
    second = world.stranger()
    late(), first.transport.on_writable(), first.transport.write(b"stray")
    world.loop.run()

    second.send("40/chat,")
    world.loop.run()
    assert texts(second)[0].startswith("40/chat,")
    assert world.chat.seen == [("connect",), ("disconnect",), ("connect",)]


def test_an_end_is_the_end_of_everything_about_it(world):
    peer = world.member("one", "two")
    peer.send("40/presence,")
    world.loop.run()
    peer.close()
    world.loop.run()

    manager, engine = world.server.manager, world.engine
    assert not (engine.sockets or engine.strangers or engine.behind or world.loop.watched or world.server.environ)
    assert not manager.named and not any(slot for slot in engine.wheel.slots)
    assert not manager.rooms["/chat"][None] and not manager.rooms["/presence"][None]


def test_a_stop_waits_for_running_handlers_and_reads_nothing_new(world):
    peer, done = world.member(), []

    def slowly(sid, n):
        world.loop.sleep(0.5)
        done.append(n)
        return n

    world.chat.handlers["n"] = slowly
    peer.send('42/chat,1["n",1]')
    world.loop.run()
    world.engine.finish_events(3)
    peer.send('42/chat,2["n",2]')
    assert done == [1] and world.shake()[0].startswith("503")

    world.loop.later(0, lambda: None)
    world.engine.stop(0)

    got = texts(peer)
    assert got[0] == "43/chat,1[1]" and got[1] == (CLOSE, (1012).to_bytes(2, "big")) and done == [1]
    assert not world.engine.sockets


def test_a_stop_handles_what_a_flooding_client_was_read_and_reads_no_more_of_it(world):
    peer, gate = world.member(), []

    def waits(sid, n):
        while not gate:
            world.loop.sleep(0.01)

    world.chat.handlers["n"] = waits
    peer.raw(b"".join(masked(f'42/chat,["n",{n}]') for n in range(3000)))
    world.loop.run()
    read = 1 + len(peer.transport.inbox)
    assert peer.transport.paused and read < 3000

    gate.append(True)
    world.engine.finish_events(3)

    assert len(world.chat.seen) == 1 + read, "it connected, and sent these"
    assert world.engine.busy == 0 and ("read", peer.transport.number) not in world.loop.watched
