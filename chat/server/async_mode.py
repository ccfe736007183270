"""The one switch: which async library runs Parley, chosen by `ASYNC_MODE`.

It decides three things together: what is monkey patched, Flask-SocketIO's `async_mode` and gunicorn's worker class.
Locks, events, semaphores, queues and sockets need no wrapper here: the standard library's are green once patched.
"""

import logging
import os
import time
import warnings
from threading import Thread

WORKER_CLASSES = {
    "eventlet": "chat.server.worker.EventletWorker",
    "gevent": "chat.server.gevent_worker.GeventWorker",
}

# eventlet's notice to people who are choosing a library; ours is chosen, and gevent is one setting away.
warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")

log = logging.getLogger(__name__)
_patched = None  # the mode whose patches this process runs under
_under_worker = False


def mode():
    """Return "eventlet" or "gevent". Raises ValueError when `ASYNC_MODE` says anything else."""
    chosen = os.environ.get("ASYNC_MODE", "").strip().lower() or "eventlet"
    if chosen not in WORKER_CLASSES:
        raise ValueError(f"ASYNC_MODE is {chosen!r}; use eventlet or gevent.")
    return chosen


def running():
    """Return the mode that this process has been patched for, or None in a `flask` command."""
    return _patched


def worker_class():
    """Return the gunicorn `worker_class` of this mode."""
    return WORKER_CLASSES[mode()]


def patch(*, under_worker=False):
    """Make the standard library of this process green, once, for `mode()`. Our workers say that it is theirs.

    Call it before the application, SQLAlchemy or psycopg is imported, and only in a process that serves: `flask`
    commands run unpatched.
    """
    global _patched, _under_worker
    _under_worker = _under_worker or under_worker
    if _patched:
        return
    chosen = mode()
    if chosen == "eventlet":
        # psycopg notices gevent by itself. Under eventlet its C code would wait in the kernel and stop everyone, unless
        # it waits in Python with the patched selectors; it reads this when it is imported.
        os.environ["PSYCOPG_WAIT_FUNC"] = "wait_selector"
        import eventlet

        eventlet.monkey_patch()
    else:
        from gevent import monkey

        monkey.patch_all()
    _patched = chosen


def hands_over():
    """Whether websockets leave the web server for the fast path: under our workers, unless `FAST_PATH` is off."""
    return _under_worker and os.environ.get("FAST_PATH") != "off"


def spawn(fn, *args):
    """Run `fn(*args)` beside the caller and return at once. What it raises is logged; nobody waits for it.

    A green thread in a patched process, a daemon thread otherwise.
    """
    if _patched == "eventlet":
        import eventlet

        getattr(eventlet.hubs.get_hub(), "start", eventlet.spawn_n)(_logged, fn, args)
    elif _patched == "gevent":
        import gevent

        gevent.spawn(_logged, fn, args)
    else:
        Thread(target=_logged, args=(fn, args), daemon=True).start()


def sleep(seconds):
    """Let others run for at least `seconds`; 0 means until everyone ready has had a turn."""
    time.sleep(seconds)


def _logged(fn, args):
    try:
        fn(*args)
    except Exception:
        log.exception("A background task failed: %s", getattr(fn, "__qualname__", fn))
