"""What ends up in the log when something fails."""

import logging

import pytest
from sqlalchemy.exc import OperationalError

from chat.core import failures
from chat.core.errors import Busy
from chat.core.failures import note_failure

log = logging.getLogger(__name__)
AWAY = OperationalError("SELECT secret", {}, Exception("connection failed: server closed\nIs it running?"))


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """clock[0] is what time it is; nothing was said before."""
    clock = [100.0]
    monkeypatch.setattr(failures.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(failures, "_last", {})
    monkeypatch.setattr(failures, "_unsaid", {})
    return clock


def fail(error, words="%s failed.", *args):
    try:
        raise error
    except Exception as caught:
        note_failure(log, caught, words, *(args or ("Reading",)))


def test_a_fault_of_ours_has_its_traceback_each_time(caplog):
    fail(ZeroDivisionError("by zero"))
    fail(ZeroDivisionError("by zero"))

    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert caplog.text.count("Traceback") == 2 and "Reading failed." in caplog.text


@pytest.mark.parametrize(
    "error, said", [(AWAY, "connection failed: server closed"), (Busy(), "The server is busy. Try again in a moment.")]
)
def test_a_database_that_is_away_is_one_line_without_the_statement(caplog, error, said):
    fail(error)

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", f"Reading failed. {said}")
    ]
    assert "Traceback" not in caplog.text


def test_the_same_is_said_again_after_a_while_and_how_often_it_was_not(caplog, clock):
    for name in ("one", "two", "three"):
        fail(AWAY, "%s failed.", name)
    fail(AWAY, "Another thing failed: %s.", "four")
    clock[0] += failures.QUIET_SECONDS
    fail(AWAY, "%s failed.", "five")

    assert [record.getMessage() for record in caplog.records] == [
        "one failed. connection failed: server closed",
        "Another thing failed: four. connection failed: server closed",
        "five failed. connection failed: server closed (2 more like it since the last such line)",
    ]
