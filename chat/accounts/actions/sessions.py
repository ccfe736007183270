from datetime import UTC, datetime, timedelta

from flask import current_app
from sqlalchemy import select, update

from chat.accounts.credentials import new_cookie, token_hash
from chat.accounts.devices import name_of_device
from chat.accounts.events import SessionBegan, SessionEnded, UserEnded
from chat.accounts.models import Session
from chat.accounts.policy import can_end_session
from chat.accounts.queries import sessions_of, was_seen
from chat.core.authorize import authorize
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Busy, Forbidden, Unauthorized
from chat.core.rate_limit import network_of
from chat.core.transaction import transaction
from chat.site.events import Audited
from chat.streams.log import ACCESS, lock, next_seq

LIFETIME = timedelta(days=90)  # however much it is used; unused it ends after queries.IDLE
NOTED_EVERY, WRITTEN_EVERY = timedelta(minutes=5), timedelta(seconds=10)


def begin_session(user, *, second_factor=False, address="", user_agent=""):
    """Sign `user` in at one browser and return the token for its cookie, which is kept nowhere else.

    Whether they may come in is decided before, by `admit`.
    second_factor   whether they have just shown one
    Raises          Unauthorized when the person was deactivated meanwhile; Forbidden, with the reason, while they are
                    suspended: whatever way somebody proved who they are, it ends here.
    """
    token = new_cookie()
    with transaction() as record:
        lock(user.stream)
        refuse_shut_out(user)
        moment = now()
        before, seen = was_seen(user, name_of_device(user_agent), network_of(address))
        session = Session(
            token_hash=token_hash(token), user_id=user.id, address=address[:45], user_agent=user_agent[:400],
            created_at=moment, seen_at=moment, expires_at=moment + LIFETIME,
            confirmed_at=moment, second_factor_at=moment if second_factor else None,
        )  # fmt: skip
        db.session.add(session)
        db.session.flush()
        record(SessionBegan(session.id, user.id, is_new=before and not seen))
    return token


def refuse_shut_out(user):
    """With the person's stream locked: whatever begins a session asks this. Raises as `begin_session`."""
    if user.deactivated_at:
        raise Unauthorized("This account is closed.")
    if user.is_suspended:
        raise Forbidden(
            f"Your account is suspended until {user.suspended_until:%-d %B %Y, %H:%M} UTC. "
            f"The reason given: {user.suspended_reason}"
        )


def renew_session(record, actor, session_id, *, second_factor=False):
    """Inside a transaction that has locked the actor's stream and `access`: begin a session, confirmed, in the place of
    this one of theirs, and return its token. Whoever had the old token has nothing any more.

    Raises Unauthorized when it was ended meanwhile.
    """
    before = db.session.get(Session, session_id)
    if before is None or before.user_id != actor.id or before.revoked_at:
        raise Unauthorized
    token = begin_session(actor, address=before.address, user_agent=before.user_agent)
    after = db.session.scalars(select(Session).where(Session.token_hash == token_hash(token))).one()
    after.second_factor_at = after.created_at if second_factor else before.second_factor_at
    before.revoked_at = now()
    db.session.flush()
    record(SessionEnded(before.id, actor.id, next_seq(ACCESS)))
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
            if session.user_id != actor.id:
                record(Audited(actor.id, "session_ended", "user", session.user_id, {"session": session.id}))


def end_other_sessions(actor, session=None):
    """Sign the actor out everywhere, except at `session`. Returns how many browsers that were."""
    with transaction() as record:
        lock(actor.stream, ACCESS)
        ended = end_all_but(record, actor, session.id if session else None)
        if ended:
            record(Audited(actor.id, "sessions_ended", "user", actor.id, {"browsers": ended}))
        return ended


def end_all_but(record, user, kept_id):
    """Inside a transaction that has locked the person's stream and `access`: end every session except one."""
    ended = [session for session in sessions_of(user) if session.id != kept_id]
    for session in ended:
        session.revoked_at = now()
    if ended:
        db.session.flush()
        record(UserEnded(user.id, kept_id, next_seq(ACCESS)))
    return len(ended)
