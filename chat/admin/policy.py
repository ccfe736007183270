"""Who may do what in running the community, beyond the tables of accounts and rooms."""

from chat.accounts.policy import may as may_here
from chat.core.authorize import allow
from chat.rooms.policy import may


def can_see_audit(actor):
    return may_here(actor, "see_audit")


def can_change_settings(actor):
    return may_here(actor, "change_settings")


def can_set_passwords(actor):
    """Whether they decide that people come in through a provider alone: then whoever runs that lets people in."""
    return may_here(actor, "set_passwords")


def can_set_retention(actor):
    """Whether they decide for the whole community what is kept, and what nobody may purge."""
    return may_here(actor, "set_retention")


def can_set_room_retention(actor, room):
    """Whether they decide how long a room keeps its messages. Its owners may keep them for a shorter time than the
    community does: what is more is not theirs to decide."""
    return allow if can_set_retention(actor) else may(actor, room, "change")
