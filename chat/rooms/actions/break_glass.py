from chat.accounts.policy import can_break_glass
from chat.core.authorize import authorize
from chat.core.db import db
from chat.core.transaction import transaction
from chat.rooms.actions.members import enter
from chat.rooms.events import RoomChanged
from chat.rooms.queries import membership_of, private_room
from chat.site.events import Audited
from chat.site.names import one_line
from chat.streams.log import AUDIT, lock, next_seq

LONGEST_REASON = 200  # characters


def open_as_owner(actor, room_id, reason):
    """Come into a private room that one is not in, as the owner of the community. Returns the Room.

    Never unseen: everybody in it reads who came and why, before the owner can read a word, and so does the audit log.
    The owner is a member like others from then on, and leaves like them. In it already: nothing changes.

    Raises Forbidden; NotFound when there is no such private room; Invalid for no reason, or a long one.
    """
    authorize(can_break_glass(actor))
    reason = one_line(reason, field="reason", missing="Say why: everybody in the room reads it.", length=LONGEST_REASON)
    room = private_room(room_id)
    with transaction() as record:
        lock(room.stream, actor.stream, AUDIT)
        authorize(can_break_glass(actor))
        found = membership_of(actor, room)
        if not (found and found.role):
            room.v = next_seq(room.stream)
            db.session.flush()
            record(RoomChanged(room.id, room.v, "opened", actor.id, reason))
            enter(record, room, actor, role="member", by=actor)
            record(Audited(actor.id, "room_opened", "room", room.id, {"reason": reason}))
    return room
