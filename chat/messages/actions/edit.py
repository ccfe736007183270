from chat.core.authorize import authorize
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Conflict, NotFound
from chat.core.transaction import transaction
from chat.messages.events import MessageEdited
from chat.messages.formatting import RENDERER
from chat.messages.models import Edit, Mention
from chat.messages.pace import refuse_links_of_new
from chat.messages.policy import can_edit
from chat.messages.presenter import present
from chat.messages.queries import NO_MESSAGE
from chat.messages.text import body_of, clean
from chat.rooms.queries import room_for
from chat.streams.log import lock, next_seq


def edit_message(actor, message, text, *, rev=None):
    """Replace the text of one's own message and return it. The text it had is kept in its history.

    rev     the `rev` that the edit was made from, when known. An older one is refused, so that two windows cannot
            overwrite each other. An edit to the present text is done already, whatever its `rev`.
    Raises  Invalid; Forbidden; NotFound when it was deleted; Conflict, with the message as it is, for an older `rev`.
    """
    text = clean(text)
    body = body_of(actor.id, message.room_id, text)
    with transaction() as record:
        lock(message.room.stream)
        room_for(actor, message.room_id)
        authorize(can_edit(actor, message))
        if message.deleted_at:
            raise NotFound(NO_MESSAGE, field="message")
        if text == message.text:
            return message
        refuse_links_of_new(actor, body.html)
        if rev is not None and rev != message.rev:
            refusal = "This message was edited in another window. Look at its text and try again."
            raise Conflict(refusal, field="rev", current=present(message).to_json())
        moment = now()
        db.session.add(
            Edit(message_id=message.id, rev=message.rev, text=message.text, html=message.html, replaced_at=moment)
        )
        seq = next_seq(message.room.stream)
        message.text, message.html, message.renderer = text, body.html, RENDERER
        message.rev, message.v, message.edited_at = message.rev + 1, seq, moment
        message.mentions_room = body.mentions_room
        kept = {mention.user_id: mention for mention in message.mentions}
        message.mentions = [
            kept.get(user_id) or Mention(user_id=user_id, room_id=message.room_id, seq=message.seq)
            for user_id in body.mentions
        ]
        db.session.flush()
        record(MessageEdited(message.id, message.room_id, seq))
    return message
