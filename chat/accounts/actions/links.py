"""Links that work once: their secret is in the address alone, and the database keeps its hash."""

import secrets
from hashlib import sha256

from chat.accounts.models import Link
from chat.accounts.queries import link_by_secret, open_links, token_hash
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import NotFound


def make_link(user, purpose, *, lasts, by=None, data=None):
    """Inside a transaction that has locked the person's stream: a new link, and those of its purpose before it end.

    Returns (link, secret).
    """
    end_links(user, purpose)
    secret, moment = secrets.token_urlsafe(32), now()
    link = Link(
        secret_hash=token_hash(secret), purpose=purpose, user_id=user.id, created_by_id=by.id if by else None,
        data={**(data or {}), "mark": mark_of(user)}, created_at=moment, expires_at=moment + lasts,
    )  # fmt: skip
    db.session.add(link)
    db.session.flush()
    return link, secret


def usable_link(secret, purpose):
    """The Link, with its person. Raises NotFound unless it works now: another password or address since, and it is
    over, whoever changed it and how."""
    link = link_by_secret(secret, purpose)
    if (link.data or {}).get("mark") != mark_of(link.user):
        raise NotFound("This link works no longer, or never did. Ask for a new one.")
    return link


def end_links(user, *purposes):
    """Inside a transaction: the person's open links of these purposes, of all without any, no longer work."""
    for link in open_links(user, *purposes):
        link.used_at = now()
    db.session.flush()


def mark_of(user):
    """Changes with what proves that somebody is this person."""
    return sha256(f"{user.email}\n{user.password_hash}".encode()).hexdigest()[:32]
