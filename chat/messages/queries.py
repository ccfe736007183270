"""Which messages, and how many are unread. Pages are found by number, so any page of any room costs the same."""

import json

from sqlalchemy import (
    Integer,
    String,
    bindparam,
    case,
    cast,
    column,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import aliased, joinedload, selectinload

from chat.accounts.models import Block, User
from chat.core.db import db
from chat.core.errors import NotFound
from chat.core.ledger import read
from chat.core.prepared import Prepared
from chat.messages.models import Edit, Mention, Message
from chat.rooms.circle import people_that, rooms_that
from chat.rooms.models import Membership, Position, Room
from chat.rooms.queries import room_for
from chat.site.models import Site
from chat.streams.log import ACCESS, SITE, room_stream
from chat.streams.models import Entry, Stream

PAGE = 50
NO_MESSAGE = "There is no such message, or you may not see it."
SHOWN = (joinedload(Message.author), selectinload(Message.mentions))


def message_for(actor, message_id):
    """The message, if `actor` may see its room. Raises NotFound otherwise, with the same sentence in both cases."""
    message = db.session.get(Message, message_id) if isinstance(message_id, int) and 0 < message_id < 2**31 else None
    if message is None:
        raise NotFound(NO_MESSAGE, field="message")
    try:
        room_for(actor, message.room_id)
    except NotFound:
        raise NotFound(NO_MESSAGE, field="message") from None
    return message


# For every message posted: these run as they are, without the session. `run` is a transaction's, or `read`.

_access, _site = aliased(Stream), aliased(Stream)
_newest = select(Message.created_at).where(Message.room_id == Room.id).order_by(Message.seq.desc()).limit(1)
_new_hours = Site.settings["new_account_hours"].as_integer()
_PLACE = Prepared(
    select(
        Stream.head,
        _newest.correlate(Room).scalar_subquery().label("newest_at"),
        func.coalesce(_access.head, 0).label("access"),
        func.coalesce(_site.head, 0).label("site"),
        Site.epoch,
        Room.kind,
        Room.name.label("room_name"),
        type_coerce(Room.archived_at.is_not(None), Integer).label("archived"),
        Membership.role.label("membership_role"),
        User.id,
        User.name,
        User.username,
        User.avatar,
        User.role,
        User.v,
        type_coerce(User.deactivated_at.is_not(None), Integer).label("deactivated"),
        Room.slow_mode_seconds,
        _new_hours.label("new_hours"),
        case((_new_hours > 0, User.created_at)).label("account_since"),  # read only where it counts
    )
    .select_from(Room)
    .join(Stream, Stream.name == bindparam("stream"))
    .join(User, User.id == bindparam("author_id"))
    .outerjoin(Membership, (Membership.room_id == Room.id) & (Membership.user_id == User.id))
    .outerjoin(Site, true())
    .outerjoin(_access, _access.name == ACCESS)
    .outerjoin(_site, _site.name == SITE)
    .where(Room.id == bindparam("room_id"))
)


def place_of(run, author_id, room_id):
    """A room, a person and how they stand to it, the room's newest number, the time of its newest message, and what all
    that is as new as: the epoch and the heads of `access` and `site`. None when there is no such room or person. One
    query."""
    rows = run(_PLACE, stream=room_stream(room_id), author_id=author_id, room_id=room_id)
    return rows[0] if rows else None


_mine = (Message.author_id == bindparam("author"), Message.room_id == bindparam("room"))
_SAID_LAST = Prepared(
    select(Message.created_at).where(*_mine, Message.seq > bindparam("after")).order_by(Message.seq.desc()).limit(1)
)
_SAID_BEFORE = Prepared(
    select(Message.created_at)
    .where(Message.author_id == bindparam("author"))
    .order_by(Message.id.desc())
    .offset(bindparam("number"))
    .limit(1)
)
FAR_BACK = 5000  # numbers of a room; whoever has said nothing since then has waited long enough


def said_last(run, author_id, room_id, head):
    """When somebody last wrote in a room, or None: not lately. One query, along the room's own index."""
    rows = run(_SAID_LAST, author=author_id, room=room_id, after=head - FAR_BACK)
    return rows[0].created_at if rows else None


def said_before(run, author_id, number):
    """When somebody wrote the message that `number` newer ones of theirs follow, anywhere; None: not as many."""
    rows = run(_SAID_BEFORE, author=author_id, number=number)
    return rows[0].created_at if rows else None


def _store(insert):
    table = Message.__table__
    names = [c.name for c in table.columns if c.name not in ("id", "rev", "edited_at", "deleted_at", "deleted_by_id")]
    values = {name: bindparam(name) for name in names} | {"rev": 1}
    stored = insert(table).values(values).on_conflict_do_nothing(index_elements=["author_id", "key"])
    return stored.returning(table.c.id)


_STORE = Prepared(sqlite=_store(sqlite.insert), postgresql=_store(postgresql.insert))
_MENTION = Prepared(insert(Mention.__table__).values({c.name: bindparam(c.name) for c in Mention.__table__.columns}))


def store_message(run, *, mentions, **values):
    """Store a message with the people it names and return its id, or None when its author has used the key before."""
    rows = run(_STORE, **values)
    if not rows:
        return None
    message_id = rows[0].id
    for user_id in mentions:
        run(_MENTION, message_id=message_id, user_id=user_id, room_id=values["room_id"], seq=values["seq"])
    return message_id


_sender = {name: getattr(User, name).label(f"author_{name}") for name in ("name", "username", "avatar", "role", "v")}
_SENT = Prepared(
    select(*(c for c in Message.__table__.columns if c.name != "deleted_by_id"), *_sender.values())
    .join(User, User.id == Message.author_id)
    .where(Message.author_id == bindparam("author"), Message.key == bindparam("its_key"))
)
_NAMED = Prepared(select(Mention.user_id).where(Mention.message_id == bindparam("message")).order_by(Mention.user_id))


def find_by_key(run, author_id, key):
    """(message, [ids of the people it names]) as rows: what this author sent with this key. None if nothing. Two
    queries."""
    sent = run(_SENT, author=author_id, its_key=key)
    return (sent[0], [row.user_id for row in run(_NAMED, message=sent[0].id)]) if sent else None


_spans = bindparam("spans", type_=String)
_sqlite_span = func.json_each(_spans).table_valued("value").alias("span")
_postgresql_span = (
    func.jsonb_array_elements(cast(_spans, postgresql.JSONB))
    .table_valued(column("value", postgresql.JSONB))
    .alias("span")
)


def _as_posted(span, stream, after, upto):
    return (
        select(
            Entry.stream,
            *(c for c in Message.__table__.columns if c.name != "deleted_by_id"),
            *_sender.values(),
            select(Mention).where(Mention.message_id == Message.id).exists().label("names_people"),
        )
        .select_from(span)
        .join(Entry, (Entry.stream == stream) & (Entry.seq > after) & (Entry.seq <= upto))
        .join(Message, (Message.id == Entry.subject_id) & (Message.seq == Entry.seq) & (Message.v == Entry.seq))
        .join(User, User.id == Message.author_id)
        .where(Entry.kind == "posted", Message.deleted_at.is_(None))
    )


_AS_POSTED = Prepared(
    sqlite=_as_posted(_sqlite_span, *(func.json_extract(_sqlite_span.c.value, f"$[{n}]") for n in range(3))),
    postgresql=_as_posted(
        _postgresql_span,
        _postgresql_span.c.value[0].astext,
        *(cast(_postgresql_span.c.value[n], Integer) for n in (1, 2)),
    ),
)


def as_posted(ask, spans):
    """[(message, [ids of the people it names])] as rows: what was posted in these spans, (stream, after, upto), and is
    still as it was posted. The row has its `stream`, too. One query, and one for each message that names somebody."""
    rows = ask(_AS_POSTED, spans=json.dumps(spans))
    return [(row, [m.user_id for m in ask(_NAMED, message=row.id)] if row.names_people else []) for row in rows]


def messages_by_id(ids):
    """{id: Message} with what showing them needs, all as it is now: also a person who was read before. Two queries,
    whatever the number."""
    query = select(Message).where(Message.id.in_(ids)).options(*SHOWN)
    found = db.session.scalars(query.execution_options(populate_existing=True))
    return {message.id: message for message in found}


def newest(room, *, limit=PAGE):
    """(messages, has_older): the newest of a room, oldest first."""
    return page_before(room, None, limit=limit)


def page_before(room, seq, *, limit=PAGE):
    """(messages, has_older): the page that ends below number `seq` (None: at the head), oldest first."""
    query = select(Message).where(Message.room_id == room.id).order_by(Message.seq.desc()).limit(limit + 1)
    if seq is not None:
        query = query.where(Message.seq < seq)
    found = db.session.scalars(query.options(*SHOWN)).all()
    return found[limit - 1 :: -1] if len(found) > limit else found[::-1], len(found) > limit


def page_after(room, seq, *, limit=PAGE):
    """(messages, has_newer): the page that begins above number `seq`, oldest first."""
    query = select(Message).where(Message.room_id == room.id, Message.seq > seq).order_by(Message.seq).limit(limit + 1)
    found = db.session.scalars(query.options(*SHOWN)).all()
    return found[:limit], len(found) > limit


def page_around(room, seq, *, limit=PAGE):
    """(messages, has_older, has_newer): half a page on each side of number `seq`, itself included."""
    older, has_older = page_before(room, seq, limit=limit // 2)
    newer, has_newer = page_after(room, seq - 1, limit=limit - limit // 2)
    return [*older, *newer], has_older, has_newer


def _counted(user_id, *columns):
    """A select of these columns and `unread` and `mentions` for each of a person's rooms, counted at the room's head.

    Unread are messages of others above the read position that are not deleted; mentions are those that name the person
    or call the whole room.
    """
    above = (Message.room_id == Membership.room_id) & (Message.seq > func.coalesce(Position.seq, 0))
    standing = (Message.author_id != user_id) & Message.deleted_at.is_(None)
    unread = select(func.count()).where(above, standing).correlate(Membership, Position).scalar_subquery()
    named = (
        select(func.count())
        .where(
            Mention.user_id == user_id,
            Mention.room_id == Membership.room_id,
            Mention.seq > func.coalesce(Position.seq, 0),
        )
        .correlate(Membership, Position)
        .scalar_subquery()
    )
    called = (
        select(func.count())
        .where(above, standing, Message.mentions_room)
        .where(~select(Mention).where(Mention.message_id == Message.id, Mention.user_id == user_id).exists())
        .correlate(Membership, Position)
        .scalar_subquery()
    )
    unread = unread - _unheard(user_id, above, standing)
    mentions = named + called - _uncalled(user_id, above, standing)
    return (
        select(Membership.room_id, Stream.head, unread.label("unread"), mentions.label("mentions"), *columns)
        .join(Room, Room.id == Membership.room_id)
        .join(Stream, Stream.name == literal("room:") + cast(Membership.room_id, String))
        .outerjoin(Position, (Position.user_id == user_id) & (Position.room_id == Membership.room_id))
        .where(Membership.user_id == user_id, Membership.role.is_not(None))
    )


def _unheard(user_id, *conditions):
    """How many of these messages are by people whom this person muted or blocked. Whoever hears everybody is asked once
    whether that is so, in the whole statement, and for no message more."""
    silent = select(Block.blocked_id).where(Block.user_id == user_id)
    number = select(func.count()).where(*conditions, Message.author_id.in_(silent))
    return case((silent.exists(), number.correlate(Membership, Position).scalar_subquery()), else_=0)


def _uncalled(user_id, *conditions):
    """The same for what would call this person, by people whom they blocked."""
    silent = select(Block.blocked_id).where(Block.user_id == user_id, Block.kind == "block")
    names = select(Mention).where(Mention.message_id == Message.id, Mention.user_id == user_id).exists()
    number = select(func.count()).where(*conditions, Message.author_id.in_(silent), or_(Message.mentions_room, names))
    return case((silent.exists(), number.correlate(Membership, Position).scalar_subquery()), else_=0)


def unread_counts(user_id, room_ids=None):
    """{room id: (head, unread, mentions)} of a person's rooms, all counted at that head. One query."""
    query = _counted(user_id)
    if room_ids is not None:
        query = query.where(Membership.room_id.in_(room_ids))
    return {room: (head, unread, mentions) for room, head, unread, mentions in db.session.execute(query)}


_STANDINGS = Prepared(
    _counted(
        bindparam("user"),
        Stream.floor,
        Membership.joined,
        func.coalesce(Position.seq, 0).label("position"),
        func.coalesce(Position.v, 0).label("v"),
    )
)


def standings(ask, user_id):
    """{room id: row of head, floor, joined, unread, mentions, position and v} of a person's rooms. One quick query."""
    return {row.room_id: row for row in ask(_STANDINGS, user=user_id)}


def edits_of(message):
    """The texts it had before, newest first."""
    return db.session.scalars(select(Edit).where(Edit.message_id == message.id).order_by(Edit.rev.desc())).all()


def earlier_texts(message_ids):
    """{message id: [Edit], the oldest first}. One query; none without ids."""
    if not message_ids:
        return {}
    found = {}
    query = select(Edit).where(Edit.message_id.in_(message_ids)).order_by(Edit.message_id, Edit.rev)
    for edit in db.session.scalars(query):
        found.setdefault(edit.message_id, []).append(edit)
    return found


def rooms_written_in(user_id):
    """The ids of rooms that hold messages of this person."""
    query = select(Message.room_id).where(Message.author_id == user_id, Message.deleted_at.is_(None)).distinct()
    return sorted(db.session.scalars(query))


def count_of_held_rooms(user_id):
    """How many rooms on legal hold hold messages of this person that are not deleted."""
    mine = Message.author_id == user_id, Message.deleted_at.is_(None), Room.legal_hold
    query = select(func.count(Message.room_id.distinct())).join(Room, Room.id == Message.room_id)
    return db.session.scalar(query.where(*mine))


def standing_messages_of(user_id, room_id, *, limit):
    """Messages of one person in one room that are not deleted, the oldest first."""
    query = select(Message).where(
        Message.room_id == room_id, Message.author_id == user_id, Message.deleted_at.is_(None)
    )
    return db.session.scalars(query.order_by(Message.seq).limit(limit).options(*SHOWN)).all()


def written_by(user_id, *, after=0, limit=500):
    """What a person wrote, as rows, by id: those above `after` that are not deleted, with the room of each."""
    query = (
        select(Message.id, Message.room_id, Message.text, Message.created_at, Message.edited_at)
        .add_columns(Room.name.label("room"))
        .join(Room, Room.id == Message.room_id)
        .where(Message.author_id == user_id, Message.id > after, Message.deleted_at.is_(None))
    )
    return db.session.execute(query.order_by(Message.id).limit(limit)).all()


def count_written(user_id):
    query = select(func.count()).select_from(Message)
    return db.session.scalar(query.where(Message.author_id == user_id, Message.deleted_at.is_(None)))


_PEOPLE = Prepared(
    select(User.id, User.name, User.username).where(
        User.username.in_(bindparam("usernames", expanding=True)),
        User.deactivated_at.is_(None),
        people_that(bindparam("author")),
    )
)
_ROOMS = Prepared(
    select(Room.id, Room.name).where(Room.name.in_(bindparam("names", expanding=True)), rooms_that(bindparam("author")))
)


def people_named(usernames, author_id=None):
    """{user name: (id, display name, path)} of those whom the author may know; None knows all. One query, none for no
    names."""
    if not usernames:
        return {}
    found = read(_PEOPLE, usernames=list(usernames), author=author_id)
    return {user.username: (user.id, user.name, User.path.fget(user)) for user in found}


def rooms_named(names, author_id=None):
    """{room name: (id, path)} of public rooms that the author may know; None knows all. One query, none for no
    names."""
    if not names:
        return {}
    found = read(_ROOMS, names=list(names), author=author_id)
    return {room.name: (room.id, Room.path.fget(room)) for room in found}
