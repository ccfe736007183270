"""Another e-mail address for one's account."""

from datetime import timedelta

from flask import current_app

from chat.accounts.actions.links import end_links, make_link, usable_link
from chat.accounts.actions.sign_in import check_counted
from chat.accounts.names import email_address
from chat.accounts.queries import user_by_email, user_by_id
from chat.core import mail
from chat.core.db import db
from chat.core.errors import Conflict, Invalid
from chat.core.jobs import enqueue
from chat.core.rate_limit import limiter, network_of
from chat.core.transaction import transaction
from chat.site.events import Audited
from chat.site.queries import the_site
from chat.streams.log import SITE, lock, user_stream

KIND, PURPOSE = "confirm_email", "email"
LASTS = timedelta(hours=24)


def change_email(actor, email, *, password, address=""):
    """Use another address from now on, or from when a link sent there was opened, if there is mail. Returns whether it
    is used already.

    password   the present one, since whoever has the address can ask for a new one. Wrong ones count as at sign-in.
               None: for who has none. The way in has asked them again who they are, see confirmed.py
    Raises     Invalid naming the field; Conflict when the address is somebody's; RateLimited.
    """
    email = email_address(email)
    actor_id, stored = actor.id, actor.password_hash
    db.session.rollback()  # no read transaction stays open while the password is hashed
    if stored and not check_counted(password or "", stored, account=actor_id, network=network_of(address)).right:
        raise Invalid("That is not your present password.", field="password")
    if mail.is_on():
        limiter.take("reset", email, because="That was asked for several times already.")
    with transaction() as record:
        lock(actor.stream, SITE)
        _refuse_taken(email)
        if mail.is_on():
            enqueue(KIND, {"user": actor.id, "email": email})
            return False
        _set(record, actor, email)
    return True


def send_confirmation(data):
    """The job: send the link. It is made here, so that no secret waits in the table of jobs."""
    user = user_by_id(data["user"])
    if user.deactivated_at:
        return
    with transaction():
        lock(user.stream)
        _, secret = make_link(user, PURPOSE, lasts=LASTS, data={"email": data["email"]})
        values = {"name": user.name, "community": the_site().name, "link": confirm_url(secret)}
    mail.deliver(data["email"], f"Is this your address in {values['community']}?", "confirm_email", **values)


def confirm_email(secret):
    """Use the address that the link was sent to. Returns the User.

    Raises NotFound when the link does not work any more; Conflict when the address is somebody's by now.
    """
    with transaction() as record:
        lock(user_stream(usable_link(secret, PURPOSE).user_id), SITE)
        link = usable_link(secret, PURPOSE)
        user, email = link.user, link.data["email"]
        _refuse_taken(email)
        _set(record, user, email)
    return user


def _refuse_taken(email):
    if user_by_email(email):
        raise Conflict("There is an account with this e-mail already.", field="email")


def _set(record, user, email):
    values = {"name": user.name, "community": the_site().name}
    mail.send(user.email, f"Your address in {values['community']} is another one", "email_changed", **values)
    user.email = email
    end_links(user)
    record(Audited(user.id, "email_changed", "user", user.id))


def confirm_url(secret):
    return f"{current_app.config['PARLEY'].base_url}/confirm/{secret}"
