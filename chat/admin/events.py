"""What can happen in running a community. Ids and plain values only; see chat/wiring.py for what follows."""

from dataclasses import dataclass

from chat.streams.log import Change, room_stream


@dataclass(frozen=True)
class RoomPurged:
    """Old messages of a room are gone, in one bulk change that ended at number `seq`. Its log has no entry for that."""

    room_id: int
    seq: int

    def changes(self):
        return [Change(room_stream(self.room_id), self.seq, "purged", self.room_id)]
