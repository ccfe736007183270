"""Proving once more that it is oneself who sits there, for what an open laptop should not be enough for."""

from datetime import timedelta

from chat.accounts.actions.admit import noting
from chat.accounts.actions.factors import counted, use_code
from chat.accounts.actions.passkeys import note_passkey
from chat.accounts.actions.sessions import renew_session
from chat.accounts.actions.sign_in import check_counted
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Conflict, Invalid
from chat.core.rate_limit import network_of
from chat.core.security_log import note_refusal
from chat.core.transaction import transaction
from chat.streams.log import ACCESS, lock

LASTS = timedelta(minutes=10)


def is_confirmed(session):
    """Whether the person proved to be there, in this session, in the last ten minutes."""
    return session.confirmed_at is not None and now() - session.confirmed_at < LASTS


def confirm_by_password(actor, session, password, *, address=""):
    """Put a new session in the place of this one, confirmed, and return its token.

    Raises Invalid; RateLimited: wrong ones count as at sign-in; Conflict when the password was changed meanwhile.
    """
    actor_id, stored, session_id = actor.id, actor.password_hash, session.id
    db.session.rollback()  # no read transaction stays open while the password is hashed
    if not check_counted(password, stored or None, account=actor_id, network=network_of(address)).right:
        note_refusal("confirmation refused", user=actor_id)
        raise Invalid("That is not your password.", field="password")
    with transaction() as record:
        lock(actor.stream, ACCESS)
        if actor.password_hash != stored:
            raise Conflict("Your password was changed elsewhere just now. Sign in with the new one.")
        return renew_session(record, actor, session_id)


def confirm_by_code(actor, session, code):
    """The same by a code of the actor's authenticator app. Not by one from paper: those are for who lost the rest."""
    with counted(actor.id), transaction() as record:
        lock(actor.stream, ACCESS)
        use_code(record, actor, code, apps_only=True)
        return renew_session(record, actor, session.id, second_factor=True)


def confirm_by_passkey(actor, session, shown):
    """The same by a passkey of the actor's that was Shown."""
    with noting(shown) as record:
        lock(actor.stream, ACCESS)
        note_passkey(shown)
        return renew_session(record, actor, session.id, second_factor=True)
