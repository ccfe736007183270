"""Coming in: who has shown a first factor gets a session, or is asked for the second one first."""

import hmac
from contextlib import contextmanager
from typing import NamedTuple

from flask import current_app

from chat.accounts.actions.factors import counted, set_up_totp, use_code
from chat.accounts.actions.passkeys import Copied, audit_copied, note_passkey, register_passkey
from chat.accounts.actions.reset import may_have_password
from chat.accounts.actions.sessions import begin_session
from chat.accounts.policy import needs_second_factor
from chat.accounts.queries import has_second_factor, user_by_id
from chat.core.errors import Forbidden, Unauthorized
from chat.core.sealed import derived
from chat.core.transaction import transaction
from chat.streams.log import lock, user_stream

SHOW, SET_UP = "show", "set up"
TOO_LATE = "That took too long, or something changed meanwhile. Sign in again."


class Admitted(NamedTuple):
    """The token of the session that was begun; or None, and what is missing until it is: SHOW or SET_UP.

    mark   stands for the person's password as it was: when it changes, who waits has to begin again
    """

    user_id: int
    mark: str
    token: str | None
    needs: str | None


def admit(user, *, address="", user_agent=""):
    """Let in whoever has shown a first factor: a password, an identity provider, a link. Returns Admitted.

    Whatever signs somebody in ends here, so that the second factor cannot be walked round. What is asked for is decided
    here and kept nowhere else: a session that exists has seen all that was needed when it began.
    Raises Unauthorized when the person was deactivated meanwhile.
    """
    with transaction():
        lock(user.stream)
        needs = missing_factor(user)
        token = None if needs else begin_session(user, address=address, user_agent=user_agent)
        return Admitted(user.id, mark_of(user), token, needs)


def missing_factor(user):
    """SHOW for those who have a second factor, SET_UP for those who need one first, None for all others."""
    if has_second_factor(user):
        return SHOW
    return SET_UP if needs_second_factor(user) else None


def mark_of(user):
    key = derived(current_app.config["PARLEY"].secret_key, "password mark")
    return hmac.digest(key, f"{user.id} {user.password_hash}".encode(), "sha256").hex()[:32]


def waiting_user(user_id, mark, needs):
    """Who was told that they need this, if that is still so. Raises Unauthorized otherwise."""
    user = user_by_id(user_id)
    if (
        user is None
        or user.deactivated_at
        or not hmac.compare_digest(mark_of(user).encode(), mark.encode())
        or missing_factor(user) != needs
    ):
        raise Unauthorized(TOO_LATE)
    return user


def admit_by_code(user_id, mark, code, *, address="", user_agent=""):
    """Let in who waits to SHOW their second factor, by a code of their app or one from paper. Returns the token.

    Raises Invalid for a wrong code; RateLimited after too many; Unauthorized when they have to begin again.
    """
    with counted(user_id), transaction() as record:
        lock(user_stream(user_id))
        user = waiting_user(user_id, mark, SHOW)
        use_code(record, user, code)
        return begin_session(user, second_factor=True, address=address, user_agent=user_agent)


def admit_by_passkey(user_id, mark, shown, *, address="", user_agent=""):
    """The same by a passkey that was Shown, of theirs."""
    with noting(shown):
        lock(user_stream(user_id))
        user = waiting_user(user_id, mark, SHOW)
        note_passkey(shown)
        return begin_session(user, second_factor=True, address=address, user_agent=user_agent)


def admit_by_passkey_alone(shown, *, address="", user_agent=""):
    """Let in who has Shown a passkey and proved themselves to its device, which is two factors in one. Returns the
    token. Raises Invalid; Forbidden where people come in through an identity provider alone."""
    with noting(shown):
        lock(user_stream(shown.user_id))
        note_passkey(shown)
        user = user_by_id(shown.user_id)
        if not may_have_password(user):
            raise Forbidden("People sign in through the identity provider here.")
        return begin_session(user, second_factor=True, address=address, user_agent=user_agent)


@contextmanager
def noting(shown):
    """A transaction in which a passkey is noted; that it was copied is written down although the rest is undone."""
    try:
        with transaction() as record:
            yield record
    except Copied:
        audit_copied(shown)
        raise


def admit_with_new_app(user_id, mark, secret, code, *, address="", user_agent=""):
    """Let in who waits to SET_UP a second factor, by setting up an authenticator app. Returns (token, recovery codes).

    Raises as `set_up_totp`, and Unauthorized.
    """
    with transaction():
        lock(user_stream(user_id))
        user = waiting_user(user_id, mark, SET_UP)
        codes = set_up_totp(user, secret, code)
        return begin_session(user, second_factor=True, address=address, user_agent=user_agent), codes


def admit_with_new_passkey(user_id, mark, answer, challenge, *, name, address="", user_agent=""):
    """The same by a passkey."""
    with transaction():
        lock(user_stream(user_id))
        user = waiting_user(user_id, mark, SET_UP)
        codes = register_passkey(user, answer, challenge, name=name)
        return begin_session(user, second_factor=True, address=address, user_agent=user_agent), codes
