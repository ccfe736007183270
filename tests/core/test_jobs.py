"""Work for later: rows, taken once, tried again."""

from datetime import timedelta

import pytest

from chat.core import jobs
from chat.core.clock import now
from chat.core.db import db
from chat.core.jobs import EVERY_SECONDS, Job, JobLoop, enqueue, run_due
from chat.core.transaction import transaction


@pytest.fixture
def done(app, monkeypatch):
    """What the handler of "note" was called with."""
    found = []
    monkeypatch.setattr(jobs, "_handlers", {"note": found.append})
    return found


def wanted(data, **options):
    with transaction():
        enqueue("note", data, **options)


def all_jobs():
    db.session.rollback()
    return db.session.query(Job).order_by(Job.id).all()


def test_work_is_done_once_and_in_the_order_in_which_it_was_wanted(done):
    wanted({"n": 1})
    wanted({"n": 2})

    assert run_due() == 2
    assert run_due() == 0
    assert done == [{"n": 1}, {"n": 2}]
    assert all(job.finished_at and job.error is None for job in all_jobs())


def test_what_was_wanted_in_a_transaction_that_failed_is_not_done(done):
    with pytest.raises(ZeroDivisionError), transaction():
        enqueue("note", {"n": 1})
        raise ZeroDivisionError

    assert run_due() == 0


def test_wanting_the_same_twice_while_it_waits_is_wanting_it_once(done):
    wanted({"n": 1}, key="same")
    wanted({"n": 1}, key="same")
    assert run_due() == 1

    wanted({"n": 2}, key="same")
    assert run_due() == 1
    assert done == [{"n": 1}, {"n": 2}]


def test_the_loop_does_what_is_due_and_stops_when_it_is_told_to(app, done):
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 2:
            loop.stop()

    loop = JobLoop(app, sleep)
    wanted({"n": 1})
    loop.keep()

    assert done == [{"n": 1}]
    assert slept == [0, EVERY_SECONDS]  # there might have been more


def test_work_for_later_waits_for_its_time(done):
    wanted({"n": 1}, after=timedelta(hours=1))

    assert run_due() == 0


def test_what_fails_is_tried_again_later_and_given_up_in_the_end(app, monkeypatch):
    def broken(data):
        raise OSError("the mail server is away")

    monkeypatch.setattr(jobs, "_handlers", {"note": broken})
    wanted({})
    for attempt in range(1, jobs.MOST_ATTEMPTS + 1):
        assert run_due() == 1, attempt
        assert run_due() == 0, attempt
        with transaction():
            db.session.query(Job).update({"run_at": now()})

    (job,) = all_jobs()
    assert job.attempts == jobs.MOST_ATTEMPTS
    assert job.error == "OSError: the mail server is away"
    assert job.finished_at
    assert run_due() == 0


def test_work_that_somebody_took_and_never_finished_is_taken_again_when_the_lease_is_over(done):
    wanted({"n": 1})
    with transaction():
        db.session.query(Job).update({"leased_until": now() + timedelta(minutes=1)})
    assert run_due() == 0

    with transaction():
        db.session.query(Job).update({"leased_until": now() - timedelta(seconds=1)})
    assert run_due() == 1
    assert done == [{"n": 1}]
