"""eventlet's hub, with a line of what is to be called next and green threads that are used again.

In eventlet everything that is to happen "soon" is a timer: an object, a place in a heap, and one look at all sockets
for each step. Storing one message takes five such steps, most of which only follow from the one before; so do starting
a green thread and its end, which give the memory of its stack back to the system. At a few hundred messages a second
this was most of what a message cost.

`soon` and `start` are what chat/core/blocking.py, chat/fanout/loops.py and async_mode.py look for in a hub; with
another they take timers.
"""

import sys
from collections import deque

from eventlet.hubs import epolls
from greenlet import getcurrent, greenlet

STEPS = 8  # that follow from each other before sockets and timers have their turn
MOST_IDLE = 256  # green threads that are kept for what comes


class Hub(epolls.Hub):
    def __init__(self, clock=None):
        super().__init__(clock)
        self.ready, self.idle = deque(), []

    @staticmethod
    def is_available():
        """Asked by eventlet."""
        return epolls.is_available()

    def soon(self, function, *args):
        """Have the loop call `function(*args)`, after what it was asked to call before. It must neither wait nor
        raise."""
        self.ready.append((function, args))

    def start(self, function, *args):
        """Run `function(*args)` in a green thread, beginning soon."""
        while self.idle and self.idle[-1].dead:  # somebody threw into it
            self.idle.pop()
        thread = self.idle.pop() if self.idle else greenlet(self._work, self.greenlet)
        self.ready.append((thread.switch, (function, args)))

    def wait(self, seconds=None):
        if self.ready:
            self._call()
            seconds = self._until_the_next()
        super().wait(seconds)
        if self.ready:
            self._call()

    def _until_the_next(self):
        """How long to wait for sockets, now that what was called may have set timers, or ended connections."""
        if self.ready or self.closed:
            return 0
        self.prepare_timers()
        due = self.sleep_until()
        return self.default_sleep() if due is None else max(0, due - self.clock())

    def _call(self):
        ready = self.ready
        for _ in range(STEPS):
            for _ in range(len(ready)):
                function, args = ready.popleft()
                try:
                    function(*args)
                except self.SYSTEM_EXCEPTIONS:
                    raise
                except BaseException:
                    self.squelch_generic_exception(sys.exc_info())
            if not ready:
                return

    def _work(self, function, args):
        """What each green thread of `start` does: one function after the other."""
        while True:
            try:
                function(*args)
            except Exception:
                self.squelch_generic_exception(sys.exc_info())
            function = args = None  # what they hold is not kept
            if len(self.idle) >= MOST_IDLE:
                return
            self.idle.append(getcurrent())
            function, args = self.greenlet.switch()
