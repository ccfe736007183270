"""Messages below /api/v1."""

import uuid

from chat.accounts.asking import asked
from chat.core.db import snapshot
from chat.core.errors import NotFound
from chat.core.rate_limit import limiter
from chat.core.rest import Resource, answer
from chat.messages.actions import delete_message, edit_message, post_in
from chat.messages.presenter import present
from chat.messages.queries import NO_MESSAGE, message_for, page_after, page_around, page_before
from chat.messages.schemas import EditedMessage, Keyed, MessageAnswer, MessagesAnswer, MessagesPage, NewMessage
from chat.rooms.queries import room_for
from chat.streams.log import heads

bp = Resource("messages", __name__, description="What people say.")


@bp.get("/rooms/<int:room_id>/messages")
@asked("read")
@bp.arguments(MessagesPage, location="query")
@bp.response(200, MessagesAnswer)
def messages(actor, page, room_id):
    """A page of a room

    Deleted messages stand in their place, without their text. `seq` of the first is `before` of the page before it,
    `seq` of the last `after` of the next.
    """
    with snapshot():
        room = room_for(actor, room_id)
        head = heads([room.stream])[room.stream]
        found, has_older, has_newer = _page(room, head, **page)
        shown = [present(message).to_json() for message in found]
    return answer(messages=shown, has_older=has_older, has_newer=has_newer, head=head)


def _page(room, head, *, limit, before=None, after=None, around=None):
    """(messages, has_older, has_newer)"""
    if around is not None:
        return page_around(room, min(around, head), limit=limit)
    if after is not None:
        found, has_newer = page_after(room, min(after, head), limit=limit)
        return found, after > 0, has_newer
    before = None if before is None or before > head else before
    found, has_older = page_before(room, before, limit=limit)
    return found, has_older, before is not None


@bp.post("/rooms/<int:room_id>/messages", refuses=(409,))
@asked("write")
@bp.arguments(Keyed, location="headers")
@bp.arguments(NewMessage)
@bp.response(201, MessageAnswer)
def post(actor, headers, form, room_id):
    """Say something in a room

    Without an `Idempotency-Key` a request that is sent again is another message.
    """
    limiter.take("send", actor.id)
    posted = post_in(actor, room_id, form["text"], key=headers.get("key") or str(uuid.uuid4()))
    return answer(201, {"Location": f"/api/v1/messages/{posted.id}"}, message=posted.to_json())


@bp.get("/messages/<int:message_id>")
@asked("read")
@bp.response(200, MessageAnswer)
def message(actor, message_id):
    """One message

    A deleted one is not there any more; pages of the room show its place.
    """
    found = message_for(actor, message_id)
    if found.deleted_at:
        raise NotFound(NO_MESSAGE, field="message")
    return answer(message=present(found).to_json())


@bp.patch("/messages/<int:message_id>", refuses=(409,))
@asked("write")
@bp.arguments(EditedMessage)
@bp.response(200, MessageAnswer)
def edit(actor, form, message_id):
    """Edit your message

    An edit to the present text is done already. `conflict`, with the message as it is, for an older `rev`.
    """
    limiter.take("edit", actor.id)
    edited = edit_message(actor, message_for(actor, message_id), form["text"], rev=form.get("rev"))
    return answer(message=present(edited).to_json())


@bp.delete("/messages/<int:message_id>")
@asked("write")
@bp.response(200, MessageAnswer)
def delete(actor, message_id):
    """Delete a message

    Its place stays. Twice is once.
    """
    limiter.take("edit", actor.id)
    return answer(message=present(delete_message(actor, message_for(actor, message_id))).to_json())
