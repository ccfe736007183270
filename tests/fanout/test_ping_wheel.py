import time

import pytest

from chat.fanout.ping_wheel import STRANGER_SECONDS
from tests.fanout.conftest import texts
from tests.system.attack import CLOSE


@pytest.fixture
def clock(world):
    """clock(seconds) lets the wheel tick once a second for so long, by a clock of its own."""
    began = time.monotonic()

    def clock(seconds, now=[0]):  # noqa: B006 - it counts on
        for _ in range(seconds):
            now[0] += 1
            world.engine.wheel.tick(began + now[0])
            world.loop.run()

    return clock


def pings(peer):
    return texts(peer).count("2")


def test_everybody_is_pinged_once_in_an_interval_each_in_a_second_of_their_own(world, clock):
    peers = []
    for _ in range(5):
        peers.append(world.member())
        clock(1)
    counts = [pings(peer) for peer in peers]
    for _ in range(3):
        for peer in peers:
            peer.send("3")
        clock(20)
        counts = [count + pings(peer) for count, peer in zip(counts, peers, strict=True)]

    assert counts == [3] * 5
    assert len({peer.transport.slot for peer in peers}) == 5


def test_whoever_does_not_answer_is_dropped_at_the_next_turn_and_whoever_does_stays(world, clock):
    silent, faithful = world.member(), world.member()
    clock(20)
    assert pings(silent) == pings(faithful) == 1
    faithful.send("3")
    world.loop.run()
    clock(19)
    assert silent.transport.socket is not None

    clock(1)

    assert silent.transport.socket is None and faithful.transport.socket is not None
    assert world.chat.seen.count(("disconnect",)) == 1


def test_a_pong_in_time_counts_although_events_wait(world, clock):
    """A handler that takes long does not make its client look dead."""
    peer, done = world.member(), []
    world.chat.handlers["n"] = lambda sid: done or world.loop.sleep(1000)
    peer.send('42/chat,["n"]')
    world.loop.run()
    clock(20)
    peer.send("3")
    world.loop.run()
    clock(20)

    assert peer.transport.socket is not None


def test_a_stranger_has_ten_seconds(world, clock):
    stranger, member = world.stranger(), world.member()
    clock(STRANGER_SECONDS - 1)
    assert stranger.transport.socket is not None

    clock(2)

    assert stranger.ending(1) == 1008 and member.transport.socket is not None
    assert world.engine.counted["strangers"] == 1 and not world.engine.strangers


def test_being_refused_again_and_again_buys_a_stranger_no_time(world, clock):
    world.chat.handlers["connect"] = lambda *_: False
    stranger = world.stranger()
    for _ in range(STRANGER_SECONDS + 1):
        stranger.send("40/chat,")
        world.loop.run()
        clock(1)

    assert world.engine.counted["strangers"] == 1 and stranger.transport.socket is None


def test_whoever_has_left_every_namespace_is_a_stranger_again(world, clock):
    peer = world.member()
    peer.send("41/chat,")
    world.loop.run()
    assert peer.transport in world.engine.strangers
    clock(STRANGER_SECONDS + 1)

    assert texts(peer)[-1] == (CLOSE, (1008).to_bytes(2, "big"))
