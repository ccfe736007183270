"""What the API takes and gives about messages."""

import marshmallow as ma

from chat.accounts.schemas import Author, identity, optional, string, whole
from chat.core.rest import Exact, Whole, answers
from chat.messages.text import KEY, LONGEST

MOST = 2**53 - 1
# Something to see: neither a space nor one of the characters that `text.clean` takes away.
SEEN = r"[^\s\u0000-\u0020\u007f\u0085\u00a0\ufeff\u202a-\u202e\u2066-\u2069]"


class Message(Exact):
    """A message, as everywhere: docs/protocol.md says what each field means."""

    id = identity()
    room = identity("the id of its room")
    seq = ma.fields.Integer(required=True, metadata={"description": "its place in the room"})
    v = ma.fields.Integer(required=True, metadata={"description": "how new this is, in the room's stream"})
    rev = ma.fields.Integer(required=True, metadata={"description": "counts edits of the text"})
    key = string("what its author's program chose")
    author = ma.fields.Nested(Author, required=True)
    text = string("Markdown as typed; of a deleted one nothing")
    html = string("the same, rendered")
    created_at = string("when it was posted")
    edited_at = optional("when its text last changed")
    deleted_at = optional("when it was deleted")
    thread = ma.fields.Integer(required=True, allow_none=True)
    reactions = ma.fields.List(ma.fields.Dict(), required=True)
    attachments = ma.fields.List(ma.fields.Dict(), required=True)
    reply_to = ma.fields.Integer(required=True, allow_none=True)
    mentions = ma.fields.List(ma.fields.Integer(), required=True, metadata={"description": "ids of people"})
    mentions_room = ma.fields.Boolean(required=True)
    pinned = ma.fields.Dict(required=True, allow_none=True)


MessageAnswer = answers("MessageAnswer", message=ma.fields.Nested(Message, required=True))
MessagesAnswer = answers(
    "MessagesAnswer",
    messages=ma.fields.List(ma.fields.Nested(Message), required=True, metadata={"description": "the oldest first"}),
    has_older=ma.fields.Boolean(required=True),
    has_newer=ma.fields.Boolean(required=True),
    head=ma.fields.Integer(
        required=True, metadata={"description": "the room's newest number: a cursor to resume from"}
    ),
)


class MessagesPage(Exact):
    """`before`, `after` or `around`, a `seq` each; of several the last of these counts, without any the newest page."""

    before = whole(0, MOST, metadata={"description": "the messages just before this number"})
    after = whole(0, MOST, metadata={"description": "the messages just after this number"})
    around = whole(0, MOST, metadata={"description": "half before this number, half from it on"})
    limit = whole(1, 100, load_default=50)


def message_text():
    return string(
        "Markdown",
        validate=[
            ma.validate.Length(1, LONGEST),
            ma.validate.Regexp(rf"^[\s\S]*{SEEN}[\s\S]*$", error="Write something first."),
        ],
    )


class NewMessage(Exact):
    text = message_text()


class Keyed(ma.Schema):
    key = ma.fields.String(
        data_key="Idempotency-Key",
        validate=ma.validate.Regexp(rf"^{KEY.pattern}$", error="Use 1 to 64 visible ASCII characters, such as a UUID."),
        metadata={"description": "Sent again with the same, it is stored once, and the first answer comes again."},
    )


class EditedMessage(Exact):
    text = message_text()
    rev = Whole( validate=ma.validate.Range(1, MOST),
        metadata={"description": "the `rev` you edited; an older one than the message has is refused"},
    )  # fmt: skip
