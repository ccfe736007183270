from sqlalchemy import delete

from chat.core.authorize import authorize
from chat.core.clock import now
from chat.core.db import db
from chat.core.transaction import transaction
from chat.messages.events import MessageDeleted, MessageUndeleted
from chat.messages.models import Edit, Mention
from chat.messages.policy import can_delete
from chat.rooms.queries import room_for
from chat.streams.log import lock, next_seq


def delete_message(actor, message):
    """Delete a message: its place and number stay, its text, history and mentions go. Returns it. Twice is once."""
    with transaction() as record:
        lock(message.room.stream)
        room_for(actor, message.room_id)
        authorize(can_delete(actor, message))
        if message.deleted_at:
            return message
        take_text(record, message, by_id=actor.id)
    return message


def take_text(record, message, *, by_id):
    """Inside a transaction that has locked the room: all that a message said goes, at the room's next number."""
    seq = next_seq(message.room.stream)
    message.deleted_at, message.deleted_by_id, message.v = now(), by_id, seq
    message.text = message.html = ""
    message.mentions, message.mentions_room = [], False
    db.session.execute(delete(Edit).where(Edit.message_id == message.id))
    db.session.flush()
    record(MessageDeleted(message.id, message.room_id, seq))


def refill(record, message, *, text, html, mentions, mentions_room, edits):
    """The reverse: the message says again what it said.

    mentions   the ids of the people it names
    edits      the texts it had before that, as Edits that are not stored
    """
    message.v = next_seq(message.room.stream)
    message.deleted_at = message.deleted_by_id = None
    message.text, message.html, message.mentions_room = text, html, mentions_room
    message.mentions = [Mention(user_id=id, room_id=message.room_id, seq=message.seq) for id in mentions]
    db.session.add_all(edits)
    db.session.flush()
    record(MessageUndeleted(message.id, message.room_id, message.v))
