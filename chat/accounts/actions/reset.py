"""A new password for somebody who forgot theirs."""

from datetime import timedelta

from flask import current_app

from chat.accounts.actions.links import end_links, make_link, usable_link
from chat.accounts.actions.sessions import end_all_but
from chat.accounts.letters import about_new_password
from chat.accounts.passwords import hash_password, refuse_weak
from chat.accounts.policy import can_to, can_use_password
from chat.accounts.queries import user_by_email
from chat.core import mail
from chat.core.authorize import authorize
from chat.core.db import db
from chat.core.errors import Conflict, NotFound
from chat.core.jobs import enqueue
from chat.core.rate_limit import limiter, network_of
from chat.core.transaction import transaction
from chat.site.events import Audited
from chat.site.queries import the_site
from chat.streams.log import ACCESS, lock

KIND = "reset"
BY_MAIL, BY_HAND = timedelta(hours=1), timedelta(hours=24)
TOO_MANY = "That was asked for several times already."


def ask_for_reset(email, *, address=""):
    """Have a link for a new password sent to this address, if it is somebody's: nothing that happens here tells.

    Raises NotFound while there is no mail; RateLimited, by the address typed and by the network.
    """
    if not mail.is_on():
        raise NotFound
    email = email.strip().lower()[:254]
    limiter.take("reset_address", network_of(address), because=TOO_MANY)
    limiter.take("reset", email, because=TOO_MANY)
    with transaction():
        enqueue(KIND, {"email": email})


def send_reset(data):
    """The job: make the link and send it. It is made here, so that no secret waits in the table of jobs."""
    user = user_by_email(data["email"])
    if user is None or user.deactivated_at or not may_have_password(user):
        return
    with transaction():
        lock(user.stream)
        _, secret = make_link(user, "reset", lasts=BY_MAIL)
        to, values = user.email, {"name": user.name, "community": the_site().name, "link": reset_url(secret)}
    mail.deliver(to, f"A new password for {values['community']}", "reset", **values)


def make_reset_link(actor, user):
    """Make a link by which `user` sets a new password, to be handed to them. Its address is kept nowhere else.

    Raises Forbidden; Conflict when the account is closed, or has no password by the rules of the community.
    """
    with transaction() as record:
        lock(user.stream)
        authorize(can_to(actor, "help_sign_in", user))
        if user.deactivated_at:
            raise Conflict(f"{user.name}'s account is closed. Open it again first.")
        if not may_have_password(user):
            raise Conflict("People sign in through the identity provider here, and have no passwords.")
        _, secret = make_link(user, "reset", lasts=BY_HAND, by=actor)
        record(Audited(actor.id, "sign_in_link_made", "user", user.id))
        values = {"name": user.name, "by": actor.name, "community": the_site().name}
        mail.send(user.email, f"{actor.name} made you a link to sign in", "helped", **values)
    return reset_url(secret)


def make_first_link(user):
    """The same for whoever has the shell of the server, about anybody: a new account, or one whose password is lost."""
    with transaction() as record:
        lock(user.stream)
        _, secret = make_link(user, "reset", lasts=BY_HAND)
        record(Audited(None, "sign_in_link_made", "user", user.id))
    return reset_url(secret)


def reset_password(secret, new):
    """Set the password of whoever the link is for, and end all their sessions and links. Returns the User.

    Raises NotFound when the link does not work any more; Invalid for a weak password.
    """
    user = usable_link(secret, "reset").user
    user_id, about = user.id, [user.name, user.username, user.email]
    db.session.rollback()  # no read transaction stays open while the password is hashed
    refuse_weak(new, about=about, field="new")
    password_hash = hash_password(new)
    with transaction() as record:
        lock(f"user:{user_id}", ACCESS)
        link = usable_link(secret, "reset")
        user, by_id = link.user, link.created_by_id
        if not may_have_password(user):
            raise NotFound
        user.password_hash = password_hash
        end_links(user)
        end_all_but(record, user, None)
        record(Audited(user.id, "password_reset", "user", user.id, {"link_of": by_id} if by_id else None))
        about_new_password(user)
    return user


def may_have_password(user):
    """Whether passwords are a way in for this person: always for owners, so that nobody is locked out."""
    return bool(can_use_password(user))


def reset_url(secret):
    return f"{current_app.config['PARLEY'].base_url}/reset/{secret}"
