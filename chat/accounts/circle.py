"""Whom people may know of: everybody, and guests and bots those of their rooms.

What a room is, accounts do not know: chat/rooms/circle.py fills in the rule.
"""

from sqlalchemy import true

from chat.accounts.models import User
from chat.accounts.policy import can_see_everyone

# select_of_rooms(guest's id) → a select of the ids of everyone who is or was in a room that the guest is in.
select_of_rooms = None


def meet_in_rooms(select):
    """Set the rule. Called once, by the noun that knows rooms."""
    global select_of_rooms
    select_of_rooms = select


def is_in_circle_of(actor):
    """A condition on User: whoever `actor` may know of. Nobody is a stranger to themselves."""
    if can_see_everyone(actor):
        return true()
    return (User.id == actor.id) | User.id.in_(select_of_rooms(actor.id))
