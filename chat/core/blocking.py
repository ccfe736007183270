"""Work that would stop everyone else, such as hashing a password, shrinking a picture or waiting for a disk, off the
event loop; and what it takes for a green thread to wait for it."""

import os
import sys
from collections import deque
from contextlib import suppress
from functools import cache, partial
from threading import Semaphore, get_native_id

NATIVE_THREADS = 4
NICE = 10


class Full(Exception):
    """So many calls are already waiting that one more would wait too long. Nothing was run."""


class Bounded:
    """Runs at most `running` calls at once while at most `waiting` more queue up, in the order they came.

    Without a bound, a flood of sign-ins takes every native thread, and each person waits for all before them.
    """

    def __init__(self, *, running, waiting):
        self._places = Semaphore(running + waiting)
        self._running = Semaphore(running)

    def run(self, fn, *args, **kwargs):
        """Return `fn(*args, **kwargs)` as `run_blocking` does. Raises Full at once when there is no place to wait."""
        if not self._places.acquire(blocking=False):
            raise Full
        try:
            with self._running:
                return run_blocking(fn, *args, **kwargs)
        finally:
            self._places.release()


def run_blocking(fn, *args, **kwargs):
    """Return `fn(*args, **kwargs)`, run in a native thread while the event loop goes on. What it raises is raised here.

    `fn` must only compute: no database, no log, no lock and nothing of the request, all of which belong to the loop. It
    helps when `fn` releases the interpreter's lock, as bcrypt and Pillow do. Without an event loop, as in a `flask`
    command, `fn` is simply called.
    """
    if not _is_green():
        return fn(*args, **kwargs)
    return _pool().run(partial(fn, *args, **kwargs))


def _is_green():
    return _green("eventlet.patcher", "is_monkey_patched", "thread") or _green(
        "gevent.monkey", "is_module_patched", "threading"
    )


def _green(module, question, patched):
    """Whether the library is in use, without importing it to ask."""
    return module in sys.modules and getattr(sys.modules[module], question)(patched)


@cache
def _pool():
    """Ours rather than the libraries': eventlet's runs a call in the loop while any thread holds the interpreter's
    import lock, and gevent's prints a traceback for whatever is raised."""
    return NativeThreads(NATIVE_THREADS, nice=NICE)


class Waiter:
    """One green thread that waits for one word. `wake` belongs into the loop: see `soon`."""

    __slots__ = ("_awake", "_green")

    def __init__(self):
        self._green, self._awake = None, False

    def wait(self, seconds=None):
        """Return once `wake` has been called, which may be before, or after so many seconds. Others run meanwhile."""
        self._green, late = _loop().current(), []
        cancel = None if self._awake or seconds is None else _loop().later(seconds, self._ring, late)
        try:
            while not (self._awake or late):
                _loop().switch()
        finally:
            self._green = None  # interrupted, it must not be woken from where it waits next
            if cancel is not None:
                cancel()

    def _ring(self, late):
        late.append(True)
        if self._green is not None:
            self._green.switch()

    def wake(self):
        self._awake = True
        if self._green is not None:
            self._green.switch()


def soon(function, *args):
    """Have the loop call `function(*args)` as soon as this green thread lets go. It must neither wait nor raise."""
    _loop().soon(function, *args)


class NativeThreads:
    """So many native threads that take calls in the order they come; a single one does one thing after the other. For
    work that computes with the interpreter's lock released or waits for a disk: what holds for the `fn` of
    `run_blocking` holds here.

    What computes for long is `nice` to the loop, which would be late otherwise: on Linux each thread has a priority of
    its own.
    """

    def __init__(self, count=1, *, nice=0):
        from _queue import SimpleQueue  # the one in C, which is never a green one

        self._calls, self._done, self._nice = SimpleQueue(), deque(), nice
        self._signal = _loop().signal(self._wake)
        for _ in range(count):
            _loop().start_thread(self._work)

    def begin(self, fn, *args):
        """Have `fn(*args)` run and return at once, with what has `result()`: it waits, and gives or raises."""
        call = _Call(fn, args)
        self._calls.put(call)
        return call

    def run(self, fn, *args):
        """The two in one."""
        return self.begin(fn, *args).result()

    def _work(self):
        if self._nice and sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, get_native_id(), self._nice)
        while True:
            call = self._calls.get()
            call.do()
            self._done.append(call)
            self._signal()

    def _wake(self):
        while self._done:
            self._done.popleft().waiter.wake()


class _Call:
    __slots__ = ("args", "error", "fn", "value", "waiter")

    def __init__(self, fn, args):
        self.fn, self.args, self.value, self.error, self.waiter = fn, args, None, None, Waiter()

    def do(self):
        try:
            self.value = self.fn(*self.args)
        except BaseException as error:
            self.error = error

    def result(self):
        """Waits to the end also when interrupted: what the call works on is free only then."""
        interrupted = None
        while True:
            try:
                self.waiter.wait()
                break
            except BaseException as error:
                interrupted = error
        if interrupted or self.error:
            raise interrupted or self.error
        return self.value


@cache
def _loop():
    """The event loop of this process, which must have been patched for one."""
    return _EventletLoop() if _green("eventlet.patcher", "is_monkey_patched", "thread") else _GeventLoop()


class _EventletLoop:
    def __init__(self):
        from eventlet import hubs, patcher
        from greenlet import getcurrent

        self._hubs, self._original, self.current = hubs, patcher.original, getcurrent
        self._os = patcher.original("os")  # the green os.read and os.write would switch, in a place that must not

    def switch(self):
        self._hubs.get_hub().switch()

    def soon(self, function, *args):
        hub = self._hubs.get_hub()
        soon = getattr(hub, "soon", None)  # our own hub has it
        if soon is not None:
            soon(function, *args)
        else:
            hub.schedule_call_global(0, function, *args)

    def later(self, seconds, function, *args):
        """Have the loop call it then. Returns what prevents that."""
        return self._hubs.get_hub().schedule_call_global(seconds, function, *args).cancel

    def start_thread(self, function):
        self._original("_thread").start_new_thread(function, ())

    def signal(self, function):
        """A function for native threads that has the loop call `function()`, at least once after the last call."""
        reading, writing = self._os.pipe()
        self._os.set_blocking(reading, False)
        self._os.set_blocking(writing, False)

        def heard(_fileno):
            try:
                self._os.read(reading, 4096)
            except BlockingIOError:
                return
            function()

        def send():
            with suppress(BlockingIOError):  # full: the loop has more than enough to hear
                self._os.write(writing, b".")

        hub = self._hubs.get_hub()
        listener = hub.add(hub.READ, reading, heard, None, None)
        listener.greenlet = hub.greenlet  # whoever starts this may be gone by the time it is heard
        return send


class _GeventLoop:
    def __init__(self):
        from gevent import get_hub, getcurrent, monkey

        self._hub, self._original, self.current = get_hub, monkey.get_original, getcurrent

    def switch(self):
        self._hub().switch()

    def soon(self, function, *args):
        self._hub().loop.run_callback(function, *args)

    def later(self, seconds, function, *args):
        timer = self._hub().loop.timer(seconds)
        timer.start(function, *args)
        return timer.close

    def start_thread(self, function):
        self._original("_thread", "start_new_thread")(function, ())

    def signal(self, function):
        watcher = self._hub().loop.async_()
        watcher.start(function)
        return watcher.send
