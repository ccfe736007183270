"""Who may write next on SQLite, between processes: counted in turns, never in seconds."""

import errno
import fcntl
import os
import signal
import subprocess
import sys

import pytest

from chat.core.write_lock import WriteLock
from tests.core.turns import ROUNDS, database, log_of, somebody_waits
from tests.system.server import ROOT, wait_until

pytestmark = pytest.mark.sqlite
GREEN = pytest.mark.parametrize("mode", ["eventlet", "gevent"])
ALL = pytest.mark.parametrize("mode", ["eventlet", "gevent", "plain"])


@pytest.fixture
def process(tmp_path):
    """process(mode, role) → a process of tests/core/turns.py, killed at the end."""
    begun = []

    def process(mode, role):
        command = [sys.executable, "-W", "ignore", "-m", "tests.core.turns", mode, str(tmp_path), role]
        begun.append(subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True))
        return begun[-1]

    yield process
    for one in begun:
        one.kill()
        one.communicate()


@pytest.fixture
def lock(tmp_path):
    lock = WriteLock(lambda: database(tmp_path))
    lock.patience = 60
    return lock


def ended(process):
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said[-3000:]


def stop(process):
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)


@pytest.mark.parametrize(
    ("greedy", "modest"),
    [("eventlet", "eventlet"), ("gevent", "gevent"), ("eventlet", "plain"), ("plain", "eventlet"), ("plain", "plain")],
)
def test_who_waits_has_the_very_next_turn_however_much_the_other_has_to_write(process, tmp_path, greedy, modest):
    one = process(greedy, "greedy")
    wait_until(lambda: log_of(tmp_path), seconds=60)
    other = process(modest, "modest")

    ended(one)
    ended(other)
    assert log_of(tmp_path) == ["greedy", "modest"] * ROUNDS


@GREEN
def test_while_a_process_waits_for_its_turn_everybody_else_in_it_goes_on(process, tmp_path, lock, mode):
    with lock:
        waiting = process(mode, "ticks")
        wait_until(lambda: log_of(tmp_path) == ["the others run"], seconds=60)

    ended(waiting)
    assert log_of(tmp_path) == ["the others run", "once"]


@ALL
def test_the_turn_of_a_process_that_is_killed_is_over(process, tmp_path, mode):
    writing = process(mode, "keeps")
    wait_until(lambda: log_of(tmp_path) == ["has it"], seconds=60)
    waiting = process(mode, "once")
    wait_until(lambda: somebody_waits(tmp_path), seconds=60)

    writing.kill()

    ended(waiting)
    assert log_of(tmp_path) == ["has it", "once"]


@ALL
def test_a_process_that_is_stopped_while_it_waits_holds_up_nobody_for_long(process, tmp_path, lock, mode):
    with lock:
        waiting = process(mode, "once")
        wait_until(lambda: somebody_waits(tmp_path), seconds=60)
        stop(waiting)

    lock.patience = 0.01
    with lock:
        assert not lock.has_turn, "it goes on without"
    assert log_of(tmp_path) == []

    waiting.send_signal(signal.SIGCONT)
    ended(waiting)
    assert log_of(tmp_path) == ["once"]
    with lock:
        assert lock.has_turn


@GREEN
def test_who_has_waited_in_vain_goes_on_without_and_takes_turns_again_when_that_is_possible(
    process, tmp_path, lock, mode
):
    with lock:
        impatient = process(mode, "impatient")
        wait_until(lambda: len(log_of(tmp_path)) == 2, seconds=60)
    with open(tmp_path / "log", "a") as log:
        log.write("let go\n")

    ended(impatient)
    assert log_of(tmp_path) == ["went without", "went without", "let go", "had the turn"]


def test_a_child_has_turns_of_its_own(process, tmp_path):
    ended(process("plain", "forks"))

    assert log_of(tmp_path) == ["the child has it", "the child lets go", "the parent has it"]


def test_where_there_can_be_no_files_one_writes_without_turns_and_says_so(tmp_path, caplog):
    lock = WriteLock(lambda: str(tmp_path / "missing" / "parley.db"))

    for _ in range(2):
        with lock:
            assert lock.locked() and not lock.has_turn
    [said] = caplog.messages
    assert "cannot take turns" in said and str(tmp_path / "missing") in said


class LateThread:
    """Does what it is given when the test says so, and at once without that."""

    def __init__(self, late):
        self.late, self.error, self.waiter = late, None, self

    def begin(self, function, *args):
        self.function, self.args = function, args
        return self

    def wait(self, _seconds):
        if not self.late:
            self.do()

    def do(self):
        try:
            self.function(*self.args)
        except OSError as error:
            self.error = error


@pytest.mark.parametrize("late", [False, True], ids=["while one waits", "when one has given up"])
def test_where_the_kernel_has_no_more_locks_one_goes_on_without_and_takes_turns_again(
    tmp_path, lock, monkeypatch, caplog, late
):
    other, thread, flock = WriteLock(lambda: database(tmp_path)), LateThread(late), fcntl.flock
    lock.wait_in(lambda: thread)

    def refuses_to_wait(file, operation):
        if operation == fcntl.LOCK_EX:
            raise OSError(errno.ENOLCK, "No locks available")
        flock(file, operation)

    with other:
        monkeypatch.setattr(fcntl, "flock", refuses_to_wait)
        with lock:
            assert not lock.has_turn
        if late:
            thread.do()
    assert thread.error and ("No locks available" in caplog.text) != late

    for one in (lock, other):
        with one:
            assert one.has_turn
