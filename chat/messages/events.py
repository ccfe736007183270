"""What can happen to messages. Ids and plain values only; see chat/wiring.py for what follows."""

from dataclasses import dataclass

from chat.streams.log import Change, room_stream


@dataclass(frozen=True)
class MessageChanged:
    """`seq` is the number of this change in the room's stream."""

    message_id: int
    room_id: int
    seq: int

    kind = ""

    def changes(self):
        return [Change(room_stream(self.room_id), self.seq, self.kind, self.message_id)]


@dataclass(frozen=True)
class MessagePosted(MessageChanged):
    kind = "posted"


@dataclass(frozen=True)
class MessageEdited(MessageChanged):
    kind = "edited"


@dataclass(frozen=True)
class MessageDeleted(MessageChanged):
    kind = "deleted"


@dataclass(frozen=True)
class MessageUndeleted(MessageChanged):
    """What a moderator took away is there again."""

    kind = "undeleted"
