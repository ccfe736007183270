"""Whoever comes back waits until the loop has time for them."""

import threading
from collections import deque

import pytest

from chat.core.pace import LONG, MOST, Pace
from tests.system.server import wait_until


class Loop:
    """A loop of which a test makes every turn, and says how much was computed in it."""

    def __init__(self):
        self.time, self.went, self.through, self.sleeping = 0.0, threading.Semaphore(0), deque(), threading.Event()
        self.pace = Pace(spawn=self.spawn, sleep=self.sleep, computed=lambda: self.time)
        self.asked = 0

    def spawn(self, function):
        threading.Thread(target=function, daemon=True).start()

    def sleep(self, seconds):
        assert seconds == 0
        self.sleeping.set()
        self.went.acquire()

    def come(self, count):
        """So many ask for their turn, one after the other."""
        for _ in range(count):
            number, self.asked = self.asked, self.asked + 1
            threading.Thread(target=self._come, args=(number,), daemon=True).start()
            wait_until(lambda: len(self.through) + len(self.pace._waiting) == self.asked, what="the next to wait")
            wait_until(self.sleeping.is_set, what="the first to be let through")

    def _come(self, number):
        self.pace.turn()
        self.through.append(number)

    def turn(self, computing):
        """How many are let through after a turn in which so many seconds were computed."""
        before = len(self.through)
        self.sleeping.clear()
        self.time += computing
        self.went.release()
        wait_until(lambda: self.sleeping.is_set() or not self.pace._is_running, what="the turn to end")
        wait_until(lambda: len(self.through) + len(self.pace._waiting) == self.asked, what="them to be through")
        return len(self.through) - before


@pytest.fixture
def loop():
    return Loop()


def test_one_who_comes_alone_is_let_through_at_once(loop):
    loop.come(1)

    assert list(loop.through) == [0]


def test_fewer_are_let_through_after_a_long_turn_and_more_after_short_ones(loop):
    loop.come(60)

    assert loop.turn(2 * LONG) == MOST // 2
    assert loop.turn(2 * LONG) == MOST // 4
    assert loop.turn(LONG / 2) == MOST // 4 + 1
    assert loop.turn(LONG / 2) == MOST // 4 + 2


def test_everybody_gets_through_in_order_however_long_the_turns_are(loop):
    loop.come(20)
    while loop.pace._is_running:
        loop.turn(9 * LONG)

    assert sorted(loop.through) == list(range(20))
    assert list(loop.through)[-4:] == [16, 17, 18, 19]  # one in each turn by then
