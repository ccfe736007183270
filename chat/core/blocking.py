"""Work that would stop everyone else, such as hashing a password or shrinking a picture, off the event loop."""

import sys
from functools import cache
from threading import Semaphore

NATIVE_THREADS = 4


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
    return _runner()(fn, *args, **kwargs)


def _runner():
    if _green("eventlet.patcher", "is_monkey_patched", "thread"):
        return _eventlet_runner()
    if _green("gevent.monkey", "is_module_patched", "threading"):
        return _gevent_runner()
    return _call


def _green(module, question, patched):
    """Whether the library is in use, without importing it to ask."""
    return module in sys.modules and getattr(sys.modules[module], question)(patched)


def _call(fn, *args, **kwargs):
    return fn(*args, **kwargs)


@cache
def _eventlet_runner():
    from eventlet import tpool

    tpool.set_num_threads(NATIVE_THREADS)
    return tpool.execute


@cache
def _gevent_runner():
    from gevent.threadpool import ThreadPool

    pool = ThreadPool(NATIVE_THREADS)  # the hub's own pool also resolves names, which must not wait for passwords

    def run(fn, *args, **kwargs):
        value, error = pool.apply(_outcome, (fn, args, kwargs))
        if error is not None:
            raise error
        return value

    return run


def _outcome(fn, args, kwargs):
    """Return (value, error): gevent prints a traceback for whatever leaves a function in its pool."""
    try:
        return fn(*args, **kwargs), None
    except Exception as error:
        return None, error
