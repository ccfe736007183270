from chat.accounts.actions.create import create_user, refuse_taken
from chat.accounts.actions.invites import refuse_unusable
from chat.accounts.models import InviteUse
from chat.accounts.names import email_address, person_name, user_name
from chat.accounts.passwords import hash_password, refuse_weak
from chat.accounts.policy import NO_PASSWORDS
from chat.accounts.queries import invite_by_code, user_by_email
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Conflict, Invalid, NotFound
from chat.core.rate_limit import limiter, network_of
from chat.core.transaction import transaction
from chat.site.events import Audited
from chat.site.queries import setting, the_site
from chat.streams.log import SITE, lock, room_stream

CLOSED = "This community is joined by invite. Ask someone in it for a link."


def sign_up(*, name, email, password, username=None, address=""):
    """Make oneself an account, while the community is open to all. Returns the User.

    Raises  NotFound while it is not; Invalid naming the field; Conflict; RateLimited per network address.
    """
    if not the_site().is_open:
        raise NotFound(CLOSED)
    password_hash = prepare_account(name=name, email=email, password=password, username=username, address=address)
    with transaction():
        lock(SITE)
        if not the_site().is_open:  # closed while the password was hashed
            raise NotFound(CLOSED)
        return create_user(name=name, username=username, email=email, password_hash=password_hash)


def accept_invite(code, *, name, email, password, username=None, address=""):
    """Make oneself an account by an invite, which this uses once. Returns the User.

    Raises  NotFound when the invite is unknown, revoked, used up or expired; else as `sign_up`.
    """
    refuse_unusable(invite_by_code(code))
    password_hash = prepare_account(name=name, email=email, password=password, username=username, address=address)
    return create_invited(code, name=name, username=username, email=email, password_hash=password_hash)


def create_invited(code, **account):
    """Make the account and use the invite, both or neither. Returns the User. Raises NotFound for an unusable one."""
    with transaction() as record:
        lock(*map(room_stream, invite_by_code(code).room_ids or ()), SITE)  # of two who use the last place at once,
        invite = invite_by_code(code)  # the second sees it taken
        refuse_unusable(invite)
        user = create_user(**account, role=invite.role, invite_id=invite.id)
        invite.uses += 1
        db.session.add(InviteUse(invite_id=invite.id, user_id=user.id, used_at=now()))
        db.session.flush()
        record(Audited(user.id, "invite_used", "invite", invite.id))
    return user


def prepare_account(*, name, email, password, username=None, address="", community=None):
    """Everything about a new account that takes time or may be refused early. Returns the password's hash.

    Not inside a transaction. The names are looked at again when the account is made.
    """
    if not setting("password_sign_in"):
        raise Invalid(NO_PASSWORDS)
    name, email = person_name(name), email_address(email)
    username = user_name(username) if username else None
    limiter.take("sign_up", network_of(address), because="Too many new accounts from your network.")
    if user_by_email(email):
        raise Conflict("There is an account with this e-mail already. Sign in instead.", field="email")
    if username:
        refuse_taken(username)
    community = community or (site.name if (site := the_site()) else "")
    db.session.rollback()  # no read transaction stays open while the password is hashed
    refuse_weak(password, about=[name, email, username or "", community])
    return hash_password(password)
