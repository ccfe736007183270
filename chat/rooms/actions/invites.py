from chat.accounts.actions import create_invite
from chat.core.authorize import authorize
from chat.core.errors import Invalid
from chat.core.transaction import transaction
from chat.rooms.policy import may
from chat.rooms.queries import room_for
from chat.streams.log import lock


def invite_to_rooms(actor, rooms, *, role="member", expires_days=None, max_uses=None):
    """Make an invite whose people are in these rooms from the start. Returns the Invite.

    rooms    none: members start in `general`; guests need at least one.
    Raises   Forbidden, for a room that the actor may not add people to as well; NotFound; Invalid naming the field.
    """
    if role == "guest" and not rooms:
        raise Invalid("Choose the rooms of the guests; they see nothing else.", field="rooms")
    with transaction():
        lock(*(room.stream for room in rooms), actor.stream)
        for room in rooms:
            room_for(actor, room.id)
            authorize(may(actor, room, "add"))
        ids = sorted(room.id for room in rooms) or None
        return create_invite(actor, expires_days=expires_days, max_uses=max_uses, role=role, room_ids=ids)
