"""What can happen to rooms and their members. Ids and plain values only; see chat/wiring.py for what follows."""

from dataclasses import dataclass

from chat.streams.log import Change, room_stream, user_stream


@dataclass(frozen=True)
class RoomChanged:
    """A room was created, renamed, described, archived, restored, slowed down, or opened by the owner of all, as `kind`
    says."""

    room_id: int
    seq: int
    kind: str  # created, renamed, topic, description, archived, restored, slowed, opened
    by_id: int
    reason: str | None = None  # of "opened"
    seconds: int | None = None  # of "slowed"

    def changes(self):
        data = {"by": self.by_id} | ({"reason": self.reason} if self.reason else {})
        if self.seconds is not None:
            data["seconds"] = self.seconds
        return [Change(room_stream(self.room_id), self.seq, self.kind, self.room_id, data)]


@dataclass(frozen=True)
class MemberChanged:
    """Someone joined, left or got another role. `user_seq`: the number in their own stream, None for a role."""

    room_id: int
    user_id: int
    seq: int
    user_seq: int | None
    kind: str  # joined, left, role
    by_id: int

    def changes(self):
        found = [Change(room_stream(self.room_id), self.seq, self.kind, self.user_id, {"by": self.by_id})]
        if self.user_seq is not None:
            own = "room_removed" if self.kind == "left" else "room_added"
            found.append(Change(user_stream(self.user_id), self.user_seq, own, self.room_id))
        return found


@dataclass(frozen=True)
class PositionMoved:
    """Someone read on, or marked a message unread."""

    user_id: int
    room_id: int
    seq: int  # in the person's own stream

    def changes(self):
        return [Change(user_stream(self.user_id), self.seq, "read", self.room_id)]
