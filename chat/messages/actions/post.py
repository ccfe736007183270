from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

from chat.accounts.asker import Asker
from chat.accounts.queries import is_id
from chat.core.authorize import authorize
from chat.core.clock import now
from chat.core.errors import Conflict, NotFound, Unauthorized
from chat.messages.events import MessagePosted
from chat.messages.formatting import RENDERER, Body
from chat.messages.pace import is_slowed, refuse_haste
from chat.messages.policy import can_post, is_hidden
from chat.messages.presenter import Fresh, present_posted, present_sent
from chat.messages.queries import find_by_key, place_of, store_message
from chat.messages.text import body_of, check_key, clean, content_hash
from chat.rooms.queries import NO_ROOM
from chat.streams.log import Moment, advance, room_stream, together


def post_message(actor, room, text, *, key, waiting=nullcontext):
    """Post `text` to `room` as `actor` and return the MessageView of the stored message.

    The form, the socket, webhooks and importers all call this. The same `key` from the same actor returns the first
    message again, whatever became of it: also to someone who was removed from the room since, who must learn that it
    arrived.

    text     Markdown as typed, 1 to 20,000 characters.
    key      chosen by the client, 1 to 64 characters.
    waiting  a context manager, held while the message is on its way to the disk: see chat/core/ledger.py.
    Raises   Invalid; Forbidden when the actor may not post here; NotFound when the room is gone for them; Conflict when
             the key was used for another text; RateLimited in a slow room, and for new accounts.
    """
    return post_in(actor, room.id, text, key=key, waiting=waiting)


def post_in(actor, room_id, text, *, key, waiting=nullcontext):
    """`post_message` for a room of which only the id is known, as requests bring it. Of the actor only the `id`
    counts."""
    text, key = clean(text), check_key(key)
    if not is_id(room_id):
        raise NotFound(NO_ROOM, field="room")
    body = body_of(actor.id, room_id, text)  # CPU work, before any lock
    asker = actor if isinstance(actor, Asker) else None
    draft = Draft(room_id, actor.id, key, content_hash(room_id, text), text, body, asker)
    return together(partial(_post, draft), room_stream(room_id), waiting=waiting)


@dataclass(frozen=True, slots=True)
class Draft:
    """A message as its author sends it, ready to be stored."""

    room_id: int
    author_id: int
    key: str
    content_hash: str
    text: str
    body: Body
    asker: Asker | None  # to be looked at again; others were found by this very request


def _post(draft, record):
    """With the room's stream locked: the room and the author are as they will be when this commits."""
    place = place_of(record.run, draft.author_id, draft.room_id)
    if place and draft.asker and not draft.asker.is_still_here(record.run, place.access):
        raise Unauthorized
    if place is None or not (verdict := can_post(place)) or place.deactivated:
        if sent := _first(record, draft, place):
            return sent
        if place is None or is_hidden(place):
            raise NotFound(NO_ROOM, field="room")
        authorize(verdict)
        raise Unauthorized("This account is closed.")
    if is_slowed(place):
        if sent := _first(record, draft, place):
            return sent
        refuse_haste(record.run, place, draft)
    seq, created_at, body = place.head + 1, now(), draft.body
    if place.newest_at and place.newest_at > created_at:  # another process wrote that, and its clock is ahead
        created_at = place.newest_at
    message_id = store_message(
        record.run,
        room_id=draft.room_id,
        author_id=draft.author_id,
        key=draft.key,
        content_hash=draft.content_hash,
        seq=seq,
        v=seq,
        text=draft.text,
        html=body.html,
        renderer=RENDERER,
        mentions_room=body.mentions_room,
        created_at=created_at,
        mentions=body.mentions,
    )
    if message_id is None:
        return _first(record, draft, place)
    stream = room_stream(draft.room_id)
    advance(record.run, stream, seq)
    view = present_posted(draft, place, id=message_id, seq=seq, created_at=created_at)
    moment = Moment(place.epoch, place.site, place.access)
    record.handover.setdefault("fresh", {})[stream, seq] = Fresh(view, moment)
    record(MessagePosted(message_id, draft.room_id, seq))
    return view


def _first(record, draft, place):
    """The first answer to this key, or None if there was none. Someone who may not know of the room does not learn that
    the key was used for another text."""
    found = find_by_key(record.run, draft.author_id, draft.key)
    if found and found[0].content_hash != draft.content_hash:
        if place is None or is_hidden(place):
            return None
        raise Conflict("This key was used for another message. Use a new one.", field="key")
    return found and present_sent(*found)
