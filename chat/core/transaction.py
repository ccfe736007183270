"""One action, one transaction: decide, write, record; commit; then publish.

    with transaction() as record:
        ...
        record(MessagePosted(...))

On leaving the block the recorded events run their *within* subscribers (they may write rows, and do no I/O), then the
transaction commits, then the *after* subscribers run (they may do I/O; each is caught and logged, since the thing has
already happened). What follows which event is attached in one place, `chat/wiring.py`.

Our own rather than SQLAlchemy's commit hooks: those may not emit SQL and fire for every commit of every session.
"""

import logging
import time
from collections import defaultdict
from contextlib import contextmanager, nullcontext

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from chat.core.db import begin_write, db, is_sqlite, write_lock
from chat.core.errors import Busy
from chat.core.prepared import wrapped

log = logging.getLogger(__name__)

# What databases say when the same may succeed later: SQLite locked or full; PostgreSQL's time limits, or full, or away.
PASSING = ("locked", "is full", "disk I/O", "lock timeout", "deadlock", "statement timeout", "No space left",
           "connection failed", "connection timeout")  # fmt: skip

_within, _after = defaultdict(list), defaultdict(list)
_commit_thread = None
_open = 0  # transactions of this process; with none open nobody has to look for theirs


def on(event_type, *, within=(), after=()):
    """Attach subscribers to an event type. Each is called as `subscriber(event, transaction)`."""
    _within[event_type] = list(within)
    _after[event_type] = list(after)


class Transaction:
    """What one transaction recorded. Calling it records an event. `handover` is for what commit makes public.

    run   executes a Prepared statement in it: `record.run(prepared, name=value)` gives the rows. See core/prepared.py.
    committed_at   in monotonic seconds, for *after* subscribers
    """

    def __init__(self, run):
        self.run, self.events, self.handover, self._last, self._meanwhile = run, [], {}, {}, {}
        self.committed_at = None

    def __call__(self, event):
        self.events.append(event)

    def before_commit(self, function):
        """Have `function(transaction)` called once, after all *within* subscribers, still under the locks."""
        self._last[function] = None

    def meanwhile(self, function):
        """Have `function(transaction)` called once, when nothing is left but to commit, or while that goes on already.
        It only computes; when it fails that is logged, and the commit goes on."""
        self._meanwhile[function] = None

    def run_within(self):
        for event in self.events:  # also those that a subscriber records meanwhile
            for subscriber in _within[type(event)]:
                subscriber(event, self)
        for function in self._last:
            function(self)

    def run_meanwhile(self):
        for function in self._meanwhile:
            try:
                function(self)
            except Exception:
                log.exception("While committing: %s failed; the change itself is stored.", function)

    def run_after(self, committed_at):
        self.committed_at = committed_at
        for event in self.events:
            for subscriber in _after[type(event)]:
                try:
                    subscriber(event, self)
                except Exception:
                    log.exception("After %s: %s failed; the change itself is stored.", event, subscriber)


@contextmanager
def transaction():
    """Begin to write, and commit on leaving; an exception rolls back and nothing is published.

    Yields the function that records events. A block inside another joins it: one commit, at the end of the outermost.
    What is read inside is fresh (see `begin_write`). On SQLite nothing inside may switch to another green thread: no
    network, no file, no `run_blocking`. Raises Busy when a lock could not be had or the outcome of the commit is
    unknown; the same request with the same key tells later.
    """
    info = db.session().info
    if "transaction" in info:
        yield info["transaction"]
        return
    global _open
    current = Transaction(run_in_session)
    release()  # what was read before is read again: the wait for a turn needs no connection
    with write_lock if is_sqlite() else nullcontext():
        begin_write()
        info["transaction"] = current
        _open += 1
        try:
            yield current
            db.session.flush()
            current.run_within()
            current.run_meanwhile()
            _commit()
            committed_at = time.monotonic()
        except DBAPIError as error:
            db.session.rollback()
            if is_passing(error):
                log.warning("A transaction could not finish: %s", error.orig)
                raise Busy from error
            raise
        except BaseException:
            db.session.rollback()
            raise
        finally:
            del info["transaction"]
            _open -= 1
    current.run_after(committed_at)


def outer():
    """The transaction that is open around the caller, or None."""
    return db.session().info.get("transaction") if _open and db.session.registry.has() else None


def run_in_session(prepared, **values):
    """Execute a Prepared statement on the connection of the session, after what the session has not written yet."""
    db.session.flush()
    connection = db.session.connection()
    cursor = connection.connection.cursor()
    try:
        return prepared.run(cursor, connection.dialect, values)
    finally:
        cursor.close()


def is_passing(error):
    """Whether it is the database that failed, and the same may succeed later. A lost connection leaves open whether it
    succeeded already."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or any(sign in str(error.orig) for sign in PASSING)
    return isinstance(error, NoConnectionFree)


def commit_with(thread):
    """In a process that serves: have SQLite write to the disk in this native thread, while others go on."""
    global _commit_thread
    _commit_thread = thread


def _commit():
    if _commit_thread is not None and is_sqlite():
        db.session.flush()  # all that is left for the session to do is to learn that it was committed
        connection = db.session.connection()
        driver = connection.connection.driver_connection
        try:
            _commit_thread.run(driver.commit)
        except connection.dialect.loaded_dbapi.Error as error:
            raise wrapped(error, connection.dialect, driver.cursor(), "COMMIT") from error
    db.session.commit()


def release():
    """Give the database connection back: nobody waits for a lock, a turn or a native thread with one in hand.

    Ends this session's read transaction; what was read is read again when touched. Nothing inside `transaction()`.
    """
    if db.session.registry.has() and "transaction" not in db.session().info:
        db.session.rollback()
