from sqlalchemy.exc import IntegrityError

from chat.core.authorize import authorize
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Conflict, NotFound
from chat.core.transaction import transaction
from chat.messages.events import MessagePosted
from chat.messages.formatting import RENDERER
from chat.messages.models import Mention, Message
from chat.messages.policy import can_post
from chat.messages.queries import find_by_key
from chat.messages.text import body_of, check_key, clean, content_hash
from chat.rooms.queries import room_for
from chat.streams.log import lock, next_seq


def post_message(actor, room, text, *, key):
    """Post `text` to `room` as `actor` and return the stored Message.

    The form, the socket, webhooks and importers all call this. The same `key` from the same actor returns the first
    message again, whatever became of it.

    text    Markdown as typed, 1 to 20,000 characters.
    key     chosen by the client, 1 to 64 characters.
    Raises  Invalid; Forbidden when the actor may not post here; NotFound when the room is gone for them; Conflict when
            the key was used for another text.
    """
    text, key = clean(text), check_key(key)
    hashed = content_hash(room.id, text)
    body = body_of(actor, room, text)  # CPU work, before any lock
    try:
        return _store(actor, room, text, key, hashed, body)
    except IntegrityError:
        if sent := find_by_key(actor, key):  # another room's lock did not keep a twin of this request out
            return _first_answer(sent, hashed)
        raise


def post_in(actor, room_id, text, *, key):
    """`post_message` for a room of which only the id is known, as requests bring it.

    A retry of what was stored before the actor was removed gets the first answer again: whoever sent it must learn that
    it arrived. Raises NotFound in all other cases of a room that is gone for them.
    """
    try:
        room = room_for(actor, room_id)
    except NotFound:
        sent = find_by_key(actor, key)
        if sent is None or sent.content_hash != content_hash(room_id, clean(text)):
            raise
        return sent
    return post_message(actor, room, text, key=key)


def _store(actor, room, text, key, hashed, body):
    with transaction() as record:
        lock(room.stream)  # below, the room is as it will be when this commits
        if sent := find_by_key(actor, key):
            return _first_answer(sent, hashed)
        authorize(can_post(actor, room_for(actor, room.id)))
        seq = next_seq(room.stream)
        message = Message(
            room_id=room.id,
            author_id=actor.id,
            key=key,
            content_hash=hashed,
            seq=seq,
            v=seq,
            rev=1,
            text=text,
            html=body.html,
            renderer=RENDERER,
            mentions_room=body.mentions_room,
            created_at=now(),
            mentions=[Mention(user_id=user_id, room_id=room.id, seq=seq) for user_id in body.mentions],
        )
        db.session.add(message)
        db.session.flush()
        record(MessagePosted(message.id, room.id, seq))
    return message


def _first_answer(sent, hashed):
    if sent.content_hash != hashed:
        raise Conflict("This key was used for another message. Use a new one.", field="key")
    return sent
