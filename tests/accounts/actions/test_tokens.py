from datetime import timedelta

import pytest
import time_machine

from chat.accounts.actions import change_password, end_other_sessions, make_token, revoke_token
from chat.accounts.actions.sessions import begin_session
from chat.accounts.actions.tokens import LONGEST_DAYS, MOST_TOKENS
from chat.accounts.queries import IDLE, live_session, sessions_of
from chat.accounts.signed_in import session_for
from chat.admin.models import AuditEntry
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import ChatError, Conflict, Forbidden, Unauthorized
from tests.factories import PASSWORD


def make(actor, name="bridge", scopes=("read",), days=7):
    return make_token(actor, name, scopes=scopes, days=days)


def test_a_token_names_its_session_and_only_its_hash_is_kept(bob):
    value, session = make(bob)

    found = session_for(value)
    assert (found.id, found.user, found.kind, found.scopes) == (session.id, bob, "token", "read")
    assert value.startswith("parley_pat_")
    assert value not in session.token_hash and session.token_hash not in value


def test_it_ends_when_it_was_meant_to_and_not_from_being_unused(bob):
    value, _ = make(bob, days=90)

    with time_machine.travel(now() + IDLE + timedelta(days=1), tick=False):
        assert session_for(value) is not None
    with time_machine.travel(now() + timedelta(days=90, minutes=1), tick=False):
        assert session_for(value) is None
        assert sessions_of(bob, "token") == []


@pytest.mark.parametrize(
    "change",
    [
        {"name": " "}, {"name": "x" * 61}, {"scopes": []}, {"scopes": ["admin"]}, {"scopes": [["read"]]}, {"days": 0},
        {"days": LONGEST_DAYS + 1}, {"days": "7"},
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_by_field(bob, change):
    with pytest.raises(ChatError) as refusal:
        make(bob, **change)

    assert (refusal.value.code, refusal.value.field) == ("invalid", next(iter(change)))
    assert sessions_of(bob, "token") == []


def test_bots_make_none(bob):
    bob.role = "bot"
    db.session.commit()

    with pytest.raises(Forbidden):
        make(bob)


def test_closed_accounts_make_none_and_theirs_end(bob):
    value, _ = make(bob)
    bob.deactivated_at = now()
    db.session.commit()

    assert live_session(value) is None
    with pytest.raises(Unauthorized):
        make(bob)


def test_there_is_an_end_to_how_many_one_has(bob):
    for _ in range(MOST_TOKENS):
        make(bob)
    with pytest.raises(Conflict):
        make(bob)


def test_whoever_made_it_revokes_it_and_nobody_else(alice, bob):
    value, session = make(bob)

    with pytest.raises(Forbidden):
        revoke_token(alice, session)
    assert session_for(value) is not None
    revoke_token(bob, session)
    revoke_token(bob, session)

    assert session_for(value) is None
    verbs = [
        (entry.verb, entry.actor_id, entry.subject_id)
        for entry in db.session.query(AuditEntry).where(AuditEntry.seq > 1).order_by("seq")
    ]
    assert verbs == [("token_made", bob.id, session.id), ("token_revoked", bob.id, session.id)]


def test_a_new_password_and_signing_out_everywhere_end_tokens_too(bob):
    here = session_for(begin_session(bob))
    value, _ = make(bob)
    change_password(bob, here, current=PASSWORD, new="walnut ferry copper dusk")
    assert session_for(value) is None

    value, _ = make(bob)
    end_other_sessions(bob, here)
    assert session_for(value) is None
