"""Who may do what in a room: one table of standings and verbs. A new role is a new standing in the rows below."""

from chat.core.authorize import allow, deny
from chat.rooms.queries import membership_of

# How somebody stands to a room. A steward runs the community and looks after public rooms without owning them.
OWNER, MEMBER, STEWARD, VISITOR, OUTSIDER = "owner", "member", "steward", "visitor", "outsider"
INSIDE = {OWNER, MEMBER}

#   verb          standings that may        what the others read
TABLE = {
    "see":        (INSIDE | {STEWARD, VISITOR}, "There is no such room."),
    "join":       ({STEWARD, VISITOR},      "You are in #{room} already."),
    "leave":      (INSIDE,                  "You are not in #{room}."),
    "post":       (INSIDE,                  "Join #{room} to write here."),
    "mention_all": ({OWNER},                "Only owners of #{room} can call everyone."),
    "add":        (INSIDE,                  "Join #{room} to add people to it."),
    "remove":     ({OWNER, STEWARD},        "Only an owner of #{room} can remove people."),
    "set_role":   ({OWNER, STEWARD},        "Only an owner of #{room} can change roles."),
    "change":     ({OWNER, STEWARD},        "Only an owner of #{room} can change it."),
    "archive":    ({OWNER, STEWARD},        "Only an owner of #{room} can archive it."),
    "moderate":   ({OWNER, STEWARD},        "Only an owner of #{room} can delete what others wrote."),
    "history":    ({OWNER, STEWARD},        "Only its author and owners of #{room} can see what it said before."),
}  # fmt: skip

# What an archived room still allows: reading, leaving, and opening it again.
IN_ARCHIVED = {"see", "leave", "archive", "history"}


def standing(actor, room):
    """How `actor` stands to `room` now. One query, or none when the membership is at hand."""
    membership = membership_of(actor, room)
    if membership and membership.role == "owner":
        return OWNER
    runs_it = actor.role in ("owner", "admin") and not room.is_private
    if runs_it:
        return STEWARD if not (membership and membership.role) else OWNER
    if membership and membership.role:
        return MEMBER
    return OUTSIDER if room.is_private else VISITOR


def may(actor, room, verb):
    standings, refusal = TABLE[verb]
    if room.archived_at and verb not in IN_ARCHIVED:
        return deny(f"#{room.name} is archived. Open it again first.")
    return allow if standing(actor, room) in standings else deny(refusal.format(room=room.name))


def can_create_room(actor):
    return deny("Guests cannot create rooms.") if actor.role == "guest" else allow
