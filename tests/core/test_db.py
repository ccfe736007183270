from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError

from chat.core.db import db, engine_options, snapshot
from chat.core.transaction import transaction
from chat.rooms.queries import public_room_named


def rename(topic):
    """As another process would."""
    with db.engine.begin() as other:
        other.execute(text("UPDATE rooms SET topic = :topic WHERE id = 1"), {"topic": topic})


def test_a_snapshot_shows_one_moment(app):
    with snapshot():
        before = public_room_named("general").topic
        rename("later")
        db.session.expire_all()
        assert public_room_named("general").topic == before
    assert public_room_named("general").topic == "later"


def test_a_snapshot_begins_afresh(app, general):
    assert general.topic == "Everyone is here"
    rename("meanwhile")
    with snapshot():
        assert general.topic == "meanwhile"


def test_times_are_kept_in_utc_and_read_as_such(app, general):
    noon = datetime(2026, 11, 24, 12, tzinfo=timezone(timedelta(hours=5)))
    with transaction():
        general.archived_at = noon
    db.session.rollback()
    db.session.expire_all()

    assert general.archived_at == noon
    assert general.archived_at.tzinfo is UTC


def test_a_time_without_a_zone_means_nothing_and_is_refused(app, general):
    with pytest.raises(StatementError, match="has no time zone"), transaction():
        general.archived_at = datetime(2026, 11, 24, 12)


def test_the_database_keeps_rows_together(app):
    with pytest.raises(IntegrityError), db.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO memberships (room_id, user_id, joined, v, v_me, since) VALUES (99, 99, 0, 0, 0, '2026-11-24')"
        )


def test_readers_are_not_kept_waiting_by_a_writer(app):
    with transaction():
        public_room_named("general").topic = "not yet"
        db.session.flush()
        with db.engine.connect() as reader:
            assert reader.exec_driver_sql("SELECT topic FROM rooms WHERE id = 1").scalar() == "Everyone is here"
        with pytest.raises(OperationalError, match=r"locked|lock timeout"):
            rename("me too")


@pytest.mark.sqlite
@pytest.mark.parametrize(("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)])
def test_what_is_committed_survives(app, pragma, value):
    with db.engine.connect() as connection:
        assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value


def test_postgresql_waits_for_no_lock_longer_than_two_seconds():
    options = engine_options("postgresql+psycopg://u@h/d")["connect_args"]["options"]
    assert "lock_timeout=2000" in options and "statement_timeout=5000" in options


def test_postgresql_behind_a_network_that_loses_everything_is_given_up_within_seconds():
    options = engine_options("postgresql+psycopg://u@h/d")["connect_args"]
    assert options["tcp_user_timeout"] <= 10_000
    assert options["keepalives_idle"] + options["keepalives_interval"] * options["keepalives_count"] <= 20
