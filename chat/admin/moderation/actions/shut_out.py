from datetime import timedelta

from chat.accounts.actions.closing import close
from chat.accounts.events import UserEnded
from chat.accounts.policy import can_to
from chat.accounts.queries import sessions_of
from chat.core.authorize import authorize
from chat.core.clock import iso, now
from chat.core.db import db
from chat.core.errors import Conflict, Invalid, Unauthorized
from chat.core.transaction import transaction
from chat.site.events import Audited
from chat.site.names import one_line
from chat.streams.log import ACCESS, AUDIT, SITE, lock, next_seq

LONGEST_REASON = 200  # characters
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=366)


def suspend_person(actor, user, *, until, reason):
    """Keep somebody out until a moment; it ends by itself. Their browsers are signed out, their tokens do nothing
    meanwhile. Suspended already: the new moment and reason count.

    until    an aware datetime, at most a year ahead.
    reason   what they read when they try to sign in, 1 to 200 characters.
    Raises   Forbidden; Invalid naming the field; Conflict for a closed account.
    """
    reason = _reason(reason, "Say why: they read it when they try to sign in.")
    with transaction() as record:
        lock(user.stream, ACCESS, AUDIT)
        refuse_shut_out(actor)
        authorize(can_to(actor, "suspend", user))
        if not SHORTEST <= until - now() <= LONGEST:
            raise Invalid("Choose a moment in the future, at most a year ahead.", field="until")
        if user.deactivated_at:
            raise Conflict(f"{user.name}'s account is closed. They cannot come in anyway.")
        user.suspended_until, user.suspended_reason = until, reason
        for session in sessions_of(user):
            if session.kind == "browser":
                session.revoked_at = now()
        db.session.flush()
        record(UserEnded(user.id, None, next_seq(ACCESS)))  # also ends what stands on tokens
        record(Audited(actor.id, "suspended", "user", user.id, {"until": iso(until), "reason": reason}))


def lift_suspension(actor, user):
    """Let somebody come in again before the time is over. Not suspended: nothing changes."""
    with transaction() as record:
        lock(user.stream, AUDIT)
        refuse_shut_out(actor)
        authorize(can_to(actor, "suspend", user))
        if user.is_suspended:
            user.suspended_until, user.suspended_reason = None, ""
            db.session.flush()
            record(Audited(actor.id, "suspension_lifted", "user", user.id))


def ban_person(actor, user, *, reason, typed=""):
    """Close somebody's account for good: they cannot come in by any way, nor make another account with their e-mail,
    they leave their rooms, and the links by which they invited people stop working. Banned already: nothing changes.

    typed    the user name once more.
    Raises   Forbidden; Invalid naming the field.
    """
    reason = _reason(reason, "Say why: the audit log keeps it.")
    with transaction() as record:
        lock(user.stream, SITE, ACCESS, AUDIT)
        refuse_shut_out(actor)
        authorize(can_to(actor, "ban", user))
        if typed.strip().lower().removeprefix("@") != user.username:
            raise Invalid(f"Type {user.username} to ban {user.name}.", field="typed")
        if user.banned_at:
            return
        was_open = not user.deactivated_at
        close(record, user, by=actor)
        user.banned_at = user.deactivated_at if was_open else now()
        db.session.flush()
        record(Audited(actor.id, "banned", "user", user.id, {"reason": reason}))


def unban_person(actor, user):
    """Open the account again, unless it was closed before the ban for another reason. Not banned: nothing changes."""
    with transaction() as record:
        lock(user.stream, ACCESS, AUDIT)
        refuse_shut_out(actor)
        authorize(can_to(actor, "ban", user))
        if user.banned_at and not user.erased_at:
            if user.deactivated_at == user.banned_at:
                user.deactivated_at = None
            user.banned_at = None
            db.session.flush()
            record(Audited(actor.id, "unbanned", "user", user.id))


def refuse_shut_out(actor):
    """Under the lock: of two owners who shut each other out, the second is out already."""
    if actor.deactivated_at or actor.is_suspended:
        raise Unauthorized


def _reason(typed, missing):
    return one_line(typed, field="reason", missing=missing, length=LONGEST_REASON)
