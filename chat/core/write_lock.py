"""One writer at a time on SQLite, in turn: within a process by a lock, between the processes of a machine by two files
beside the database.

SQLite lets in whoever asks while nobody writes. A process with more to write asks again at once; another, which may not
wait inside SQLite and so looks every few milliseconds, finds it taken again and again. So there is a place at the door:

    take `next`, take `turn`, let go of `next`; write; let go of `turn`

Whoever waits for `turn` holds `next`: who has just written and wants to again comes behind them. These are locks of the
kernel (flock), which end with their process, however it ends.

They decide who is first, not who may: it is SQLite's own lock that keeps the database whole. Where there can be no such
files, and where one whose turn it is does not write, as a process that was stopped, one goes on without.
"""

import fcntl
import logging
import os
import threading
import time

log = logging.getLogger(__name__)

PATIENCE = 1.0  # seconds of waiting for a turn
LOOK_AGAIN = 0.002  # seconds, where there is nothing but looking


class WriteLock:
    """Used with `with`. `path_of()` tells the database it is about."""

    def __init__(self, path_of):
        self.path_of, self.patience = path_of, PATIENCE
        self._lock = threading.Lock()  # a plain one: under green threads it is a green one
        self._new_thread = None
        self._forget()
        os.register_at_fork(after_in_child=self._close)  # else its parent's turns would be the child's as well

    def _forget(self):
        self._path = self._next = self._turn = self._thread = None
        self.has_turn = self._given_up = False

    def wait_in(self, new_thread):
        """In a process that serves: wait for other processes in the native thread which this makes, should it come to
        that, while everybody else goes on."""
        self._new_thread = new_thread

    def locked(self):
        """Whether somebody of this process has it."""
        return self._lock.locked()

    def __enter__(self):
        self._lock.acquire()
        try:
            self.has_turn = self._take()
        except BaseException:
            self._lock.release()
            raise

    def __exit__(self, *_):
        try:
            if self.has_turn:
                fcntl.flock(self._turn, fcntl.LOCK_UN)
        finally:
            self._lock.release()

    def _take(self):
        """Returns whether the turn is ours."""
        path = self.path_of()
        if path != self._path:
            self._close()
            self._open(path)
        if self._next is None or self._given_up:
            return False
        first = _free(self._next)
        if first and _free(self._turn):
            fcntl.flock(self._next, fcntl.LOCK_UN)
            return True
        return self._look(first) if self._new_thread is None else self._wait(first)

    def _look(self, first):
        """`first`: whether we have `next` already."""
        deadline = time.monotonic() + self.patience
        while not (first and _free(self._turn)):
            if time.monotonic() > deadline:
                if first:
                    fcntl.flock(self._next, fcntl.LOCK_UN)
                return False
            time.sleep(LOOK_AGAIN)
            first = first or _free(self._next)
        fcntl.flock(self._next, fcntl.LOCK_UN)
        return True

    def _wait(self, first):
        if self._thread is None:
            self._thread = self._new_thread()
        undecided, came = [True], []
        call = self._thread.begin(self._stand_in_line, self._next, self._turn, first, undecided, came)
        try:
            call.waiter.wait(self.patience)
        except BaseException:
            if not self._give_up(undecided):
                fcntl.flock(self._turn, fcntl.LOCK_UN)
            raise
        if call.error is not None:
            log.warning("A process cannot wait for its turn to write: %s", call.error)
        return not self._give_up(undecided) and bool(came)

    def _stand_in_line(self, next_, turn, first, undecided, came):
        """In the native thread. Lets go of a turn that has come too late; of its place at the door in any case, also
        when the kernel has no more locks to give, or nobody would ever pass."""
        try:
            if not first:
                fcntl.flock(next_, fcntl.LOCK_EX)
            fcntl.flock(turn, fcntl.LOCK_EX)
            came.append(True)
        finally:
            fcntl.flock(next_, fcntl.LOCK_UN)
            if not _decides(undecided):
                fcntl.flock(turn, fcntl.LOCK_UN)
                self._given_up = False

    def _give_up(self, undecided):
        """Whether that was possible: not when the thread has ended its wait. Until it does there are no turns."""
        self._given_up = True
        if not _decides(undecided):
            self._given_up = False
            return False
        return True

    def _open(self, path):
        self._path = path
        try:
            self._next, self._turn = (
                os.open(f"{path}-{name}", os.O_RDONLY | os.O_CREAT, 0o644) for name in ("next", "turn")
            )
            if _free(self._next):
                fcntl.flock(self._next, fcntl.LOCK_UN)
        except OSError as error:
            log.warning("Several processes cannot take turns to write: %s", error)
            self._close()
            self._path = path

    def _close(self):
        if self._next is not None and not self._given_up:  # else the thread still waits for them
            os.close(self._next)
            os.close(self._turn)
        self._forget()


def _free(file):
    """Lock it, if nobody has."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _decides(undecided):
    """For one of two threads this is true."""
    try:
        undecided.pop()
    except IndexError:
        return False
    return True
