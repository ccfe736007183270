"""Whoever comes back waits their turn, so that whoever is here is answered: after a network has gone away thousands
arrive within a moment, and each step of what somebody posts takes a turn of the loop."""

import threading
import time
from collections import deque

LONG = 0.02  # seconds of computing in a turn of the loop, above which fewer are let through in the next
MOST = 16  # in one turn, unless said otherwise


class Pace:
    """`turn()` returns when it is one's turn, in the order of asking.

    How many it lets through in a turn of the loop follows from how much was computed in the last, whatever for: one
    more after a short one, half as many after a long one, and at least one, so that everybody arrives. Computed, not
    passed: other programs on the machine are no reason to let anybody wait.
    """

    def __init__(self, *, spawn, sleep, computed=time.thread_time, most=MOST):
        self.spawn, self.sleep, self.computed, self.most = spawn, sleep, computed, most
        self._waiting, self._is_running, self._lock = deque(), False, threading.Lock()
        self._share = most

    def turn(self):
        """Wait."""
        mine = threading.Event()
        with self._lock:
            self._waiting.append(mine)
            is_first, self._is_running = not self._is_running, True
        if is_first:
            self.spawn(self._run)
        mine.wait()

    def _run(self):
        while True:
            with self._lock:
                through = [self._waiting.popleft() for _ in range(min(self._share, len(self._waiting)))]
                self._is_running = bool(through)
            if not through:
                return
            for event in through:
                event.set()
            began = self.computed()
            self.sleep(0)
            took = self.computed() - began
            self._share = max(1, self._share // 2) if took > LONG else min(self.most, self._share + 1)
