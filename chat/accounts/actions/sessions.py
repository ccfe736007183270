import secrets
from datetime import UTC, datetime, timedelta

from flask import current_app
from sqlalchemy import update

from chat.accounts.devices import name_of_device
from chat.accounts.events import SessionBegan, SessionEnded, UserEnded
from chat.accounts.models import Session
from chat.accounts.policy import can_end_session
from chat.accounts.queries import sessions_of, token_hash, was_seen
from chat.core.authorize import authorize
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Busy, Unauthorized
from chat.core.rate_limit import network_of
from chat.core.transaction import transaction
from chat.streams.log import ACCESS, lock, next_seq

LIFETIME = timedelta(days=90)  # however much it is used; unused it ends after queries.IDLE
NOTED_EVERY, WRITTEN_EVERY = timedelta(minutes=5), timedelta(seconds=10)


def begin_session(user, *, address="", user_agent=""):
    """Sign `user` in at one browser and return the token for its cookie, which is kept nowhere else.

    Raises Unauthorized when the person was deactivated meanwhile.
    """
    token = secrets.token_urlsafe(32)
    with transaction() as record:
        lock(user.stream)
        if user.deactivated_at:
            raise Unauthorized("This account is closed.")
        moment = now()
        before, seen = was_seen(user, name_of_device(user_agent), network_of(address))
        session = Session(
            token_hash=token_hash(token), user_id=user.id, address=address[:45], user_agent=user_agent[:400],
            created_at=moment, seen_at=moment, expires_at=moment + LIFETIME,
        )  # fmt: skip
        db.session.add(session)
        db.session.flush()
        record(SessionBegan(session.id, user.id, is_new=before and not seen))
    return token


def note_use(session):
    """Remember that a session is in use, at most every five minutes, and return it. Not while the database is busy.

    Many that are due at once, as after a restart, are written together: each alone would be a transaction for every
    client that comes back.
    """
    moment = now()
    if moment - session.seen_at >= NOTED_EVERY:
        used = current_app.extensions.setdefault("sessions_used", InUse())
        used.ids.add(session.id)
        if moment - used.written_at >= WRITTEN_EVERY:
            used.write(moment)
    return session


class InUse:
    """Sessions whose use has yet to be written down."""

    def __init__(self):
        self.ids, self.written_at = set(), datetime.min.replace(tzinfo=UTC)

    def write(self, moment):
        ids, self.ids, self.written_at = list(self.ids), set(), moment
        try:
            with transaction():
                stale = Session.id.in_(ids), Session.seen_at <= moment - NOTED_EVERY
                db.session.execute(update(Session).where(*stale).values(seen_at=moment))
        except Busy:
            self.ids.update(ids)


def end_session(actor, session):
    """Sign one of the actor's browsers out. Its connections end too. Ended already: nothing changes."""
    with transaction() as record:
        lock(ACCESS)
        authorize(can_end_session(actor, session))
        if not session.revoked_at:
            session.revoked_at = now()
            db.session.flush()
            record(SessionEnded(session.id, session.user_id, next_seq(ACCESS)))


def end_other_sessions(actor, session=None):
    """Sign the actor out everywhere, except at `session`. Returns how many browsers that were."""
    with transaction() as record:
        lock(actor.stream, ACCESS)
        return end_all_but(record, actor, session.id if session else None)


def end_all_but(record, user, kept_id):
    """Inside a transaction that has locked the person's stream and `access`: end every session except one."""
    ended = [session for session in sessions_of(user) if session.id != kept_id]
    for session in ended:
        session.revoked_at = now()
    if ended:
        db.session.flush()
        record(UserEnded(user.id, kept_id, next_seq(ACCESS)))
    return len(ended)
