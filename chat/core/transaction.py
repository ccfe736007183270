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
from collections import defaultdict
from contextlib import contextmanager, nullcontext

from sqlalchemy.exc import OperationalError

from chat.core.db import begin_write, db, is_sqlite, write_lock
from chat.core.errors import Busy

log = logging.getLogger(__name__)

# What databases say when the same transaction may succeed later: SQLite locked or full, PostgreSQL's lock timeout.
PASSING = ("locked", "is full", "disk I/O", "lock timeout", "deadlock", "statement timeout")

_within, _after = defaultdict(list), defaultdict(list)


def on(event_type, *, within=(), after=()):
    """Attach subscribers to an event type. Each is called as `subscriber(event, transaction)`."""
    _within[event_type] = list(within)
    _after[event_type] = list(after)


class Transaction:
    """What one transaction recorded. Calling it records an event. `handover` is for what commit makes public."""

    def __init__(self):
        self.events, self.handover, self._last = [], {}, {}

    def __call__(self, event):
        self.events.append(event)

    def before_commit(self, function):
        """Have `function(transaction)` called once, after all *within* subscribers, still under the locks."""
        self._last[function] = None

    def run_within(self):
        for event in self.events:  # also those that a subscriber records meanwhile
            for subscriber in _within[type(event)]:
                subscriber(event, self)
        for function in self._last:
            function(self)

    def run_after(self):
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
    if outer := info.get("transaction"):
        yield outer
        return
    current = Transaction()
    with write_lock if is_sqlite() else nullcontext():
        begin_write()
        info["transaction"] = current
        try:
            yield current
            db.session.flush()
            current.run_within()
            db.session.commit()
        except OperationalError as error:
            db.session.rollback()
            if error.connection_invalidated or any(sign in str(error.orig) for sign in PASSING):
                log.warning("A transaction could not finish: %s", error.orig)
                raise Busy from error
            raise
        except BaseException:
            db.session.rollback()
            raise
        finally:
            del info["transaction"]
    current.run_after()


def release():
    """Give the database connection back: nobody waits for a lock, a turn or a native thread with one in hand.

    Ends this session's read transaction; what was read is read again when touched. Nothing inside `transaction()`.
    """
    if "transaction" not in db.session().info:
        db.session.rollback()
