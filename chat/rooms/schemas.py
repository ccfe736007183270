"""What the API takes and gives about rooms."""

import marshmallow as ma

from chat.accounts.schemas import Page, Person, identity, string
from chat.core.rest import Exact, answers
from chat.rooms.names import NAME_LENGTH, TOPIC_LENGTH
from chat.rooms.policy import ROLES

KINDS = ("public", "private")


class Room(Exact):
    """A place people talk."""

    id = identity()
    kind = string("who finds it: everybody, or those who are in it", validate=ma.validate.OneOf(KINDS))
    name = string("lower case, without the #")
    topic = string("one line")
    description = string("several lines")
    archived = ma.fields.Boolean(required=True)
    slow_mode_seconds = ma.fields.Integer(
        required=True, metadata={"description": "between two messages of one member; 0: no wait"}
    )
    v = ma.fields.Integer(required=True, metadata={"description": "how new this is, in the room's stream"})
    joined = ma.fields.Boolean(required=True, metadata={"description": "whether you are in it"})
    members = ma.fields.Integer(required=True, metadata={"description": "how many people are in it"})


class Member(Exact):
    person = ma.fields.Nested(Person, required=True)
    role = string("what they are in this room", validate=ma.validate.OneOf(ROLES))
    since = string("when they came in")


NEXT = ma.fields.Integer(
    required=True, allow_none=True, metadata={"description": "`after` of the next page; null: this is the last"}
)
RoomAnswer = answers("RoomAnswer", room=ma.fields.Nested(Room, required=True))
RoomsAnswer = answers("RoomsAnswer", rooms=ma.fields.List(ma.fields.Nested(Room), required=True), next=NEXT)
MembersAnswer = answers("MembersAnswer", members=ma.fields.List(ma.fields.Nested(Member), required=True), next=NEXT)


class RoomsPage(Page):
    q = ma.fields.String(
        load_default="",
        validate=ma.validate.Length(0, 60),
        metadata={"description": "in the name, topic or description"},
    )


class NewRoom(Exact):
    name = ma.fields.String(
        required=True,
        validate=ma.validate.Length(1, NAME_LENGTH),
        metadata={"description": "letters and digits of any script, with dashes between words", "format": "room-name"},
    )
    kind = ma.fields.String(load_default="public", validate=ma.validate.OneOf(KINDS))
    topic = ma.fields.String(load_default="", validate=ma.validate.Length(0, TOPIC_LENGTH))
