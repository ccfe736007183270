"""Ways in for programs: tokens that people make, and pairs of tokens that programs ask for and renew."""

from datetime import timedelta
from functools import partial
from typing import NamedTuple

from chat.accounts import jwt
from chat.accounts.actions.admit import SET_UP, SHOW, Admitted, mark_of, missing_factor, waiting_user
from chat.accounts.actions.factors import counted, use_code
from chat.accounts.actions.sessions import LIFETIME, end_session, refuse_shut_out
from chat.accounts.actions.sign_in import sign_in
from chat.accounts.credentials import (
    BROWSER,
    PROGRAM,
    REFRESH_FORM,
    TOKEN,
    named_by,
    new_refresh_token,
    new_sid,
    new_token,
    sid_of,
    token_hash,
)
from chat.accounts.events import SessionBegan
from chat.accounts.models import RefreshToken, Session
from chat.accounts.policy import can_make_token
from chat.accounts.queries import is_live, live_session, refresh_token, token_count
from chat.accounts.scopes import checked
from chat.core.authorize import authorize
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Conflict, Forbidden, Invalid, Unauthorized
from chat.core.security_log import note_refusal
from chat.core.transaction import transaction
from chat.site.events import Audited
from chat.site.names import one_line
from chat.site.queries import the_site
from chat.streams.log import ACCESS, lock, user_stream

GRANTS = ("password", "session", "refresh_token")  # how a program proves who it is for
LONGEST_DAYS = 366
MOST_TOKENS = 50  # of one person
SPENT = "That refresh token is not good any more. Sign in again."


class Pair(NamedTuple):
    """What a program gets: the values, kept nowhere else, and the Session they stand on."""

    access_token: str
    refresh_token: str
    session: Session


def make_token(actor, name, *, scopes, days):
    """Make a token for a program of the actor's, and return (its value, which is kept nowhere else; its Session).

    name     what they call it
    scopes   a list of keys of scopes.SCOPES
    days     1 to 366; then it ends. Being unused does not end it
    Raises   Invalid naming the field; Forbidden; Conflict when there are too many.
    """
    name = one_line(name, field="name", missing="Give the token a name that tells you later what it is for.")
    allowed = checked(scopes)
    if not isinstance(days, int) or not 1 <= days <= LONGEST_DAYS:
        raise Invalid(f"Use a number of days from 1 to {LONGEST_DAYS}.", field="days")
    value, moment = new_token(), now()
    with transaction() as record:
        lock(actor.stream)
        authorize(can_make_token(actor))
        if actor.deactivated_at:
            raise Unauthorized("This account is closed.")
        if token_count(actor) >= MOST_TOKENS:
            raise Conflict(f"You have {MOST_TOKENS} tokens. Revoke one that you do not need any more.")
        session = Session(
            kind=TOKEN, name=name, scopes=allowed, token_hash=token_hash(value), user_id=actor.id,
            created_at=moment, seen_at=moment, expires_at=moment + timedelta(days=days),
        )  # fmt: skip
        db.session.add(session)
        db.session.flush()
        record(Audited(actor.id, "token_made", "session", session.id, {"scopes": allowed, "days": days}))
    return value, session


def revoke_token(actor, session):
    """End a token or a program of the actor's, with all its connections. Ended already: nothing changes."""
    with transaction() as record:
        lock(ACCESS)
        is_new = session.revoked_at is None
        end_session(actor, session)
        if is_new:
            record(Audited(actor.id, "token_revoked", "session", session.id, {"kind": session.kind}))


def pair_for_password(login, password, *, code="", name="", scopes=None, address="", user_agent=""):
    """Sign a program in by e-mail or user name, and return its Pair. It counts, and is refused, as in a browser.

    code    of the second factor, for whoever has one
    Raises  Unauthorized for what is not right; RateLimited after too much of that.
    """
    about = {"name": _name(name), "scopes": _scopes(scopes), "address": address, "user_agent": user_agent}
    try:
        begun = sign_in(login, password, address=address, begin=partial(_begin_by_password, code, about))
        return begun if isinstance(begun, Pair) else _begin_by_code(begun, code, about)
    except Invalid as error:
        raise Unauthorized(error.message) from None


def pair_for_session(actor, session, *, name="", scopes=None, address="", user_agent=""):
    """A program's Pair for whoever is signed in at a browser."""
    if session.kind != BROWSER:
        raise Forbidden("Only a browser where you are signed in can let a program in. A token cannot make another.")
    name, scopes = _name(name), _scopes(scopes)
    with transaction():
        lock(actor.stream)
        if not is_live(session):
            raise Unauthorized
        return _begin_program(actor, name=name, scopes=scopes, address=address, user_agent=user_agent)


def renew(value):
    """Exchange a refresh token for the next Pair. Each is good for one exchange.

    Seen twice, one of two who hold it has stolen it, and nobody can say who: the session ends for both.
    Raises Unauthorized.
    """
    found = refresh_token(value) if REFRESH_FORM.fullmatch(value) else None
    if found is None:
        note_refusal("token refused")
        raise Unauthorized(SPENT)
    user_id = found.session.user_id
    with transaction() as record:
        lock(user_stream(user_id), ACCESS)
        found = refresh_token(value)
        if found is None:
            raise Unauthorized(SPENT)
        session = found.session
        if not found.spent_at:
            if not is_live(session):
                raise Unauthorized
            found.spent_at = session.seen_at = now()
            return _pair(session)
        if session.revoked_at is None:
            end_session(session.user, session)
            record(Audited(None, "refresh_token_reused", "session", session.id, {"user": user_id}))
    raise Unauthorized("That refresh token was used before. All that came from it has ended; sign in again.")


def revoke_value(value):
    """End what a token stands on, by whoever holds it: a token, an access token or a refresh token. One that is not
    known, or has ended, is no error: it is as they wish it to be."""
    if REFRESH_FORM.fullmatch(value):
        found = refresh_token(value)
        session = found and found.session
    else:
        session = live_session(value)
    if session is not None and session.kind in (TOKEN, PROGRAM):
        revoke_token(session.user, session)


def _begin_by_password(code, about, user, **_):
    """Inside a transaction that has locked the person's stream, as `admit`: whatever a browser would be asked for is
    asked for here, too. Returns the Pair, or the Admitted of whoever has to show a code first."""
    needs = missing_factor(user)
    if needs == SET_UP:
        raise Unauthorized("Sign in with a browser first: you need a second factor, and have none yet.")
    if needs == SHOW:
        if not code:
            raise Unauthorized("Send a code of your second factor, too, or make a token in your settings.")
        return Admitted(user.id, mark_of(user), None, SHOW)
    return _begin_program(user, **about)


def _begin_by_code(admitted, code, about):
    """In a transaction of its own: codes are counted before anything is locked, since that may ask other processes."""
    with counted(admitted.user_id), transaction() as record:
        lock(user_stream(admitted.user_id))
        user = waiting_user(admitted.user_id, admitted.mark, SHOW)
        use_code(record, user, code)
        return _begin_program(user, second_factor_at=now(), **about)


def _begin_program(user, *, name, scopes, address="", user_agent="", second_factor_at=None):
    """Inside a transaction that has locked the person's stream: a session of its own, with its first Pair."""
    authorize(can_make_token(user))
    refuse_shut_out(user)
    moment = now()
    session = Session(
        kind=PROGRAM, name=name, scopes=scopes, token_hash=named_by(new_sid()), user_id=user.id, address=address[:45],
        user_agent=user_agent[:400], created_at=moment, seen_at=moment, expires_at=moment + LIFETIME,
        second_factor_at=second_factor_at,
    )  # fmt: skip
    with transaction() as record:
        db.session.add(session)
        db.session.flush()
        record(SessionBegan(session.id, user.id, is_new=True))  # each: nobody signs the same program in twice a day
        return _pair(session)


def _pair(session):
    """Inside a transaction: the next Pair of a program's session."""
    value = new_refresh_token()
    db.session.add(RefreshToken(token_hash=token_hash(value), session_id=session.id, created_at=now()))
    db.session.flush()
    return Pair(jwt.issue(sid_of(session), session.user_id, the_site().epoch), value, session)


def _name(typed):
    """A program needs no name; one of nothing that shows is none."""
    try:
        return one_line(typed, field="name", missing="")
    except Invalid:
        return ""


def _scopes(wanted):
    return None if wanted is None else checked(wanted)
