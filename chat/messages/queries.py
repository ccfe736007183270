"""Which messages, and how many are unread. Pages are found by number, so any page of any room costs the same."""

from sqlalchemy import String, cast, func, literal, select
from sqlalchemy.orm import joinedload, selectinload

from chat.accounts.models import User
from chat.core.db import db
from chat.core.errors import NotFound
from chat.messages.models import Edit, Mention, Message
from chat.rooms.models import Membership, Position, Room
from chat.rooms.queries import room_for
from chat.streams.models import Stream

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


def find_by_key(actor, key):
    """The message that this author sent with this key, or None. One query."""
    return db.session.scalar(select(Message).where(Message.author_id == actor.id, Message.key == key))


def messages_by_id(ids):
    """{id: Message} with what showing them needs. Two queries, whatever the number."""
    found = db.session.scalars(select(Message).where(Message.id.in_(ids)).options(*SHOWN))
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


def unread_counts(user_id, room_ids=None):
    """{room id: (head, unread, mentions)} of a person's rooms, all counted at that head. One query.

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
    query = (
        select(Membership.room_id, Stream.head, unread, named + called)
        .join(Room, Room.id == Membership.room_id)
        .join(Stream, Stream.name == literal("room:") + cast(Membership.room_id, String))
        .outerjoin(Position, (Position.user_id == user_id) & (Position.room_id == Membership.room_id))
        .where(Membership.user_id == user_id, Membership.role.is_not(None))
    )
    if room_ids is not None:
        query = query.where(Membership.room_id.in_(room_ids))
    return {room: (head, unread, mentions) for room, head, unread, mentions in db.session.execute(query)}


def edits_of(message):
    """The texts it had before, newest first."""
    return db.session.scalars(select(Edit).where(Edit.message_id == message.id).order_by(Edit.rev.desc())).all()


def people_named(usernames):
    """{user name: (id, display name, path)}. One query, none for no names."""
    if not usernames:
        return {}
    found = db.session.scalars(select(User).where(User.username.in_(usernames), User.deactivated_at.is_(None)))
    return {user.username: (user.id, user.name, user.path) for user in found}


def rooms_named(names):
    """{room name: (id, path)} of public rooms. One query, none for no names."""
    if not names:
        return {}
    found = db.session.scalars(select(Room).where(Room.name.in_(names), Room.kind == "public"))
    return {room.name: (room.id, room.path) for room in found}
