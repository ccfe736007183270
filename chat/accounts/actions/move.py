"""Signing in on another device with the help of one that is signed in.

The first shows a link, the other opens it and asks, the first sees who asks and says yes, and only then does a session
begin there. Each step is one call; what is known between them is in the Link's `data`.
"""

import secrets
from datetime import timedelta

from flask import current_app

from chat.accounts.actions.links import end_links, make_link, usable_link
from chat.accounts.actions.sessions import begin_session
from chat.accounts.models import Session
from chat.accounts.queries import live_session, live_session_ids, open_links, token_hash
from chat.core.clock import iso, now
from chat.core.db import db
from chat.core.errors import Conflict, NotFound
from chat.core.transaction import transaction
from chat.site.events import Audited
from chat.streams.log import lock, user_stream

PURPOSE = "move"
LASTS = timedelta(minutes=10)
OVER = "That code works no longer. Make a new one."


def begin_move(actor, session):
    """Make a link for another device of the actor's. One before it ends. Returns its secret, which is kept nowhere."""
    with transaction() as record:
        lock(actor.stream)
        _, secret = make_link(actor, PURPOSE, lasts=LASTS, by=actor, data={"session": session.id})
        record(Audited(actor.id, "move_begun", "user", actor.id))
    return secret


def open_move(actor):
    """The actor's link that is open, or None."""
    return next(iter(open_links(actor, PURPOSE)), None)


def ask_to_move(secret, *, address="", user_agent=""):
    """The other device asks. Returns what it has to show later, to be told from any other that opens the link.

    Raises NotFound when the link does not work; Conflict when another device was faster.
    """
    pass_ = secrets.token_urlsafe(24)
    with transaction():
        link = _locked(secret)
        if "asker" in link.data:
            raise Conflict("Another device has used this code already. Make a new one.")
        link.data = {
            **link.data,
            "asker": token_hash(pass_), "address": address[:45], "user_agent": user_agent[:400], "asked_at": iso(now()),
        }  # fmt: skip
        db.session.flush()
    return pass_


def answer_move(actor, asker, *, accept):
    """The first device says yes or no to the one that asks.

    asker   which one that is, as `open_move(actor).data["asker"]` said when it was shown: no other may slip in.
    Raises  Conflict when that is not how things stand any more.
    """
    with transaction() as record:
        lock(actor.stream)
        link = open_move(actor)
        if link is None or link.data.get("asker") != asker:
            raise Conflict(OVER)
        if accept:
            link.data = {**link.data, "confirmed_at": iso(now())}
            db.session.flush()
        else:
            end_links(actor, PURPOSE)
        record(Audited(actor.id, "move_confirmed" if accept else "move_refused", "user", actor.id))


def state_of_move(link, pass_):
    """How things stand for the device that holds `pass_`: "new", "asked" or "confirmed".

    Raises NotFound for every other device once one has asked.
    """
    asker = link.data.get("asker")
    if asker is None:
        return "new"
    if token_hash(pass_ or "") != asker:
        raise NotFound("This link has been used on another device. Make a new one.")
    return "confirmed" if "confirmed_at" in link.data else "asked"


def finish_move(secret, pass_, *, address="", user_agent=""):
    """Begin the session on the other device and return the token for its cookie.

    Raises NotFound when the link, or the session that made it, is over; Conflict when nobody said yes yet.
    """
    with transaction() as record:
        link = _locked(secret)
        if state_of_move(link, pass_) != "confirmed":
            raise Conflict("Say yes on the other device first.")
        token = begin_session(link.user, address=address, user_agent=user_agent)
        begun, first = live_session(token), db.session.get(Session, link.data["session"])
        begun.second_factor_at = first.second_factor_at  # it vouches for this one
        begun.confirmed_at = None  # but nobody has proved here who they are
        link.used_at = now()
        db.session.flush()
        record(Audited(link.user_id, "moved", "session", begun.id))
    return token


def _locked(secret):
    """The link, with its person's stream locked."""
    lock(user_stream(usable_link(secret, PURPOSE).user_id))
    link = usable_link(secret, PURPOSE)
    if not live_session_ids([link.data["session"]]):
        raise NotFound(OVER)
    return link


def move_url(secret):
    return f"{current_app.config['PARLEY'].base_url}/move/{secret}"
