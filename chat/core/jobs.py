"""Work that is done later, whatever stops meanwhile: rows, written in the transaction that wants it done.

    with transaction():
        enqueue("export", {"export": export.id}, key=f"export:{export.id}")

Attached in chat/wiring.py: `handle("export", build_export)`. A handler is called as `handler(data)` outside of any
transaction, may wait, and does its own; it may be called again after a crash, so it looks first at what is done.
Whatever processes serve jobs, one at a time takes each: a compare-and-set on its lease.
"""

import logging
from datetime import datetime, timedelta

from sqlalchemy import JSON, Index, bindparam, delete, func, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from chat.core.clock import now
from chat.core.db import db
from chat.core.ledger import read
from chat.core.prepared import Prepared
from chat.core.transaction import release, transaction

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=10)  # for one call of a handler; a longer piece of work enqueues its own continuation
FIRST_RETRY, LAST_RETRY = timedelta(seconds=10), timedelta(hours=1)
MOST_ATTEMPTS = 10
KEPT = timedelta(days=7)  # after they ended, to be looked at
EVERY_SECONDS = 1.0
DAY = timedelta(hours=23, minutes=30)  # less than a day by what an hourly look may be late

_handlers = {}


class Job(db.Model):
    """One piece of work. `leased_until` is how long whoever took it may need; then somebody else takes it."""

    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_due", "finished_at", "run_at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    key: Mapped[str | None] = mapped_column(unique=True)  # of unfinished jobs with the same key there is one
    data: Mapped[dict | None] = mapped_column(JSON)
    created_at: Mapped[datetime]
    run_at: Mapped[datetime]
    leased_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None]  # of the last attempt
    finished_at: Mapped[datetime | None]  # with an error: given up


_NEXT = Prepared(  # asked by every process each second
    select(Job.id, Job.leased_until)
    .where(
        Job.finished_at.is_(None),
        Job.run_at <= bindparam("moment"),
        or_(Job.leased_until.is_(None), Job.leased_until < bindparam("moment")),
        Job.kind.in_(bindparam("kinds", expanding=True)),
    )
    .order_by(Job.run_at)
    .limit(1)
)


def handle(kind, handler):
    """Attach what does the work of one kind."""
    _handlers[kind] = handler


def enqueue(kind, data=None, *, key=None, after=timedelta(0)):
    """Have it done, not before `after` has passed. Inside `transaction()`. One with this key that waits is enough."""
    if key and db.session.scalar(select(Job.id).where(Job.key == key)):
        return
    moment = now()
    db.session.add(Job(kind=kind, key=key, data=data, created_at=moment, run_at=moment + after))
    db.session.flush()


def note(key, **progress):
    """From within a handler: how far its job is, for pages that show it."""
    with transaction():
        job = db.session.scalars(select(Job).where(Job.key == key)).first()
        if job is not None:
            job.data = {**(job.data or {}), **progress}


def noted(key):
    """What the unfinished job of this key was given and has noted, with `error` when its last attempt failed; None when
    there is none."""
    job = db.session.scalars(select(Job).where(Job.key == key)).first()
    return job and {**(job.data or {}), "error": job.error}


def daily(kind):
    """Inside `transaction()`: have it done once a day, whatever else enqueues it."""
    recent = select(Job.id).where(Job.kind == kind, Job.created_at > now() - DAY).limit(1)
    if not db.session.scalar(recent):
        enqueue(kind, key=kind)


def run_due(limit=20):
    """Do what is due, one after the other. Returns how many were taken."""
    done = 0
    while done < limit and (job := _take()):
        _do(job)
        done += 1
    return done


def _take():
    """Lease the job that has waited longest, or None. Whoever loses the race for one tries the next."""
    while True:
        moment = now()
        rows = read(_NEXT, moment=moment, kinds=list(_handlers))
        release()
        if not rows:
            return None
        (found,) = rows
        with transaction():
            same = Job.leased_until.is_(None) if found.leased_until is None else Job.leased_until == found.leased_until
            mine = update(Job).where(Job.id == found.id, Job.finished_at.is_(None), same)
            values = {"leased_until": moment + LEASE, "attempts": Job.attempts + 1}
            taken = db.session.execute(mine.values(values)).rowcount
        if taken:
            return db.session.get(Job, found.id)


def _do(job):
    job_id, kind, data, attempts = job.id, job.kind, job.data, job.attempts
    release()
    try:
        _handlers[kind](data or {})
    except Exception as error:
        db.session.rollback()
        log.exception("Job %s (%s) failed at attempt %s", job_id, kind, attempts)
        _failed(job_id, attempts, f"{type(error).__name__}: {error}"[:500])
    else:
        release()
        _set(job_id, finished_at=now(), key=None, error=None, data=None)  # it may have held somebody's address


def _failed(job_id, attempts, error):
    if attempts >= MOST_ATTEMPTS:
        _set(job_id, finished_at=now(), key=None, error=error)
    else:
        wait = min(LAST_RETRY, FIRST_RETRY * 2 ** (attempts - 1))
        _set(job_id, leased_until=None, run_at=now() + wait, error=error)


def _set(job_id, **values):
    with transaction():
        db.session.execute(update(Job).where(Job.id == job_id).values(**values))


def counted():
    """(waiting, failed, given up) now, among those that are kept. One query."""
    waits, failed = Job.finished_at.is_(None), Job.error.is_not(None)
    return tuple(
        db.session.execute(
            select(
                func.count().filter(waits), func.count().filter(waits, failed), func.count().filter(~waits, failed)
            ).select_from(Job)
        ).one()
    )


def with_errors(*, before=None, limit=50):
    """(jobs whose last attempt failed, whether there are older ones), the newest first; `before` is a job's id."""
    query = select(Job).where(Job.error.is_not(None)).order_by(Job.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(Job.id < before)
    found = db.session.scalars(query).all()
    return found[:limit], len(found) > limit


def try_again(job_id):
    """Inside `transaction()`: have a job that failed done now, given up or not. False: none, or it is being done."""
    free = or_(Job.leased_until.is_(None), Job.finished_at.is_not(None))
    mine = update(Job).where(Job.id == job_id, Job.error.is_not(None), free)
    values = {"finished_at": None, "leased_until": None, "run_at": now(), "attempts": 0}
    return bool(db.session.execute(mine.values(**values)).rowcount)


def tidy(batch=500):
    """Inside a transaction: forget jobs that ended long ago. Returns how many."""
    old = select(Job.id).where(Job.finished_at < now() - KEPT).limit(batch)
    return db.session.execute(delete(Job).where(Job.id.in_(old))).rowcount


class JobLoop:
    """Looks for work in a process that serves jobs. `sleep` comes from the async library."""

    def __init__(self, app, sleep):
        self.app, self.sleep, self.stopping = app, sleep, False

    def keep(self):
        while not self.stopping:
            try:
                with self.app.app_context():
                    busy = run_due()
            except Exception:
                log.exception("Looking for jobs failed; it is tried again.")
                busy = 0
            self.sleep(0 if busy else EVERY_SECONDS)

    def stop(self, _quick=False):
        self.stopping = True
