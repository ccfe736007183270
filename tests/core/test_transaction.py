import logging
import threading
from dataclasses import dataclass

import pytest
from sqlalchemy.exc import OperationalError

from chat.core import db as core_db
from chat.core import transaction as module
from chat.core.db import db, write_lock
from chat.core.errors import Busy, Invalid
from chat.core.transaction import on, transaction
from chat.rooms.models import Room
from chat.rooms.queries import public_room_named
from tests.system.server import wait_until


@dataclass(frozen=True)
class Happened:
    name: str


@dataclass(frozen=True)
class Followed:
    name: str


@pytest.fixture
def seen(app):
    """Notes what subscribers were told, in order, with whether it was committed by then."""
    seen = []

    def within(event, transaction):
        seen.append(("within", event.name))

    def after(event, transaction):
        seen.append(("after", event.name))

    for event in (Happened, Followed):
        on(event, within=[within], after=[after])
    yield seen
    for event in (Happened, Followed):
        module._within.pop(event), module._after.pop(event)


def topic():
    db.session.rollback()
    db.session.expire_all()
    return public_room_named("general").topic


def set_topic(words):
    public_room_named("general").topic = words


def test_what_was_recorded_follows_within_and_after_the_commit(seen):
    with transaction() as record:
        record(Happened("1"))
        record(Happened("2"))
        assert seen == []

    assert seen == [("within", "1"), ("within", "2"), ("after", "1"), ("after", "2")]


def test_after_means_that_others_can_see_it(app, seen):
    found = []
    on(Happened, within=[lambda *_: found.append(inside())], after=[lambda *_: found.append(elsewhere())])

    def inside():
        return db.session.get(Room, 1).topic

    def elsewhere():
        with db.engine.connect() as other:
            return other.exec_driver_sql("SELECT topic FROM rooms WHERE id = 1").scalar()

    with transaction() as record:
        set_topic("new")
        record(Happened("1"))
    assert found == ["new", "new"]


def test_a_failure_rolls_back_and_nothing_is_published(seen):
    with pytest.raises(Invalid), transaction() as record:
        set_topic("half done")
        record(Happened("1"))
        raise Invalid("no")

    assert seen == []
    assert topic() == "Everyone is here"


def test_a_subscriber_that_fails_within_undoes_everything(seen):
    def broken(event, transaction):
        raise Invalid("no room for this")

    on(Happened, within=[broken], after=[lambda *_: seen.append("after")])
    with pytest.raises(Invalid), transaction() as record:
        set_topic("half done")
        record(Happened("1"))

    assert seen == []
    assert topic() == "Everyone is here"


def test_a_subscriber_that_fails_after_is_logged_and_harms_nobody(seen, caplog):
    on(Happened, after=[lambda *_: 1 / 0, lambda event, _: seen.append(event.name)])
    with caplog.at_level(logging.ERROR), transaction() as record:
        set_topic("done")
        record(Happened("1"))

    assert seen == ["1"]
    assert topic() == "done"
    assert "the change itself is stored" in caplog.text


def test_a_subscriber_may_record_what_follows_from_it(seen):
    on(Happened, within=[lambda event, record: record(Followed(event.name))])
    with transaction() as record:
        record(Happened("1"))

    assert seen == [("within", "1"), ("after", "1")]


def test_what_waits_for_the_end_runs_once_and_last(seen):
    def last(transaction):
        seen.append(len(transaction.events))

    def wants_it(event, transaction):
        transaction.before_commit(last)

    on(Happened, within=[wants_it])
    with transaction() as record:
        record(Happened("1"))
        record(Happened("2"))
        record(Followed("3"))

    assert seen == [("within", "3"), 3, ("after", "3")]


# Blocks inside blocks


def test_an_inner_block_joins_the_outer_one(seen):
    with transaction() as outer:
        outer(Happened("outer"))
        with transaction() as inner:
            assert inner is outer
            set_topic("inner")
            inner(Happened("inner"))
        assert seen == []

    assert [name for _, name in seen] == ["outer", "inner"] * 2
    assert topic() == "inner"


def test_an_outer_failure_undoes_the_inner_block(seen):
    with pytest.raises(Invalid), transaction():
        with transaction() as inner:
            set_topic("inner")
            inner(Happened("inner"))
        raise Invalid("no")

    assert seen == []
    assert topic() == "Everyone is here"


def test_the_next_block_is_a_new_one(seen):
    for name in ("1", "2"):
        with transaction() as record:
            record(Happened(name))
    with pytest.raises(Invalid), transaction():
        raise Invalid("no")
    with transaction() as record:
        assert record.events == []


# Fresh reads


def test_what_is_read_inside_is_as_it_is_now(app, general):
    before = general.topic
    with db.engine.begin() as other:
        other.exec_driver_sql("UPDATE rooms SET topic = 'by somebody else' WHERE id = 1")
    assert general.topic == before

    with transaction():
        assert general.topic == "by somebody else"


@pytest.mark.sqlite
def test_the_lock_is_free_again_however_it_ended(app):
    with transaction():
        assert write_lock.locked()
    assert not write_lock.locked()
    with pytest.raises(ZeroDivisionError), transaction():
        raise ZeroDivisionError
    assert not write_lock.locked()


# Busy


@pytest.mark.sqlite
def test_another_process_that_keeps_the_lock_makes_it_busy(app, monkeypatch):
    times = iter(range(100))
    monkeypatch.setattr(core_db.time, "monotonic", lambda: next(times))
    monkeypatch.setattr(core_db.time, "sleep", lambda seconds: None)
    other = db.engine.raw_connection()
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(Busy) as refusal, transaction():
            pytest.fail("it cannot begin")
    finally:
        other.execute("ROLLBACK")
        other.close()

    assert (refusal.value.code, refusal.value.status, refusal.value.retry_after) == ("busy", 503, 1)
    with transaction():
        set_topic("now it can")
    assert topic() == "now it can"


@pytest.mark.parametrize(
    "said",
    ["database is locked", "database or disk is full", "disk I/O error", "canceling statement due to lock timeout",
     "deadlock detected", "canceling statement due to statement timeout", "connection failed: FATAL:  starting up",
     "could not extend file: No space left on device"],
)  # fmt: skip
def test_what_may_succeed_later_is_busy(seen, said):
    with pytest.raises(Busy), transaction() as record:
        record(Happened("1"))
        raise OperationalError("UPDATE", {}, Exception(said))
    assert seen == []


def test_a_lost_connection_leaves_the_outcome_open_and_is_busy(seen):
    with pytest.raises(Busy), transaction():
        raise OperationalError("COMMIT", {}, Exception("server closed the connection"), connection_invalidated=True)


def test_a_mistake_of_ours_is_not_called_busy(seen):
    with pytest.raises(OperationalError), transaction():
        raise OperationalError("SELECT", {}, Exception("no such table: x"))
    with transaction():
        set_topic("goes on")
    assert topic() == "goes on"


@pytest.mark.sqlite
def test_who_waits_for_a_turn_to_write_holds_no_connection(app):
    """Else sixty people who edit while one process is kept from writing leave none for those who only read."""
    has_read, turn_came = threading.Event(), threading.Event()
    idle = db.engine.pool.checkedout()

    def edit():
        with app.app_context():
            public_room_named("general")
            has_read.set()
            with transaction():
                turn_came.set()

    with write_lock:
        editing = threading.Thread(target=edit)
        editing.start()
        has_read.wait()
        wait_until(lambda: db.engine.pool.checkedout() == idle, what="the connection to be given back")
        assert not turn_came.is_set()
    editing.join()
    assert turn_came.is_set()
