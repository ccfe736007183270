"""What our hub does beside eventlet's own: in a thread of its own, so that nothing here is patched."""

import socket
import threading

import eventlet
import pytest
from eventlet import hubs
from greenlet import GreenletExit, getcurrent

from chat.server.hub import STEPS, Hub

QUIET, _other_end = socket.socketpair()  # nothing is ever sent


@pytest.fixture
def in_green():
    """run(function) calls function(hub) in a green thread of a fresh hub and returns what that returned."""

    def run(function):
        outcome = []

        def main():
            hubs.use_hub(Hub)
            hub = hubs.get_hub()
            hub.debug_exceptions = False
            outcome.append(eventlet.spawn(function, hub).wait())

        thread = threading.Thread(target=main)
        thread.start()
        thread.join(30)
        assert outcome, "it never came to an end"
        return outcome[0]

    return run


def turn(hub):
    """Let the hub go round once: what was due has been called when this returns."""
    hub.schedule_call_global(0, getcurrent().switch)
    hub.switch()


def looks(hub):
    """A list that grows whenever the hub looks at its sockets."""
    found, poll = [], hub.do_poll

    def do_poll(seconds):
        found.append(seconds)
        return poll(seconds)

    hub.do_poll = do_poll
    hub.add(hub.READ, QUIET.fileno(), lambda _: None, lambda *_: None, None)  # it looks at nothing if there is none
    return found


def test_what_follows_from_one_thing_needs_no_look_at_the_sockets(in_green):
    def steps(hub):
        seen, done, here = looks(hub), [], getcurrent()

        def first():
            done.append("first")
            hub.start(second)

        def second():
            done.append("second")
            hub.soon(third)

        def third():
            done.append("third")
            here.switch()

        hub.soon(first)
        hub.switch()
        return done, len(seen)

    assert in_green(steps) == (["first", "second", "third"], 0)


def test_things_come_in_the_order_in_which_they_were_asked_for(in_green):
    def order(hub):
        done = []
        for number in range(5):
            (hub.soon if number % 2 else hub.start)(done.append, number)
        turn(hub)
        return done

    assert in_green(order) == [0, 1, 2, 3, 4]


def test_a_green_thread_that_has_ended_is_used_again(in_green):
    def threads(hub):
        used = []
        for _ in range(3):
            hub.start(lambda: used.append(getcurrent()))
            turn(hub)
        return used

    assert len(set(in_green(threads))) == 1


def test_green_threads_that_wait_are_used_by_nobody_else(in_green):
    def waiting(hub):
        used, here = [], []

        def wait():
            here.append(getcurrent())
            hub.switch()
            used.append(getcurrent())

        hub.start(wait)
        hub.start(wait)
        turn(hub)
        for thread in reversed(here):
            hub.soon(thread.switch)
        turn(hub)
        return used == here[::-1] and len(set(used)) == 2

    assert in_green(waiting)


@pytest.mark.parametrize("way", ["soon", "start"])
def test_what_fails_stops_nobody_else(in_green, way):
    def failing(hub):
        done = []
        getattr(hub, way)(lambda: 1 / 0)
        getattr(hub, way)(done.append, "the next")
        turn(hub)
        getattr(hub, way)(done.append, "and the one after")
        turn(hub)
        return done

    assert in_green(failing) == ["the next", "and the one after"]


def test_who_never_comes_to_an_end_lets_others_have_their_turn(in_green):
    def endless(hub):
        calls, seen = [], looks(hub)

        def again():
            calls.append(None)
            hub.soon(again)

        hub.soon(again)
        for _ in range(3):
            turn(hub)
        return len(calls), len(seen)

    calls, seen = in_green(endless)
    assert seen >= 2
    assert calls <= 2 * STEPS * (seen + 1)


def test_who_asks_for_more_with_every_turn_lets_sockets_have_theirs(in_green):
    """What is read in many steps and published after each: `soon`, then a turn for others, and again."""

    def busy(hub):
        seen = looks(hub)
        for _ in range(20):
            hub.soon(lambda: None)
            turn(hub)
        return len(seen)

    assert in_green(busy) >= 20


def test_a_green_thread_that_was_thrown_into_is_not_used_again(in_green):
    def thrown(hub):
        used = []
        hub.start(lambda: used.append(getcurrent()))
        turn(hub)
        hub.soon(used[0].throw, GreenletExit)
        turn(hub)
        hub.start(lambda: used.append(getcurrent()))
        turn(hub)
        return len(set(used))

    assert in_green(thrown) == 2


def test_timers_that_are_set_meanwhile_are_not_late(in_green):
    """How long to wait was found out before: whoever is called then may want to be woken sooner."""

    def timers(hub):
        here = getcurrent()
        hub.soon(lambda: hub.schedule_call_global(0, here.switch, "woken"))
        return hub.switch()

    assert in_green(timers) == "woken"
