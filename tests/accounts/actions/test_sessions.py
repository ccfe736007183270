from datetime import timedelta

import pytest

from chat.accounts.actions import begin_session, end_other_sessions, end_session
from chat.accounts.actions import sessions as sessions_module
from chat.accounts.queries import own_session, sessions_of
from chat.accounts.signed_in import session_for
from chat.core.clock import now
from chat.core.errors import Busy, Forbidden, NotFound, Unauthorized
from chat.streams.log import ACCESS, since


def entries():
    return [(e.kind, e.subject_id, e.data) for e in since(ACCESS, 0)]


def at(monkeypatch, moment):
    """Let it be `moment` for everything about sessions."""
    for module in ("chat.accounts.queries", "chat.accounts.actions.sessions"):
        monkeypatch.setattr(f"{module}.now", lambda: moment)


@pytest.fixture
def token(alice):
    return begin_session(alice)


def test_a_session_is_found_by_its_token_with_its_person(alice, token):
    assert session_for(token).user == alice


@pytest.mark.parametrize("wrong", ["", None, "x", "x" * 43, "x" * 44, 7, b"x" * 43, "\ud800" * 43, "é" * 43])
def test_no_other_token_finds_one(token, wrong):
    assert session_for(wrong) is None


def test_a_session_ends_when_it_is_ended_and_says_so_in_access(alice, token):
    session = session_for(token)
    end_session(alice, session)

    assert session_for(token) is None
    assert entries() == [("session_ended", session.id, None)]


def test_ending_what_is_ended_takes_no_number(alice, token):
    session = session_for(token)
    end_session(alice, session)
    end_session(alice, session)

    assert len(entries()) == 1


def test_nobody_finds_or_ends_the_session_of_somebody_else(alice, bob, ada, token):
    session = session_for(token)

    for other in (bob, ada):
        with pytest.raises(NotFound):
            own_session(other, session.id)
        with pytest.raises(Forbidden):
            end_session(other, session)
    assert session_for(token) is not None
    assert entries() == []


@pytest.mark.parametrize("unknown", [0, -1, 10**12, "1", None])
def test_a_session_that_is_not_there_is_not_found(alice, unknown):
    with pytest.raises(NotFound):
        own_session(alice, unknown)


def test_signing_out_everywhere_else_keeps_this_one_and_other_people(alice, bob, token):
    others, bobs = [begin_session(alice) for _ in range(3)], begin_session(bob)
    session = session_for(token)

    assert end_other_sessions(alice, session) == 3
    assert session_for(token) is not None
    assert session_for(bobs) is not None
    assert [session_for(other) for other in others] == [None] * 3
    assert entries() == [("user_ended", alice.id, {"except": session.id})]


def test_signing_out_everywhere_is_one_entry_too(alice, token):
    begin_session(alice)

    assert end_other_sessions(alice) == 2
    assert sessions_of(alice) == []
    assert entries() == [("user_ended", alice.id, {"except": None})]


def test_with_no_other_session_nothing_is_said(alice, token):
    assert end_other_sessions(alice, session_for(token)) == 0
    assert entries() == []


def test_an_idle_session_ends_after_fourteen_days(token, monkeypatch):
    began = now()

    at(monkeypatch, began + timedelta(days=13, hours=23))
    assert session_for(token) is not None  # and that counts as use
    at(monkeypatch, began + timedelta(days=27))
    assert session_for(token) is not None
    at(monkeypatch, began + timedelta(days=41, hours=1))
    assert session_for(token) is None


def test_however_much_it_is_used_a_session_ends_after_ninety_days(token, monkeypatch):
    began = now()
    for day in range(1, 90):
        at(monkeypatch, began + timedelta(days=day))
        assert session_for(token) is not None

    at(monkeypatch, began + timedelta(days=90, seconds=1))
    assert session_for(token) is None


def test_a_closed_account_has_no_sessions_and_gets_none(alice, token, change):
    change(alice, deactivated_at=now())

    assert session_for(token) is None
    with pytest.raises(Unauthorized):
        begin_session(alice)


def test_use_is_noted_every_five_minutes_and_not_in_between(token, monkeypatch):
    began, written = now(), []
    monkeypatch.setattr(
        sessions_module, "transaction", lambda original=sessions_module.transaction: written.append(1) or original()
    )
    for minute in range(12):
        at(monkeypatch, began + timedelta(minutes=minute, seconds=1))
        session_for(token)

    assert len(written) == 2
    at(monkeypatch, began + timedelta(minutes=12))
    assert session_for(token).seen_at == began + timedelta(minutes=10, seconds=1)


def test_the_use_of_many_that_come_back_at_once_is_written_together(alice, bob, carol, monkeypatch):
    began, written = now(), []
    tokens = [begin_session(person) for person in (alice, bob, carol)]
    monkeypatch.setattr(
        sessions_module, "transaction", lambda original=sessions_module.transaction: written.append(1) or original()
    )
    at(monkeypatch, began + timedelta(minutes=6))
    for token in tokens * 2:
        session_for(token)
    assert len(written) == 1, "the first one's; the others wait for company"

    at(monkeypatch, began + timedelta(minutes=6, seconds=11))
    session_for(tokens[1])

    assert len(written) == 2
    assert {session_for(token).seen_at for token in tokens[1:]} == {began + timedelta(minutes=6, seconds=11)}


def test_a_busy_database_is_no_reason_to_turn_anybody_away(token, monkeypatch):
    def busy():
        raise Busy

    at(monkeypatch, now() + timedelta(minutes=6))
    monkeypatch.setattr(sessions_module, "transaction", busy)

    assert session_for(token) is not None
