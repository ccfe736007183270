"""Every event on the wire: its name, its fields, and one example. docs/protocol.md is held against this by a test.

`parse` checks what a client sent: unknown fields and wrong types are refused, naming the field, and never reach an
action.
"""

import re
from dataclasses import dataclass, field
from types import SimpleNamespace

from chat.core.errors import Invalid

PROTO = 1
MAX_NUMBER = 2**53 - 1


@dataclass(frozen=True)
class Field:
    """One field: what its value must be, in a sentence for people and a check for us."""

    says: str
    check: object
    required: bool = True


def number(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_NUMBER


def string(value):
    return isinstance(value, str)


def truth(value):
    return isinstance(value, bool)


def is_name(value):
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_-]{1,64}", value) is not None


def nothing_yet(value):
    """For fields of the protocol whose feature this server does not have: only their empty value is accepted."""
    return value is None or value == []


def cursors(value):
    return (
        isinstance(value, dict)
        and len(value) <= 500
        and all(isinstance(k, str) and len(k) <= 40 and (v is None or number(v)) for k, v in value.items())
    )


ROOM = Field("the id of a room", number)
MESSAGE = Field("the id of a message", number)
SEQ = Field("a number of the room's stream", number)
TEXT = Field("a text", string)
NAME = Field("the name, of 1 to 64 letters, digits, - and _, that you chose for an event stream", is_name, False)


@dataclass(frozen=True)
class ClientEvent:
    """policy   who may send it to which effect; decided in the action behind it. One without cannot be made.
    scope    what a token must allow for it
    limit    whose bucket it takes from, see LIMIT_… in config.py
    """

    policy: str
    scope: str
    fields: dict
    example: dict
    answer: dict = field(default_factory=dict)
    limit: str = "event"


CHAT = {
    "join": ClientEvent(
        "whoever may see the room; guests and bots are added by others",
        "write",
        {"room": ROOM},
        {"room": 7},
        {"room": 7, "head": 41},
        limit="room",
    ),
    "leave": ClientEvent("members of the room", "write", {"room": ROOM}, {"room": 7}, limit="room"),
    "message": ClientEvent(
        "members of the room, while it is open",
        "write",
        {
            "room": ROOM,
            "text": TEXT,
            "key": Field("1 to 64 visible characters that you choose", string),
            "thread": Field("empty: threads are not here yet", nothing_yet, required=False),
            "attachments": Field("empty: attachments are not here yet", nothing_yet, required=False),
            "reply_to": Field("empty: replies are not here yet", nothing_yet, required=False),
        },
        {"room": 7, "text": "Is this thing on?", "key": "5f0c5e0e-7b38-4f3e-9d3a-0a4a1f6f9d10"},
        {"message": "…"},
        limit="send",
    ),
    "edit": ClientEvent(
        "the author, while they may write there",
        "write",
        {"message": MESSAGE, "text": TEXT, "rev": Field("the `rev` you edited", number, required=False)},
        {"message": 12, "text": "Is this thing on now?", "rev": 1},
        {"message": "…"},
        limit="edit",
    ),
    "delete": ClientEvent(
        "the author; whoever moderates the room",
        "write",
        {"message": MESSAGE},
        {"message": 12},
        {"message": "…"},
        limit="edit",
    ),
    "read": ClientEvent(
        "members of the room, their own position",
        "write",
        {"room": ROOM, "seq": SEQ},
        {"room": 7, "seq": 41},
        {"seq": 41, "v": 9},
        limit="read",
    ),
    "unread": ClientEvent(
        "members of the room, their own position",
        "write",
        {"room": ROOM, "seq": SEQ},
        {"room": 7, "seq": 40},
        {"seq": 39, "v": 10},
        limit="read",
    ),
    "resume": ClientEvent(
        "oneself: streams that one may follow, the others are gone",
        "read",
        {
            "epoch": Field("the epoch of the copies you hold", string),
            "streams": Field("an object of at most 500 streams: name to cursor, or null", cursors),
            "all": Field("true to be told about every room you are in", truth, required=False),
        },
        {"epoch": "k7f2…", "streams": {"room:7": 40, "user:3": 8, "site": 2}, "all": True},
        {"epoch": "k7f2…", "streams": {"room:7": {"head": 41, "frames": ["…"], "upto": 41, "more": False}}},
        limit="resume",
    ),
}

PRESENCE = {
    "typing": ClientEvent(
        "members of the room",
        "write",
        {"room": ROOM, "on": Field("true or false", truth), "thread": Field("empty", nothing_yet, required=False)},
        {"room": 7, "on": True},
        limit="typing",
    ),
    "here": ClientEvent(
        "oneself",
        "read",
        {
            "active": Field("true while somebody is at the screen", truth),
            "room": Field("the id of the room on screen, or null", lambda v: v is None or number(v), required=False),
            "presence": NAME,
        },
        {"active": True, "room": 7},
        limit="typing",
    ),
}

CLIENT = {"/chat": CHAT, "/presence": PRESENCE}


@dataclass(frozen=True)
class ServerEvent:
    """to   who gets it; decided by the subscriptions of the pump, and by what the stream is"""

    to: str
    fields: tuple


_ROOM = "members of the room"
_ONE = "one connection, about itself"

# What the server sends. A frame whose event is not here, with its audience, cannot be sent: see `frames.Frame`.
SERVER = {
    "/chat": {
        "hello": ServerEvent(_ONE, ("proto", "epoch", "user", "streams", "server_time", "limits")),
        "message": ServerEvent(_ROOM, ("stream", "seq", "change", "message", "html")),
        "member": ServerEvent(_ROOM, ("stream", "seq", "change", "user", "role", "v", "by", "html")),
        "room": ServerEvent(_ROOM, ("stream", "seq", "change", "room", "by", "html")),
        "me": ServerEvent("that person", ("stream", "seq", "change", "room")),
        "site": ServerEvent("everyone; guests and bots about the people of their rooms", ("stream", "seq", "change")),
        "tick": ServerEvent("whoever follows the stream and may not see the frame", ("stream", "seq")),
        "subscribed": ServerEvent(_ONE, ("stream", "head")),
        "reset": ServerEvent(_ONE, ("stream", "reason")),
        "gone": ServerEvent(_ONE, ("stream", "reason")),
        "bye": ServerEvent(_ONE, ("reason", "after_ms")),
    },
    "/presence": {
        "typing": ServerEvent("members who have the room open", ("room", "user", "on")),
        "presence": ServerEvent("everyone; guests and bots about the people of their rooms", ("user", "state")),
    },
}


def parse(namespace, event, data):
    """Return the fields of a client's event as attributes; a missing optional one is None. Raises Invalid."""
    known = CLIENT[namespace][event].fields
    if not isinstance(data, dict):
        raise Invalid(f"Send one object with {', '.join(known)}.")
    for name in data:
        if name not in known:
            raise Invalid(f"{event} has no field {str(name)[:40]!r}; it has {', '.join(known)}.", field=str(name)[:40])
    for name, expected in known.items():
        if name not in data:
            if expected.required:
                raise Invalid(f"{name} is missing; it is {expected.says}.", field=name)
        elif not expected.check(data[name]):
            raise Invalid(f"{name} must be {expected.says}.", field=name)
    return SimpleNamespace(**{name: data.get(name) for name in known})
