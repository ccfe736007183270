"""Group commit: while one transaction is on its way to the disk the next one gathers, and many units share it.

    answer = together(unit, names=[stream], lock=lock_rows)

A unit is a function of the transaction, like the inside of a `transaction()` block, that decides and writes through
`record.run` alone. Each has its own verdict: what it raises undoes it and nobody else. docs/decisions/ says why.

Only a process that serves has a Ledger. Anywhere else, and inside an open `transaction()`, a unit is simply part of a
transaction; so a unit must do the same whichever it is, and may be tried twice.
"""

import logging
import threading
import time
from collections import deque
from contextlib import contextmanager, nullcontext

from sqlalchemy.exc import DBAPIError

from chat.core.blocking import NativeThreads, Waiter, soon
from chat.core.db import db, patiently, snapshot, write_lock
from chat.core.errors import Busy
from chat.core.prepared import wrapped
from chat.core.transaction import Transaction, commit_with, is_passing, outer, release, run_in_session, transaction

log = logging.getLogger(__name__)

MOST = 256  # units in one transaction
SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"  # on PostgreSQL; SQLite has nothing else
ASIDE = 4  # connections for streams that others hold, at most; the pool is for everybody
_serving = None


def together(unit, *, names=(), lock=None, waiting=nullcontext):
    """Return what `unit(record)` returned, once it is stored; or raise what it raised, with nothing stored.

    names    what the unit wants locked. lock(run, names, wait=…) locks rows of these names in one order, through `run`,
             and returns which it could have; where one lock is all there is it is not called.
    waiting  a context manager, held while the caller waits.
    Raises   Busy when it could not be stored, or when it is not known whether it was.
    """
    if _serving is None or outer():
        with transaction() as record:
            if lock and db.engine.dialect.name != "sqlite":
                lock(record.run, names, wait=True)
            return unit(record)
    return _serving.store(_Unit(unit, tuple(names), lock), waiting)


def read(prepared, **values):
    """The rows of a Prepared question, as they are now. Inside a `transaction()` with what that has written."""
    if _serving is None or outer():
        return run_in_session(prepared, **values)
    return _serving.read(prepared, values)


@contextmanager
def glance():
    """Yields `ask(prepared, **values)`, whose answers all come from one moment. For a few quick questions: nothing
    inside may wait for anything else."""
    if _serving is None or outer():
        with snapshot():
            yield run_in_session
    else:
        with _serving.glance() as ask:
            yield ask


def counted():
    """(units, groups): how much this process has stored in common transactions, and in how many."""
    return (_serving.units, _serving.groups) if _serving else (0, 0)


class _Unit:
    __slots__ = ("answer", "error", "lock", "names", "record", "waiter", "work")

    def __init__(self, work, names, lock):
        self.work, self.names, self.lock = work, names, lock
        self.waiter, self.record, self.answer, self.error = Waiter(), None, None, None


def _wake(unit):
    try:
        unit.waiter.wake()
    except BaseException:  # of whoever waited, and theirs alone: a green thread that ends gives it to whoever woke it
        log.exception("What waited for %s ended in an error.", unit.work)


class Ledger:
    """What stores the units of this process. `spawn(function)` comes from the async library."""

    def __init__(self, app, *, spawn):
        self.app, self.spawn = app, spawn
        with app.app_context():
            self.engine = db.engine
        self.on_sqlite = self.engine.dialect.name == "sqlite"
        self.groups = self.units = 0
        self.aside, self._places = {}, threading.Semaphore(ASIDE)
        self._questions = self._looking = None

    def start(self):
        """From here on `together` and `read` of this process come here."""
        global _serving
        self.thread = NativeThreads() if self.on_sqlite else None
        commit_with(self.thread)
        if self.on_sqlite:
            write_lock.wait_in(NativeThreads)
        self.line = _SQLiteLine(self) if self.on_sqlite else _PostgreSQLLine(self)
        _serving = self

    def stop(self, _quick=False):
        """Return when everything that waits has been stored. What comes meanwhile goes behind it, what comes later is
        stored one by one."""
        global _serving
        while self.line.running or self.aside:
            time.sleep(0.005)
        if _serving is self:  # nothing has run since the line was seen empty: nobody finds it closed with units in it
            _serving = None

    def store(self, unit, waiting):
        release()
        self.line.put(unit)  # all through one line, which alone sets some aside: so nobody overtakes who came before
        with waiting():
            unit.waiter.wait()
        if unit.error is not None:
            raise unit.error
        return unit.answer

    def set_aside(self, unit):
        """Somebody else holds what this unit needs: it waits for that in a line of its own, and nobody behind it."""
        line = self.aside.get(unit.names)
        if line is None:
            line = self.aside[unit.names] = _PatientLine(self, unit.names, self._places)
        line.put(unit)

    def connect(self):
        """A connection of the pool, as the driver has it. What goes wrong is raised as everywhere."""
        try:
            return self.engine.raw_connection()
        except self.engine.dialect.loaded_dbapi.Error as error:
            raise wrapped(error, self.engine.dialect) from error

    def read(self, prepared, values):
        """On SQLite over a connection that is kept and has no transaction, so that each question sees the newest."""
        if not self.on_sqlite:
            connection = self.connect()
            try:
                return prepared.run(connection.cursor(), self.engine.dialect, values)
            finally:
                connection.close()
        if self._questions is None:
            self._questions = self.connect()
            self._asking = self._questions.cursor()
        return prepared.run(self._asking, self.engine.dialect, values)

    @contextmanager
    def glance(self):
        connection = self._looking if self.on_sqlite else self.connect()
        if connection is None:
            connection = self._looking = self.connect()
        cursor, begin = connection.cursor(), "BEGIN" if self.on_sqlite else SNAPSHOT
        try:
            try:
                cursor.execute(begin)
            except self.engine.dialect.loaded_dbapi.Error as error:
                raise wrapped(error, self.engine.dialect, cursor, begin) from error
            yield lambda prepared, **values: prepared.run(cursor, self.engine.dialect, values)
        finally:
            cursor.close()
            if self.on_sqlite:
                connection.rollback()
            else:
                connection.close()  # which rolls back, and survives that the server is gone


class _Line:
    """Units in the order in which they came, stored group by group by one green thread, over one connection."""

    def __init__(self, ledger):
        self.ledger, self.dialect = ledger, ledger.engine.dialect
        self.pending, self.running = deque(), False
        self.connection = self.cursor = None

    def put(self, unit):
        self.pending.append(unit)
        self._begin()

    def _begin(self):
        if not self.running:
            self.running = True
            self.ledger.spawn(self._work)

    def _work(self):
        try:
            with self.ledger.app.app_context():
                while self.pending:
                    group = [self.pending.popleft() for _ in range(min(MOST, len(self.pending)))]
                    self._settle(group)
        finally:
            self.running = False
            if self.pending:  # put while the context was being left, or behind a group that could not be settled
                self._begin()
            else:
                self.ended()

    def ended(self):
        """Nothing waits any more."""

    def _settle(self, group):
        """Store a group, publish it, and let everyone in it go on."""
        try:
            left = self._store(group)
            committed_at = time.monotonic()
        except BaseException as error:
            left = group
            for unit in group:
                unit.record, unit.error = None, error
            if not isinstance(error, Exception):
                raise
        else:
            self.ledger.groups, self.ledger.units = self.ledger.groups + 1, self.ledger.units + len(left)
            for unit in left:
                if unit.record is not None:
                    unit.record.run_after(committed_at)
        finally:
            self._tell(left)

    def _tell(self, group):
        turn = Waiter()

        def wake():
            try:
                for unit in group:
                    _wake(unit)
            finally:
                turn.wake()

        soon(wake)  # from the loop: whoever is woken runs up to where it waits next, and comes back here
        turn.wait()

    def _store(self, group):
        """Returns the units that are done, stored or refused. Raises nothing that the database may say."""
        try:
            return self._transact(group)
        except Exception as error:
            self._give_up()
            if _is_busy(error):
                log.warning("%d units could not be stored: %s", len(group), error)
            elif len(group) > 1:
                log.warning("%d units could not be stored together, and are repeated one by one: %s", len(group), error)
                return [unit for one in group for unit in self._store([one])]
            return _refused(group, error)

    def _one(self, unit):
        """One unit within the transaction: it writes everything or nothing."""
        self._enter()
        record = Transaction(self._run)
        try:
            unit.answer = unit.work(record)
            record.run_within()
        except Exception as error:
            if isinstance(error, DBAPIError) and self._ends_everything(error):
                raise
            unit.record, unit.error = None, _told(error)
            self._execute("ROLLBACK TO SAVEPOINT unit")
        else:
            unit.record, unit.error = record, None
        self._leave()

    def _run(self, prepared, **values):
        return prepared.run(self.cursor, self.dialect, values)

    def _execute(self, words, **options):
        try:
            self.cursor.execute(words, **options)
        except self.dialect.loaded_dbapi.Error as error:
            raise wrapped(error, self.dialect, self.cursor, words) from error

    def _commit(self):
        try:
            self.connection.driver_connection.commit()
        except self.dialect.loaded_dbapi.Error as error:
            raise wrapped(error, self.dialect, self.cursor, "COMMIT") from error

    def _open(self):
        if self.connection is None:
            self.connection = self.ledger.connect()
            self.cursor = self.connection.cursor()

    def _give_up(self):
        """Roll back; when not even that is possible, another connection is made for the next group."""
        if self.connection is None:
            return
        try:
            self.connection.driver_connection.rollback()
        except Exception:
            self.connection.invalidate()
            self.connection = self.cursor = None


class _SQLiteLine(_Line):
    """Statements run in the loop and let nobody else in; only COMMIT, which waits for the disk, runs beside it."""

    def _transact(self, group):
        self._open()
        with write_lock:  # nobody of this process meets it inside SQLite, where waiting would stop everyone
            patiently(lambda: self._execute("BEGIN IMMEDIATE"))
            self._switched = None
            soon(self._note_switch, group)
            for unit in group:
                self._one(unit)
                if self._switched is group:
                    self._switched = None
                    log.error("%s let another green thread run while it wrote.", unit.work)
            commit = self.ledger.thread.begin(self._commit)
            for unit in group:
                if unit.record is not None:
                    unit.record.run_meanwhile()
            commit.result()
        return group

    def _note_switch(self, group):
        self._switched = group

    def _enter(self):
        self._execute("SAVEPOINT unit")

    def _leave(self):
        self._execute("RELEASE SAVEPOINT unit")

    def _ends_everything(self, error):
        """A full or broken disk: SQLite may have undone the transaction, and the next unit would fare no better."""
        return is_passing(error)


class _PostgreSQLLine(_Line):
    """Locks only what is free: units that need anything else are set aside, so that nobody waits for them."""

    wait = False

    def _transact(self, group):
        self._open()
        if not self.wait:
            self._set_aside(group, lambda unit: unit.names in self.ledger.aside)
        try:
            held = self._hold(group)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            self._give_up()  # lost while it was idle, as after a restart of the server: nothing had begun
            self._open()
            held = self._hold(group)
        if not self.wait:  # after waiting, what could not be had is not there: the units find that out themselves
            self._set_aside(group, lambda unit: not held.issuperset(unit.names))
        self._entered = False
        for unit in group:
            self._one(unit)
        for unit in group:
            if unit.record is not None:
                unit.record.run_meanwhile()
        self._commit()
        return group

    def _set_aside(self, group, needed):
        """Take those units out of the group."""
        for unit in [unit for unit in group if needed(unit)]:
            group.remove(unit)
            self.ledger.set_aside(unit)

    def _hold(self, group):
        """Lock what the units want, all of it before anything is written. Returns the names that could be had."""
        wanted = {}
        for unit in group:
            if unit.names:
                wanted.setdefault(unit.lock, set()).update(unit.names)
        return {name for lock, names in wanted.items() for name in lock(self._run, names, wait=self.wait)}

    def _enter(self):
        """One round trip to the server: the savepoint before is done with. Never prepared, being two statements."""
        words = "RELEASE SAVEPOINT unit; SAVEPOINT unit" if self._entered else "SAVEPOINT unit"
        self._execute(words, prepare=False)
        self._entered = True

    def _leave(self):
        pass

    def _ends_everything(self, error):
        return error.connection_invalidated


class _PatientLine(_PostgreSQLLine):
    """For units whose streams others hold just now: waits for the lock, and is gone when nothing waits any more."""

    wait = True

    def __init__(self, ledger, names, places):
        super().__init__(ledger)
        self.names, self.places = names, places

    def _work(self):
        with self.places:
            super()._work()

    def ended(self):
        del self.ledger.aside[self.names]  # first: what comes while the connection is given back goes elsewhere
        if self.connection is not None:
            self.connection.close()


def _is_busy(error):
    return isinstance(error, Busy) or is_passing(error)


def _told(error):
    """What the caller hears. Each a Busy of their own."""
    return Busy() if _is_busy(error) else error


def _refused(group, error):
    for unit in group:
        unit.record, unit.error = None, _told(error)
    return group
