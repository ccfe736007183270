"""What those who run a community look at. Private rooms are in it as numbers only."""

import time
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from flask import current_app
from sqlalchemy import and_, func, or_, select, text
from sqlalchemy.orm import joinedload

from chat.accounts.models import Invite, Session, User
from chat.accounts.queries import BY_NAME, is_id, named
from chat.admin.audit import link
from chat.admin.models import AuditEntry, Purge, Removal, Report
from chat.core.clock import now
from chat.core.db import db, is_sqlite
from chat.core.errors import NotFound
from chat.core.paging import has_words, page_of, stands_after
from chat.core.transaction import release
from chat.messages.models import Message
from chat.rooms.models import Room
from chat.site.queries import setting
from chat.streams.log import AUDIT, heads
from chat.streams.models import Entry

PAGE = 50
DAYS = 30  # in the charts
STATES = ("active", "suspended", "closed")


# People


def people_page(*, q="", role=None, state="active", after=None, limit=PAGE):
    """(people, whether there are more), by name. `after`: the id of the last person on the page before."""
    query = select(User).where(_in_state(state)).order_by(*BY_NAME)
    q = q.strip().removeprefix("@")
    if q:
        query = query.where(or_(named(q), has_words(User.email, q)))
    if role:
        query = query.where(User.role == role)
    last = after is not None and db.session.execute(select(*BY_NAME).where(User.id == after)).first()
    if last:
        query = query.where(stands_after(BY_NAME, last))
    return page_of(query, limit)


def _in_state(state):
    suspended = and_(User.deactivated_at.is_(None), User.suspended_until > now())
    if state == "closed":
        return User.deactivated_at.is_not(None)
    return suspended if state == "suspended" else User.deactivated_at.is_(None)


def last_seen(user_ids):
    """{user id: when one of their sessions was last used}. One query."""
    rows = db.session.execute(
        select(Session.user_id, func.max(Session.seen_at))
        .where(Session.user_id.in_(user_ids))
        .group_by(Session.user_id)
    )
    return dict(rows.all())


def people_counted():
    """(people with an account, active within a day, within a week). Two queries."""
    day, week = now() - timedelta(days=1), now() - timedelta(days=7)
    people = db.session.scalar(
        select(func.count()).select_from(User).where(User.deactivated_at.is_(None), User.role != "bot")
    )
    seen = select(Session.user_id, func.max(Session.seen_at).label("at")).group_by(Session.user_id).subquery()
    counts = select(func.count().filter(seen.c.at > day), func.count().filter(seen.c.at > week)).select_from(seen)
    return (people, *db.session.execute(counts).one())


# Rooms


def public_rooms_page(*, q="", archived=False, after=None, limit=PAGE):
    """(public rooms, whether there are more), by name. `after`: the name of the last one on the page before."""
    is_archived = Room.archived_at.is_not(None) if archived else Room.archived_at.is_(None)
    query = select(Room).where(Room.kind == "public", is_archived).order_by(Room.name)
    if q:
        query = query.where(has_words(Room.name, q.lstrip("#")))
    if after is not None:
        query = query.where(Room.name > after)
    return page_of(query, limit)


def rooms_counted():
    """(open public rooms, archived public rooms, private rooms). One query."""
    public, archived = Room.kind == "public", Room.archived_at.is_not(None)
    counts = func.count().filter(public, ~archived), func.count().filter(public, archived), func.count().filter(~public)
    return tuple(db.session.execute(select(*counts).select_from(Room)).one())


def public_room(room_id):
    """The public room of this id. Raises NotFound, for a private one too."""
    room = db.session.get(Room, room_id) if is_id(room_id) else None
    if room is None or room.kind != "public":
        raise NotFound("There is no such room.")
    return room


def public_room_names(ids):
    """{id: name} of those that are public. One query."""
    return dict(db.session.execute(select(Room.id, Room.name).where(Room.id.in_(ids), Room.kind == "public")).all())


# Invites


def invites_page(*, before=None, limit=PAGE):
    """(invites, whether there are more), newest first. `before`: the id of the last one on the page before."""
    query = select(Invite).options(joinedload(Invite.created_by)).order_by(Invite.id.desc())
    if before is not None:
        query = query.where(Invite.id < before)
    return page_of(query, limit)


def invites_by_id(ids):
    """{id: Invite, with who made it}. One query, as are those below; none without ids."""
    return _by_id(Invite, ids, joinedload(Invite.created_by))


def _by_id(model, ids, *options):
    if not ids:
        return {}
    return {row.id: row for row in db.session.scalars(select(model).where(model.id.in_(ids)).options(*options))}


# What the audit log speaks of, as far as it is still there


def devices_of(session_ids):
    """{session id: what the browser or program called itself}."""
    if not session_ids:
        return {}
    return dict(db.session.execute(select(Session.id, Session.user_agent).where(Session.id.in_(session_ids))).all())


def reports_by_id(ids):
    """{id: Report, with its message and who wrote that}."""
    return _by_id(Report, ids, joinedload(Report.message).joinedload(Message.author))


def removals_by_id(ids):
    """{id: Removal, with whose messages were removed}."""
    return _by_id(Removal, ids, joinedload(Removal.user))


# Retention


def days_of(room):
    """For how many days a room keeps its messages; None: for ever."""
    return room.retention_days if room.retention_days is not None else setting("retention_days")


def purge_going_on(room_id):
    return db.session.scalars(select(Purge).where(Purge.room_id == room_id, Purge.at.is_(None))).first()


def oldest_messages(room_id, before, limit):
    """The ids of up to `limit` messages of a room from before this moment: its first, as numbers follow time."""
    first = select(Message.id, Message.created_at).where(Message.room_id == room_id).order_by(Message.seq).limit(limit)
    ids = []
    for row in db.session.execute(first):
        if row.created_at >= before:
            break
        ids.append(row.id)
    return ids


def rooms_due():
    """The ids of rooms that hold messages past their time, or whose purge was interrupted. A quick query a room."""
    default, due, moment = setting("retention_days"), [], now()
    rooms = db.session.execute(select(Room.id, Room.retention_days).where(_may_be_purged(default))).all()
    going_on = set(db.session.scalars(select(Purge.room_id).where(Purge.at.is_(None))))
    release()
    for room_id, days in rooms:
        if room_id in going_on or oldest_messages(room_id, moment - timedelta(days=days or default), 1):
            due.append(room_id)
        release()
        time.sleep(0)
    return sorted(going_on.union(due))


def _may_be_purged(default):
    has_days = Room.retention_days.is_not(None) if default is None else True
    return and_(Room.legal_hold.is_(False), has_days)


def would_go(days, *, room=None):
    """(messages, rooms) that would go now: with `days` as the community's own, or as this room's."""
    moment, messages, count = now(), 0, 0
    query = select(Room.id, Room.retention_days).where(_may_be_purged(days))
    if room is not None:
        query = select(Room.id, Room.retention_days).where(Room.id == room.id, Room.legal_hold.is_(False))
    for room_id, own in db.session.execute(query).all():
        kept = days if room is not None or own is None else own
        old = _older_than(room_id, moment - timedelta(days=kept)) if kept else 0
        messages, count = messages + old, count + bool(old)
        time.sleep(0)  # others have their turn
    return messages, count


def _older_than(room_id, before):
    """How many messages of a room are older: their numbers follow time, so the border is found by halving."""

    def first_from(seq):
        found = select(Message.seq, Message.created_at).where(Message.room_id == room_id, Message.seq >= seq)
        return db.session.execute(found.order_by(Message.seq).limit(1)).first()

    low, high = 0, 1 + (db.session.scalar(select(func.max(Message.seq)).where(Message.room_id == room_id)) or 0)
    while low < high:  # everything below `low` is older, nothing from `high` on is
        middle = (low + high) // 2
        found = first_from(middle)
        if found is not None and found.created_at < before:
            low = found.seq + 1
        else:
            high = middle
    return db.session.scalar(
        select(func.count()).select_from(Message).where(Message.room_id == room_id, Message.seq < low)
    )


def purges_page(*, before=None, limit=PAGE):
    """(receipts, whether there are more), newest first."""
    query = select(Purge).options(joinedload(Purge.room)).order_by(Purge.id.desc())
    if before is not None:
        query = query.where(Purge.id < before)
    return page_of(query, limit)


def rooms_with_own_retention(limit=100):
    """Public rooms that keep their messages for a time of their own or are on legal hold, and how many private ones."""
    own = or_(Room.retention_days.is_not(None), Room.legal_hold)
    public = db.session.scalars(select(Room).where(own, Room.kind == "public").order_by(Room.name).limit(limit)).all()
    private = db.session.scalar(select(func.count()).select_from(Room).where(own, Room.kind != "public"))
    return public, private


# Statistics


class Day(NamedTuple):
    """`people`: how many read something new, which the log keeps in a stream of each person's own."""

    date: date
    messages: int
    people: int


def days_counted(days=DAYS):
    """[Day] of the last days in UTC, oldest first, from the log. Days that are over are counted once for each process.
    One query for each that is not: both figures are of the same entries."""
    counted = current_app.extensions.setdefault("days_counted", {})
    messages = func.count().filter(Entry.kind == "posted")
    people = func.count(Entry.stream.distinct()).filter(Entry.kind == "read")
    today = now().date()
    found = []
    for at in (today - timedelta(days=back) for back in range(days - 1, -1, -1)):
        day = counted.get(at)
        if day is None:
            start = _midnight(at)
            within = Entry.created_at >= start, Entry.created_at < start + timedelta(days=1)
            which = Entry.kind.in_(("posted", "read"))
            day = Day(at, *db.session.execute(select(messages, people).where(*within, which)).one())
            if at < today:
                counted[at] = day
            time.sleep(0)  # others have their turn
        found.append(day)
    for at in [at for at in counted if at < today - timedelta(days=days)]:
        del counted[at]
    return found


def database_size():
    """(kind and version, bytes)."""
    if is_sqlite():
        [[pages], [size]] = (db.session.execute(text(f"PRAGMA {name}")).one() for name in ("page_count", "page_size"))
        return f"SQLite {db.session.scalar(text('SELECT sqlite_version()'))}", pages * size
    version = db.session.scalar(text("SHOW server_version")).split()[0]
    return f"PostgreSQL {version}", db.session.scalar(text("SELECT pg_database_size(current_database())"))


# The audit log


def audit_page(*, actor_id=None, verb=None, subject=None, since=None, until=None, before=None, limit=PAGE):
    """(entries, whether there are more), newest first, each with who did it.

    subject       (kind, id)
    since, until  dates in UTC, both included
    before        the number of the last entry on the page before
    """
    query = select(AuditEntry).options(joinedload(AuditEntry.actor)).order_by(AuditEntry.seq.desc())
    if actor_id is not None:
        query = query.where(AuditEntry.actor_id == actor_id)
    if verb:
        query = query.where(AuditEntry.verb == verb)
    if subject is not None:
        query = query.where(AuditEntry.subject_kind == subject[0], AuditEntry.subject_id == subject[1])
    if since is not None:
        query = query.where(AuditEntry.at >= _midnight(since))
    if until is not None:
        query = query.where(AuditEntry.at < _midnight(until) + timedelta(days=1))
    if before is not None:
        query = query.where(AuditEntry.seq < before)
    return page_of(query, limit)


def _midnight(date):
    return datetime(date.year, date.month, date.day, tzinfo=UTC)


def broken_at(batch=200):
    """The number of the first entry at which the chain of the audit log does not hold, or None: it holds; and how many
    entries there are. The entries are read in steps, between which others have their turn."""
    end, seq, before = heads([AUDIT]).get(AUDIT, 0), 0, ""
    while seq < end:
        query = select(*AuditEntry.__table__.columns).where(AuditEntry.seq > seq).order_by(AuditEntry.seq)
        entries = db.session.execute(query.limit(batch)).all()
        for entry in entries:
            if entry.seq != seq + 1 or entry.hash != link(before, entry):
                return seq + 1, end
            seq, before = entry.seq, entry.hash
        if not entries:
            return seq + 1, end
        release()
        time.sleep(0)
    return None, end
