"""An event loop that takes one step at a time, by a clock that the test turns: what happens when is no accident."""

import os
import select
from collections import deque

import greenlet


class StepLoop:
    """What chat/fanout/loops.py promises. Code outside any green thread, such as a test, is the loop itself."""

    def __init__(self):
        self.now, self.ready, self.timers, self.watched = 0.0, deque(), [], {}
        self.calls = []  # "watch" and "unwatch" with their numbers, in order
        self._main = greenlet.getcurrent()

    def spawn(self, function, *args):
        self.ready.append(greenlet.greenlet(lambda: function(*args), self._main).switch)

    def soon(self, callback):
        self.ready.append(callback)

    def later(self, seconds, callback, *args):
        self.timers.append((self.now + seconds, len(self.calls) + len(self.timers), lambda: callback(*args)))

    def sleep(self, seconds):
        here = greenlet.getcurrent()
        if here is self._main:
            self.advance(seconds)
        elif seconds:
            self.later(seconds, here.switch)
            self._main.switch()
        else:
            self.ready.append(here.switch)
            self._main.switch()

    def watch_read(self, number, callback):
        return self._watch("read", number, callback)

    def watch_write(self, number, callback):
        return self._watch("write", number, callback)

    def _watch(self, kind, number, callback):
        assert (kind, number) not in self.watched, "one watch for each descriptor and direction"
        handle = (kind, number)
        self.watched[handle] = callback
        self.calls.append(("watch", *handle))
        return handle

    def unwatch(self, handle):
        os.fstat(handle[1])  # its number must still be its own: closed, it may be the next connection's already
        del self.watched[handle]
        self.calls.append(("unwatch", *handle))

    # ---- what the test does ----

    def turn(self):
        """One round: which descriptors are ready is found out first, then all of them are served, then what is due."""
        readers = [number for kind, number in self.watched if kind == "read"]
        writers = [number for kind, number in self.watched if kind == "write"]
        readable, writable, _ = select.select(readers, writers, [], 0)
        found = [self.watched["read", n] for n in readable] + [self.watched["write", n] for n in writable]
        for callback in found:  # as eventlet does: also those that an earlier one of this round has unwatched
            callback()
        waiting, self.ready = self.ready, deque()
        for callback in waiting:
            callback()
        return bool(found or waiting)

    def run(self):
        """Until nothing is left to do without time passing. Bytes on the loopback arrive at once."""
        for _ in range(10_000):
            if not self.turn():
                return
        raise AssertionError("the loop never comes to rest")

    def advance(self, seconds):
        self.run()
        until = self.now + seconds
        while due := sorted(timer for timer in self.timers if timer[0] <= until):
            self.timers.remove(due[0])
            self.now = due[0][0]
            due[0][2]()
            self.run()
        self.now = until
        self.run()
