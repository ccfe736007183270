from datetime import timedelta

import pytest

from chat.accounts.actions import end_other_sessions
from chat.accounts.models import Session
from chat.core.clock import now
from chat.core.db import db


@pytest.fixture
def run_out(app):
    """Ends every session as time does: no entry anywhere says so."""

    def run_out():
        db.session.query(Session).update({"expires_at": now() - timedelta(seconds=1)})
        db.session.commit()

    return run_out


def test_a_connection_ends_when_its_session_has_run_out(app, live, bob, general, run_out):
    window = live(bob, general)
    run_out()

    app.extensions["live"].revoke.end_expired()

    assert window.received("bye") == [{"reason": "expired", "after_ms": 0}]
    assert app.extensions["live"].connections.of(bob.id) == []


def test_who_is_signed_out_elsewhere_at_that_moment_hears_just_that(app, live, pump, bob, general, monkeypatch):
    window = live(bob, general)
    with monkeypatch.context() as patch:  # as another process does it, whose hint is still under way
        patch.setattr(pump, "follows", {})
        patch.setattr(pump, "hinted", lambda *hint: None)
        end_other_sessions(bob)

    app.extensions["live"].revoke.end_expired()

    assert window.received("bye") == [{"reason": "revoked", "after_ms": 0}]


def test_a_connection_whose_session_counts_goes_on(app, live, bob, general):
    window = live(bob, general)

    app.extensions["live"].revoke.end_expired()

    assert window.received("bye") == []
    assert window.emit("read", {"room": general.id, "seq": 1})["ok"]
