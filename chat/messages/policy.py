"""Who may do what to messages. What a room allows is in rooms/policy.py; these add whose message it is."""

from chat.core.authorize import allow, deny
from chat.rooms.policy import OUTSIDER, can_lose, decide, may, standing_of


def can_post(place):
    """From a row of `queries.place_of`: a person, a room, and how one stands to the other."""
    standing = standing_of(place.role, place.membership_role, place.kind)
    return decide(standing, "post", name=place.room_name, archived=place.archived)


def is_hidden(place):
    """Whether this person may not even know of the room."""
    return standing_of(place.role, place.membership_role, place.kind) == OUTSIDER


def can_edit(actor, message):
    if message.author_id != actor.id:
        return deny("Only the author can edit a message.")
    return may(actor, message.room, "post")


def can_delete(actor, message):
    verdict = may(actor, message.room, "post" if message.author_id == actor.id else "moderate")
    return verdict and can_lose(message.room)


def can_see_history(actor, message):
    """Earlier texts: for the author and whoever looks after the room."""
    return allow if message.author_id == actor.id else may(actor, message.room, "history")
