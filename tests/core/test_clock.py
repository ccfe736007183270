from datetime import UTC, datetime, timedelta

from chat.core.clock import iso, now


def test_now_is_in_utc_and_in_whole_milliseconds():
    moment = now()

    assert moment.tzinfo is UTC
    assert moment.microsecond % 1000 == 0
    assert abs(datetime.now(UTC) - moment) < timedelta(seconds=5)


def test_times_on_the_wire():
    assert iso(datetime(2026, 11, 4, 9, 6, 3, 7_000, tzinfo=UTC)) == "2026-11-04T09:06:03.007Z"
    assert iso(None) is None


def test_the_wire_keeps_what_the_database_keeps():
    moment = now()
    assert datetime.fromisoformat(iso(moment)) == moment
