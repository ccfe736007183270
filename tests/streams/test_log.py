from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Invalid
from chat.core.transaction import transaction
from chat.streams import log
from chat.streams.models import Entry, Stream


class Boom(Exception):
    pass


@pytest.fixture
def stream(app):
    with transaction():
        log.create("room:900")
    return "room:900"


def put(stream, kind="posted", subject=1, data=None):
    """One numbered entry, in a transaction that is under way."""
    seq = log.next_seq(stream)
    db.session.add(Entry(stream=stream, seq=seq, kind=kind, subject_id=subject, data=data, created_at=now()))
    db.session.flush()
    return seq


def fill(stream, count):
    with transaction():
        log.lock(stream)
        return [put(stream) for _ in range(count)]


def numbers(stream):
    return list(db.session.scalars(db.select(Entry.seq).where(Entry.stream == stream).order_by(Entry.seq)))


# Numbers


def test_numbers_begin_at_one_and_have_no_holes(stream):
    assert log.heads([stream]) == {stream: 0}
    assert fill(stream, 3) + fill(stream, 2) == [1, 2, 3, 4, 5]


def test_a_rollback_gives_the_number_back(stream):
    fill(stream, 1)
    with pytest.raises(Boom), transaction():
        put(stream)
        raise Boom

    assert fill(stream, 1) == [2]


def test_a_failing_savepoint_gives_its_number_back_and_the_others_keep_theirs(stream):
    with transaction():
        log.lock(stream)
        first = put(stream)
        with pytest.raises(Boom), db.session.begin_nested():
            put(stream)
            raise Boom
        second = put(stream)

    assert (first, second) == (1, 2)
    assert numbers(stream) == [1, 2]


def test_streams_count_on_their_own(stream):
    with transaction():
        log.create("room:901")
    fill(stream, 3)

    assert fill("room:901", 1) == [1]
    assert log.heads([stream, "room:901", "room:999"]) == {stream: 3, "room:901": 1}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["commit", "rollback", "savepoint"])), max_size=12))
def test_whatever_fails_there_are_no_holes(stream, steps):
    for count, how in steps:
        try:
            with transaction():
                log.lock(stream)
                for _ in range(count):
                    put(stream)
                if how == "savepoint":
                    with pytest.raises(Boom), db.session.begin_nested():
                        put(stream)
                        raise Boom
                if how == "rollback":
                    raise Boom
        except Boom:
            pass

    head = log.heads([stream])[stream]
    assert numbers(stream) == list(range(1, head + 1))


def test_the_database_says_which_heads_are_other_numbers(app, stream):
    fill(stream, 3)
    log.create("room:901")

    assert log.other_heads({stream: 3, "room:901": 0}) == {}
    assert log.other_heads({stream: 2, "room:901": 1}) == {stream: 3, "room:901": 0}  # behind, and as if it went back
    assert log.other_heads({stream: 3, "room:999": 7, "room:998": 0}) == {"room:999": 0}  # there are no such rooms
    assert log.other_heads({}) == {}


def test_heads_of_many_streams_come_in_slices_that_databases_take(app, stream):
    fill(stream, 1)

    assert log.heads([f"room:{n}" for n in range(100_000, 101_200)] + [stream])[stream] == 1
    assert log.heads([]) == {}


# Reading back


def test_what_came_after_a_number(stream):
    fill(stream, 5)

    assert [entry.seq for entry in log.since(stream, 2)] == [3, 4, 5]
    assert [entry.seq for entry in log.since(stream, 2, limit=2)] == [3, 4]
    assert log.since(stream, 5) == []
    assert [entry.seq for entry in log.since(stream, 0)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("seq", [-1, 6, 10**15])
def test_a_number_that_is_not_there_yet_is_refused(stream, seq):
    """As after restoring an older backup."""
    fill(stream, 5)

    with pytest.raises(Invalid, match=r"room:900 has no number"):
        log.since(stream, seq)


def test_a_stream_that_never_was_is_empty(app):
    assert log.since("room:999", 0) == []
    with pytest.raises(Invalid):
        log.since("room:999", 1)
    assert log.head_and_floor("room:999") is None


def test_a_hole_is_never_read_over(stream):
    fill(stream, 5)
    with transaction():
        db.session.execute(text("DELETE FROM entries WHERE stream = 'room:900' AND seq = 3"))

    assert log.since(stream, 1) is None
    assert [entry.seq for entry in log.since(stream, 3)] == [4, 5]


def test_the_newest_of_some_kinds_between_two_numbers(stream):
    with transaction():
        for kind in ("joined", "posted", "left", "joined", "posted", "left"):
            put(stream, kind)

    def found(**bounds):
        return [entry.seq for entry in log.of_kinds(stream, ("joined", "left"), **bounds)]

    assert found(after=0, upto=6, limit=10) == [1, 3, 4, 6]
    assert found(after=1, upto=4, limit=10) == [3, 4]
    assert found(after=0, upto=6, limit=2) == [4, 6]


def test_entries_hold_no_text_that_a_person_wrote(app, alice, bob, general):
    from chat.messages.actions import delete_message, edit_message
    from chat.rooms.actions import change_room
    from tests.factories import say

    message = say(alice, general, "Zeppelin @bob")
    edit_message(alice, message, "Zeppelin again")
    change_room(alice, general, name="zeppelin", topic="Zeppelin", description="Zeppelin")
    delete_message(alice, message)

    kept = db.session.execute(text("SELECT stream, kind, data FROM entries")).all()
    assert "zeppelin" not in str(kept).lower()


# Pruning


def prune(days):
    with transaction():
        return log.prune(now() - timedelta(days=days))


def age(stream, upto, days):
    """Make the entries up to a number so many days old."""
    with transaction():
        db.session.execute(
            db.update(Entry)
            .where(Entry.stream == stream, Entry.seq <= upto)
            .values(created_at=now() - timedelta(days=days))
        )


def test_old_entries_go_and_the_floor_says_up_to_where(stream):
    fill(stream, 5)
    age(stream, 3, days=100)

    assert prune(days=90) == 3
    assert tuple(log.head_and_floor(stream)) == (5, 3)
    assert log.since(stream, 2) is None
    assert [entry.seq for entry in log.since(stream, 3)] == [4, 5]
    assert prune(days=90) == 0


def test_pruning_in_small_steps_leaves_no_hole(stream):
    fill(stream, 7)
    age(stream, 7, days=100)

    while True:
        with transaction():
            gone = log.prune(now() - timedelta(days=90), batch=2)
        floor = log.head_and_floor(stream).floor
        assert numbers(stream) == list(range(floor + 1, 8))
        if not gone:
            break
    assert floor == 7
    assert fill(stream, 1) == [8]


def test_an_entry_that_is_older_than_its_predecessor_takes_it_along(stream):
    """Clocks go back; numbers do not."""
    fill(stream, 4)
    with transaction():
        db.session.execute(
            db.update(Entry)
            .where(Entry.stream == stream, Entry.seq == 3)
            .values(created_at=now() - timedelta(days=100))
        )
    prune(days=90)

    assert numbers(stream) == [4]
    assert log.head_and_floor(stream).floor == 3


# Locks


def test_locks_are_taken_in_one_order_one_by_one(app, monkeypatch):
    """PostgreSQL's row locks; SQLite has but one."""
    taken = []
    monkeypatch.setattr(log, "is_sqlite", lambda: False)
    monkeypatch.setattr(
        db.session, "execute", lambda query: taken.append(query.compile().params["name_1"]), raising=False
    )

    log.lock("access", "user:10", "site", "room:30", "user:9", "room:4", "room:30")
    assert taken == ["room:4", "room:30", "user:9", "user:10", "site", "access"]


def test_what_a_lock_waited_for_is_read_anew(app, monkeypatch, general):
    monkeypatch.setattr(log, "is_sqlite", lambda: False)
    with transaction():
        db.session.execute(text("UPDATE rooms SET topic = 'by somebody else' WHERE id = 1"))
        log.lock(general.stream)

        assert general.topic == "by somebody else"


def test_names_of_streams():
    assert log.room_stream(7) == "room:7"
    assert log.user_stream(3) == "user:3"
    assert (log.subject_of("room:7"), log.subject_of("site")) == (7, None)


def test_a_stream_is_made_once(stream):
    from sqlalchemy.exc import IntegrityError

    with pytest.raises(IntegrityError), transaction():
        log.create(stream)
    assert db.session.get(Stream, stream).head == 0
