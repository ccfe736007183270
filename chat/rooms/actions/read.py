from chat.core.db import db
from chat.core.errors import NotFound
from chat.core.transaction import transaction
from chat.rooms.events import PositionMoved
from chat.rooms.models import Position
from chat.rooms.queries import NO_ROOM, membership_of, memberships, position_of, positions
from chat.streams.log import heads, lock, next_seq


def mark_read(actor, room, seq):
    """Everything in `room` up to number `seq` is read. Never moves back; clamped to the head. Returns the Position."""
    return _move(actor, room, lambda old, head: max(old, min(seq, head)))


def mark_unread(actor, room, seq):
    """The message at `seq` and what follows is unread again. Never moves forward. Returns the Position."""
    return _move(actor, room, lambda old, head: max(0, min(old, seq - 1, head)))


def _move(actor, room, wanted):
    with transaction() as record:
        lock(actor.stream)
        membership = membership_of(actor, room)
        if not (membership and membership.role):
            raise NotFound(NO_ROOM, field="room")
        position, head = position_of(actor.id, room.id), heads([room.stream]).get(room.stream, 0)
        return _set(record, actor, room.id, position, wanted(position.seq if position else 0, head))


def _set(record, actor, room_id, position, seq):
    if position is None:
        position = Position(user_id=actor.id, room_id=room_id, seq=0, v=0)
        db.session.add(position)
    if seq != position.seq:  # setting what is set takes no number
        position.seq, position.v = seq, next_seq(actor.stream)
        db.session.flush()
        record(PositionMoved(actor.id, room_id, position.v))
    return position


def mark_all_read(actor):
    """Everything in every room is read. Returns how many rooms had something new."""
    with transaction() as record:
        lock(actor.stream)
        before, rooms = len(record.events), [membership.room for membership in memberships(actor)]
        read, newest = positions(actor.id, [room.id for room in rooms]), heads(room.stream for room in rooms)
        for room in rooms:
            _set(record, actor, room.id, read.get(room.id), newest[room.stream])
        return len(record.events) - before
