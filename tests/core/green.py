"""What test_ledger.py has done in a process of its own, patched as a server is: `python -m tests.core.green MODE FOLDER
SCENARIO` prints what came of it as JSON."""

import json
import logging
import os
import sqlite3
import sys
import uuid
from _queue import SimpleQueue  # the one in C: waiting for it stops a native thread, as a disk does

MODE, FOLDER, SCENARIO = sys.argv[1:]
os.environ["ASYNC_MODE"] = MODE

from chat.server import async_mode  # noqa: E402

async_mode.patch()

import _imp  # noqa: E402
import threading  # noqa: E402

from greenlet import getcurrent  # noqa: E402
from sqlalchemy import select  # noqa: E402

from chat import create_app  # noqa: E402
from chat.core.blocking import NATIVE_THREADS, NICE, NativeThreads, run_blocking, soon  # noqa: E402
from chat.core.db import db  # noqa: E402
from chat.core.errors import ChatError  # noqa: E402
from chat.core.ledger import Ledger, counted  # noqa: E402
from chat.messages.actions import post_message  # noqa: E402
from chat.messages.models import Message  # noqa: E402
from chat.streams.log import advance, heads, since, together  # noqa: E402
from tests.conftest import settings_for  # noqa: E402
from tests.factories import person, room  # noqa: E402
from tests.system.server import wait_until  # noqa: E402

app = create_app(settings_for(FOLDER))
ledger = Ledger(app, spawn=async_mode.spawn)


def at_once(jobs):
    """Run them beside each other, begun in this order, and return what each gave or was refused with."""
    results = [None] * len(jobs)

    def run(n, job):
        with app.app_context():
            try:
                results[n] = job()
            except (ChatError, RuntimeError) as error:
                results[n] = getattr(error, "code", str(error))

    for n, job in enumerate(jobs):
        async_mode.spawn(run, n, job)
    while None in results:
        async_mode.sleep(0.005)
    return results


def say(username, text, key=None):
    return lambda: post_message(person(username), room("general"), text, key=key or str(uuid.uuid4())).seq


def broken():
    """A unit that writes and then breaks."""

    def unit(record):
        stream = room("general").stream
        advance(record.run, stream, 1_000)
        raise RuntimeError("broken")

    return lambda: together(unit, room("general").stream)


def stored():
    texts = db.session.scalars(select(Message.text).where(Message.room_id == room("general").id).order_by(Message.seq))
    stream = room("general").stream
    return {"texts": texts.all(), "head": heads([stream])[stream], "entries": [e.seq for e in since(stream, 0)]}


def mixed():
    """A hundred units in a few groups: outsiders, units that break, and the same key twice."""
    jobs = []
    for n in range(100):
        if n % 10 == 3:
            jobs.append(say("carol", "from outside"))
        elif n % 10 == 7:
            jobs.append(broken())
        elif n > 97:
            jobs.append(say("bob", "twin", key="twin"))
        else:
            jobs.append(say("alice" if n % 2 else "bob", str(n)))
    return at_once(jobs)


def locked():
    """Another process writes and does not end: all hear that, and nothing is stored; then it ends."""
    other = sqlite3.connect(f"{FOLDER}/parley.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    first = at_once([say("alice", "one", key="1"), say("bob", "two", key="2")])
    other.execute("ROLLBACK")
    return {"while": first, "then": at_once([say("alice", "one", key="1"), say("alice", "one", key="1")])}


def full():
    """No room for another page: all hear that, and nothing is stored; then there is room."""
    ledger.line._open()
    cursor = ledger.line.cursor
    pages = cursor.execute("PRAGMA page_count").fetchone()[0]
    cursor.execute(f"PRAGMA max_page_count={pages}")
    first = at_once([say("alice", "x" * 19_000, key=str(n)) for n in range(5)])
    cursor.execute("PRAGMA max_page_count=1000000")
    return {"while": first, "then": at_once([say("alice", "again", key="again")])}


def switching():
    """A unit that waits for something while it writes, which stops nobody here but must not happen."""
    said = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: said.append(record.getMessage())
    logging.getLogger("chat.core.ledger").addHandler(handler)

    def unit(record):
        async_mode.sleep(0)
        return 0

    results = at_once([say("alice", "1"), lambda: together(unit, room("general").stream), say("bob", "2")])
    return {"results": results, "said": said}


def beside():
    """What a native thread does for the loop: it gives and raises, others run meanwhile, and whoever is interrupted
    while waiting for it waits to the end, since what it works on is free only then."""
    thread, slow, told = NativeThreads(), SimpleQueue(), []
    results = at_once(
        [lambda: thread.run(sum, [1, 2]), lambda: thread.run(slow.get), lambda: slow.put("slow") or "quick"]
    )

    def wait():
        told.append(getcurrent())
        try:
            thread.run(slow.get)
        except ZeroDivisionError:
            told.append("interrupted")

    async_mode.spawn(wait)
    wait_until(lambda: told)
    soon(told[0].throw, ZeroDivisionError)
    for _ in range(5):
        async_mode.sleep(0)
    early = told[1:]
    slow.put("the end")
    wait_until(lambda: told[1:])
    failed = at_once([lambda: thread.run(fail), lambda: thread.run(sum, [3, 4])])
    return {"results": results, "early": early, "late": told[1:], "failed": failed}


def apart():
    """What is run beside the loop is, also while another thread imports something: each in a thread that yields to the
    loop, as many at once as there are threads."""
    importing, goes_on, slow, begun = SimpleQueue(), SimpleQueue(), SimpleQueue(), []

    def held():
        _imp.acquire_lock()
        importing.put(True)
        goes_on.get()
        _imp.release_lock()

    NativeThreads().begin(held)
    importing.get()
    thread, nice = run_blocking(where)
    mine, mine_nice = where()
    goes_on.put(True)

    def feed():
        wait_until(lambda: len(begun) == NATIVE_THREADS)
        for _ in range(NATIVE_THREADS):
            slow.put("fed")
        return "feeding"

    answers = at_once(
        [*[lambda: run_blocking(lambda: begun.append(1) or slow.get()) for _ in range(NATIVE_THREADS)], feed]
    )

    failed = at_once([lambda: run_blocking(fail), lambda: run_blocking(sorted, [2, 1], reverse=True)])
    return {"elsewhere": thread != mine, "nicer": nice - mine_nice == NICE, "answers": answers, "failed": failed}


def where():
    return threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def fail():
    raise RuntimeError("failed")


def stopped():
    """Told to stop while fifty wait: they are stored, and what comes meanwhile and after that behind them."""
    jobs = [say("alice", str(n)) for n in range(50)]
    first = at_once([*jobs, lambda: ledger.stop() or 0, say("bob", "meanwhile")])
    return first + at_once([say("bob", "late")])


if __name__ == "__main__":
    with app.app_context():
        ledger.start()
        scenarios = (mixed, locked, full, stopped, switching, beside, apart)
        results = {scenario.__name__: scenario for scenario in scenarios}[SCENARIO]()
        units, groups = counted()
        print(json.dumps({"results": results, "units": units, "groups": groups, **stored()}))
        sys.stdout.flush()
        os._exit(0)  # the native thread would be waited for
