"""Letters about what happens to somebody's account."""

from chat.accounts.devices import name_of_device
from chat.accounts.models import Session
from chat.accounts.presenter import zone_of
from chat.core import mail
from chat.core.db import db
from chat.site.queries import the_site


def about_new_device(event, _transaction):
    """Subscriber of SessionBegan: tell people when they, or somebody else, come in from where they never did."""
    if not event.is_new or not mail.is_on():
        return
    session = db.session.get(Session, event.session_id)
    user, site = session.user, the_site()
    device = name_of_device(session.user_agent)
    mail.send(
        user.email, f"You signed in to {site.name} with {device}", "new_device",
        name=user.name, community=site.name, device=device, network=session.address,
        at=f"{session.created_at.astimezone(zone_of(user)):%-d %B, %H:%M}", zone=user.time_zone,
    )  # fmt: skip


def about_new_password(user):
    """Inside the transaction that sets it: whoever did it without them should not go unnoticed."""
    values = {"name": user.name, "community": the_site().name}
    mail.send(user.email, f"Your password for {values['community']} is new", "password_changed", **values)
