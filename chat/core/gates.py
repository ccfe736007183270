"""What thousands of connections wait at now and then: as cheap as an empty object while nobody waits.

A green Event weighs 2 KB and a lock 1 KB, more than everything else that is known of an idle connection.
"""

import threading


class Gate:
    """Opens once and stays open: the two methods of `threading.Event` that this takes."""

    __slots__ = ("_event", "_open")

    def __init__(self):
        self._open, self._event = False, None

    def set(self):
        self._open, event, self._event = True, self._event, None
        if event is not None:
            event.set()

    def is_set(self):
        return self._open

    def wait(self):
        if not self._open:
            if self._event is None:
                self._event = threading.Event()
            self._event.wait()


class Turns:
    """A lock, held with `with`; whoever holds it may take it again. It exists while somebody wants it."""

    __slots__ = ("_lock", "_wanted")

    def __init__(self):
        self._lock, self._wanted = None, 0

    def __enter__(self):
        if self._lock is None:
            self._lock = threading.RLock()
        self._wanted += 1
        self._lock.acquire()

    def __exit__(self, *_):
        lock = self._lock
        self._wanted -= 1
        if not self._wanted:
            self._lock = None
        lock.release()
