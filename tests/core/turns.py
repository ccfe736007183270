"""What test_write_lock.py has other processes do: `python -m tests.core.turns MODE FOLDER ROLE`, with MODE "plain" for
one like a `flask` command. They share a database that is not there, and a log of who did what in which order."""

import itertools
import os
import re
import sys
import threading
from pathlib import Path

if __name__ == "__main__":
    MODE, FOLDER, ROLE = sys.argv[1:]
    if MODE != "plain":
        os.environ["ASYNC_MODE"] = MODE
        from chat.server import async_mode

        async_mode.patch()

from chat.core.write_lock import WriteLock

ROUNDS = 20


def wait_until(question):
    """As in tests/system/server.py, which would import all of Parley. The test ends who waits for ever."""
    while not question():
        threading.Event().wait(0.002)


def database(folder):
    return str(Path(folder, "parley.db"))


def somebody_waits(folder):
    """Whether the place at the door is taken. In /proc/locks an arrow is one who waits for it behind somebody else."""
    door = Path(database(folder) + "-next")
    if not door.exists():
        return False
    with open("/proc/locks") as locks:
        return any(re.search(rf"^\d+: FLOCK .*:{door.stat().st_ino} ", line) for line in locks)


def log_of(folder):
    path = Path(folder, "log")
    return path.read_text().split("\n")[:-1] if path.exists() else []


def main(mode, folder, role):
    lock = WriteLock(lambda: database(folder))
    lock.patience = 60
    if mode != "plain":
        from chat.core.blocking import NativeThreads

        lock.wait_in(NativeThreads)

    def note(words):
        with open(Path(folder, "log"), "a") as log:
            log.write(words + "\n")

    def greedy():
        """Wants again at once what it just had, and only keeps it until somebody else wants it."""
        for _ in range(ROUNDS):
            with lock:
                note("greedy")
                wait_until(lambda: somebody_waits(folder))

    def modest():
        """Wants a turn once for each that the other had."""
        for _ in range(ROUNDS):
            wait_until(lambda: log_of(folder)[-1] == "greedy")
            with lock:
                note("modest")

    def once():
        with lock:
            note("once")

    def keeps():
        with lock:
            note("has it")
            wait_until(lambda: False)

    def ticks():
        def tick():
            wait_until(lambda: somebody_waits(folder))
            turns = itertools.count(1)
            wait_until(lambda: next(turns) > 100)
            note("the others run")

        async_mode.spawn(tick)
        once()

    def impatient():
        """Waits in vain, does not wait again while that has not ended, and then takes turns as before."""
        lock.patience = 0.01
        for _ in range(2):
            with lock:
                note("had the turn" if lock.has_turn else "went without")
        lock.patience = 60
        wait_until(lambda: "let go" in log_of(folder))
        wait_until(lambda: not somebody_waits(folder))

        def has_it():
            with lock:
                return lock.has_turn

        wait_until(has_it)
        note("had the turn")

    def forks():
        with lock:
            pass
        if child := os.fork():
            wait_until(lambda: "the child has it" in log_of(folder))
            with lock:
                note("the parent has it")
            os.waitpid(child, 0)
        else:
            with lock:
                note("the child has it")
                wait_until(lambda: somebody_waits(folder) or "the parent has it" in log_of(folder))
                note("the child lets go")
            os._exit(0)

    locals()[role]()


if __name__ == "__main__":
    main(MODE, FOLDER, ROLE)
