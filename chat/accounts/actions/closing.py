"""Closing accounts, opening them again, and erasing people."""

from sqlalchemy import delete, select, update

from chat.accounts.actions.links import end_links
from chat.accounts.actions.sessions import refuse_shut_out
from chat.accounts.actions.sign_in import check_counted
from chat.accounts.avatars import KIND
from chat.accounts.events import AccountClosed, PersonChanged, PersonErased, UserEnded
from chat.accounts.models import Block, Identity, Link, Passkey, RecoveryCode, RefreshToken, Session, Totp
from chat.accounts.policy import can_to
from chat.accounts.queries import count_of_owners, open_invites_of, sessions_of, user_by_username
from chat.core import storage
from chat.core.authorize import authorize
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Conflict, Invalid
from chat.core.rate_limit import network_of
from chat.core.transaction import transaction
from chat.site.events import Audited
from chat.streams.log import ACCESS, SITE, lock, next_seq

ERASED_NAME = "Deleted person"


def close_own_account(actor, *, password, address=""):
    """Close one's own account: nobody comes in with it from here on. What one wrote stays, with one's name.

    password   the present one, since an open laptop should not be enough. Wrong ones count as at sign-in.
               None: for who has none. The way in has asked them again who they are, see confirmed.py
    Raises     Invalid for a wrong one; Conflict for the only owner.
    """
    actor_id, stored = actor.id, actor.password_hash
    db.session.rollback()  # no read transaction stays open while the password is hashed
    if stored and not check_counted(password or "", stored, account=actor_id, network=network_of(address)).right:
        raise Invalid("That is not your present password.", field="password")
    with transaction() as record:
        lock(actor.stream, SITE, ACCESS)
        if actor.role == "owner" and count_of_owners() < 2:
            raise Conflict("You are the only owner. Make somebody else an owner first.")
        close(record, actor, by=actor)


def deactivate(actor, user):
    """Close somebody's account. Closed already: nothing changes. Of two owners who close each other's, the second comes
    too late: there is always one left."""
    with transaction() as record:
        lock(user.stream, SITE, ACCESS)
        refuse_shut_out(actor)
        authorize(can_to(actor, "deactivate", user))
        close(record, user, by=actor)


def close(record, user, *, by):
    """Inside a transaction that has locked the person's stream, `site` and `access`, and has decided. Closed already:
    nothing changes."""
    if user.deactivated_at:
        return
    user.deactivated_at = now()
    for session in sessions_of(user):
        session.revoked_at = now()
    end_links(user)
    for invite in open_invites_of(user):
        invite.revoked_at = now()
    db.session.flush()
    record(UserEnded(user.id, None, next_seq(ACCESS)))  # first of all: their connections end with it
    record(AccountClosed(user.id, by.id))
    record(Audited(by.id, "account_closed", "user", user.id))


def reactivate(actor, user):
    """Open a closed account again. They sign in as before; the rooms they were in they join anew.

    Raises Conflict for somebody who is banned or erased. Open already: nothing changes.
    """
    with transaction() as record:
        lock(user.stream, SITE)
        refuse_shut_out(actor)
        authorize(can_to(actor, "deactivate", user))
        if user.erased_at:
            raise Conflict("This person was erased, which cannot be undone.")
        if user.banned_at:
            raise Conflict(f"{user.name} is banned. Lift the ban instead.")
        if user.deactivated_at:
            user.deactivated_at = None
            record(Audited(actor.id, "account_opened", "user", user.id))


def erase(actor, user, *, confirmation, empty):
    """Take away everything that says who somebody was, for good, and close their account if it is open.

    confirmation   the user name, typed
    empty          whether what they wrote goes too; otherwise it stays, under "Deleted person"
    Raises         Forbidden; Invalid for another confirmation; Conflict while a copy to hand over is being collected.
                   Erased already: nothing changes.
    """
    if confirmation.strip().removeprefix("@").lower() != user.username:
        raise Invalid(f"Type {user.username} to confirm.", field="confirmation")
    with transaction() as record:
        lock(user.stream, SITE, ACCESS)
        refuse_shut_out(actor)
        authorize(can_to(actor, "erase", user))
        if user.erased_at:
            return
        avatar = user.avatar
        close(record, user, by=actor)
        _forget(user)
        user.v = next_seq(SITE)
        db.session.flush()
        record(PersonChanged(user.id, user.v))
        record(PersonErased(user.id, actor.id, empty))
        record(Audited(actor.id, "person_erased", "user", user.id, {"messages": "emptied" if empty else "kept"}))
    if avatar:
        storage.forget(KIND, avatar)


def _forget(user):
    own = select(Session.id).where(Session.user_id == user.id)
    db.session.execute(delete(RefreshToken).where(RefreshToken.session_id.in_(own)))
    blank = update(Session).where(Session.user_id == user.id).values(user_agent="", address="", name="")
    db.session.execute(blank.execution_options(synchronize_session="fetch"))
    for model in (Identity, Totp, RecoveryCode, Passkey, Link):
        db.session.execute(delete(model).where(model.user_id == user.id))
    db.session.execute(delete(Block).where((Block.user_id == user.id) | (Block.blocked_id == user.id)))
    user.name, user.username, user.email = ERASED_NAME, _free_name(user), f"deleted-{user.id}@erased.invalid"
    user.password_hash = user.bio = user.title = user.pronouns = user.suspended_reason = ""
    user.time_zone, user.avatar, user.erased_at = "UTC", None, now()


def _free_name(user):
    """A user name that says nothing. People may have taken the first one for a joke."""
    names = (f"deleted-{user.id}", *(f"deleted-{user.id}.{n}" for n in range(2, 1000)))
    return next(name for name in names if not user_by_username(name))
