"""Which rooms, which members, how far read."""

from sqlalchemy import bindparam, case, func, or_, select
from sqlalchemy.orm import joinedload

from chat.accounts.circle import is_in_circle_of
from chat.accounts.models import User
from chat.accounts.queries import BY_NAME, PAGE, is_id, named
from chat.core.db import db
from chat.core.errors import Conflict, Invalid, NotFound
from chat.core.paging import page_of, stands_after
from chat.core.prepared import Prepared
from chat.core.transaction import run_in_session
from chat.rooms.models import Membership, Position, Room
from chat.streams.log import room_stream
from chat.streams.models import Entry, Stream

NO_ROOM = "There is no such room, or you are not in it."


def membership_of(actor, room):
    """The row that joins them, also of someone who has left; None when there never was one."""
    return db.session.get(Membership, (room.id, actor.id))


def room_for(actor, room_id):
    """The room, if `actor` may know that it exists. Raises NotFound otherwise, with the same sentence in both cases."""
    room = db.session.get(Room, room_id) if is_id(room_id) else None
    if room is None or not (is_open_to(actor, room) or ((found := membership_of(actor, room)) and found.role)):
        raise NotFound(NO_ROOM, field="room")
    return room


def is_open_to(actor, room):
    """Whether `actor` may find the room without being in it: guests and bots find none."""
    return not room.is_private and actor.role not in ("guest", "bot")


def held_streams():
    """The logs of rooms on legal hold, of which nothing goes. One query."""
    return [room_stream(id) for id in db.session.scalars(select(Room.id).where(Room.legal_hold))]


def private_room(room_id):
    """Any private room, for whoever opens it for everyone to see. Raises NotFound when there is none."""
    room = db.session.get(Room, room_id) if is_id(room_id) else None
    if room is None or not room.is_private:
        raise NotFound("There is no private room of that number.", field="room")
    return room


def joined_room_for(actor, room_id):
    """Like room_for, but only rooms that `actor` is in."""
    room = room_for(actor, room_id)
    found = membership_of(actor, room)
    if not (found and found.role):
        raise NotFound(NO_ROOM, field="room")
    return room


def rooms_by_id(ids):
    """Those rooms of these ids that exist, for whoever has looked already whether they may be seen. One query."""
    return db.session.scalars(select(Room).where(Room.id.in_(list(ids))).order_by(Room.name, Room.id)).all()


def memberships(actor):
    """The actor's memberships with their rooms, by the room's name. One query."""
    return db.session.scalars(
        select(Membership)
        .where(Membership.user_id == actor.id, Membership.role.is_not(None))
        .join(Membership.room)
        .options(joinedload(Membership.room))
        .order_by(Room.archived_at.is_not(None), Room.name, Room.id)
    ).all()


def memberships_of_room(room_id, user_ids):
    """{user id: Membership} of these people, present or past, as stored now. One query."""
    found = db.session.scalars(
        select(Membership).where(Membership.room_id == room_id, Membership.user_id.in_(user_ids))
    )
    return {membership.user_id: membership for membership in found}


def memberships_of_user(user_id, room_ids):
    """{room id: Membership} of one person, present or past, with the rooms. One query."""
    found = db.session.scalars(
        select(Membership)
        .where(Membership.user_id == user_id, Membership.room_id.in_(room_ids))
        .options(joinedload(Membership.room))
    )
    return {membership.room_id: membership for membership in found}


_JOINED = Prepared(
    select(Membership.room_id, Membership.joined).where(
        Membership.user_id == bindparam("user"), Membership.role.is_not(None)
    )
)


def joined_numbers(user_id, ask=run_in_session):
    """{room id: number at which the membership began} of everything a person is in. One query."""
    return {row.room_id: row.joined for row in ask(_JOINED, user=user_id)}


_OWNERS_FIRST = (case({"owner": 0, "moderator": 1}, value=Membership.role, else_=2), *BY_NAME)


def members(room):
    """All the people in a room: owners first, then by name. One query."""
    query = _in_room(room).options(joinedload(Membership.user)).order_by(*_OWNERS_FIRST)
    return db.session.scalars(query).all()


def members_for(room, q="", *, after=None, limit=PAGE):
    """(the people in a room, whether there are more), in the same order; with `q`, those whose name or user name
    contains it. `after`: the id of the last person on the page before."""
    query = _in_room(room, q).options(joinedload(Membership.user)).order_by(*_OWNERS_FIRST)
    if is_id(after):
        last = db.session.execute(_in_room(room, columns=_OWNERS_FIRST).where(User.id == after)).first()
        query = query.where(stands_after(_OWNERS_FIRST, last)) if last else query
    return page_of(query, limit)


def count_of_members(room, q):
    """How many people in a room have `q` in their name or user name. One query."""
    return db.session.scalar(_in_room(room, q, columns=[func.count()]))


def _in_room(room, q="", *, columns=(Membership,)):
    query = select(*columns).select_from(Membership).join(Membership.user)
    query = query.where(Membership.room_id == room.id, Membership.role.is_not(None))
    q = q.strip().removeprefix("@")
    return query.where(named(q)) if q else query


def members_page(room, *, after, limit):
    """The people in a room by their id, from the one after `after`. One query."""
    return db.session.scalars(
        select(Membership)
        .where(Membership.room_id == room.id, Membership.role.is_not(None), Membership.user_id > after)
        .options(joinedload(Membership.user))
        .order_by(Membership.user_id)
        .limit(limit)
    ).all()


def member_counts(room_ids):
    """{room id: people in it}. One query."""
    rows = db.session.execute(
        select(Membership.room_id, func.count())
        .where(Membership.room_id.in_(room_ids), Membership.role.is_not(None))
        .group_by(Membership.room_id)
    )
    return dict(rows.all())


_OPEN_FIRST = (Room.archived_at.is_not(None), Room.name, Room.id)


def rooms_to_find(actor, words="", *, after=None, limit=PAGE):
    """(rooms of the directory, whether there are more): those that the actor may know of whose name, topic or
    description has `words`. `after`: the id of the last room on the page before."""
    query = _findable(actor, words).order_by(*_OPEN_FIRST)
    if is_id(after):  # of a room that is hidden, even the place in the alphabet is nobody's business
        last = db.session.execute(select(*_OPEN_FIRST).where(Room.id == after, _may_be_known_to(actor))).first()
        query = query.where(stands_after(_OPEN_FIRST, last)) if last else query
    return page_of(query, limit)


def count_of_rooms_to_find(actor, words=""):
    """How many there are of the same. One query."""
    return db.session.scalar(_findable(actor, words).with_only_columns(func.count(Room.id)))


def rooms_page(actor, words="", *, after, limit):
    """The same by id, from the one after `after`. One query."""
    return db.session.scalars(_findable(actor, words).where(Room.id > after).order_by(Room.id).limit(limit)).all()


def _findable(actor, words):
    query = select(Room).where(_may_be_known_to(actor))
    words = words.replace("\0", "").lower().lstrip("#")
    if words:
        like = f"%{_escaped(words)}%"
        query = query.where(
            or_(
                Room.name.like(like.replace(" ", "-"), escape="\\"),
                func.lower(Room.topic).like(like, escape="\\"),
                func.lower(Room.description).like(like, escape="\\"),
            )
        )
    return query


def _may_be_known_to(actor):
    """A condition on Room: what `room_for` finds."""
    mine = Room.id.in_(select(Membership.room_id).where(Membership.user_id == actor.id, Membership.role.is_not(None)))
    return mine if actor.role in ("guest", "bot") else or_(Room.kind == "public", mine)


def _escaped(words):
    return words.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


def last_activity(rooms):
    """{room id: when its newest change was made}. One query."""
    by_stream = {room.stream: room.id for room in rooms}
    rows = db.session.execute(
        select(Entry.stream, Entry.created_at)
        .join(Stream, (Stream.name == Entry.stream) & (Stream.head == Entry.seq))
        .where(Entry.stream.in_(by_stream))
    )
    return {by_stream[stream]: moment for stream, moment in rows}


def public_room_named(name):
    return db.session.scalar(select(Room).where(Room.name == name, Room.kind == "public"))


def visible_room_named(actor, name):
    """A room of this name that the actor can see."""
    return db.session.scalars(select(Room).where(Room.name == name, _may_be_known_to(actor)).limit(1)).first()


def person_to_add(actor, typed):
    """Whom `actor` means by user name, e-mail address or full name, of those they may know of. Raises NotFound, or
    Conflict for several."""
    wanted = typed.replace("\0", "").strip().lstrip("@")
    if not wanted:
        raise Invalid("Type a name, a user name or an e-mail address.", field="person")
    lowered = wanted.lower()
    exact = User.email == lowered if "@" in lowered else User.username == lowered
    known = select(User).where(User.deactivated_at.is_(None), is_in_circle_of(actor))
    found = db.session.scalars(known.where(exact)).all()
    if not found:
        named = (func.lower(User.name) == lowered) | (User.name == wanted)
        found = db.session.scalars(known.where(named).limit(2)).all()
    if not found:
        raise NotFound(f"There is nobody called {wanted[:60]} here. Try their user name or e-mail.", field="person")
    if len(found) > 1:
        raise Conflict(f"Several people are called {wanted[:60]}. Use a user name or e-mail.", field="person")
    return found[0]


def position_of(user_id, room_id):
    return db.session.get(Position, (user_id, room_id))


def positions(user_id, room_ids):
    """{room id: Position}. One query."""
    found = db.session.scalars(select(Position).where(Position.user_id == user_id, Position.room_id.in_(room_ids)))
    return {position.room_id: position for position in found}


def rooms_in_common(actor, person):
    """Rooms that `person` is in and `actor` may see. One query."""
    theirs = select(Membership.room_id).where(Membership.user_id == person.id, Membership.role.is_not(None))
    return db.session.scalars(
        select(Room).where(Room.id.in_(theirs), _may_be_known_to(actor), Room.archived_at.is_(None)).order_by(Room.name)
    ).all()
