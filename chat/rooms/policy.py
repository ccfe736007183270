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
    return standing_of(actor.role, membership and membership.role, room.kind)


def standing_of(role, membership_role, kind):
    """The same from plain values: a person's role here, their role in the room (None: not in it), the room's kind."""
    if membership_role == "owner":
        return OWNER
    private = kind == "private"
    if role in ("owner", "admin") and not private:
        return OWNER if membership_role else STEWARD
    if membership_role:
        return MEMBER
    return OUTSIDER if private else VISITOR


def may(actor, room, verb):
    return decide(standing(actor, room), verb, name=room.name, archived=room.archived_at is not None)


def decide(standing, verb, *, name, archived=False):
    """Whether someone who stands so to the room of this name may do this: `may` from plain values."""
    if archived and verb not in IN_ARCHIVED:
        return deny(f"#{name} is archived. Open it again first.")
    standings, refusal = TABLE[verb]
    return allow if standing in standings else deny(refusal.format(room=name))


def can_create_room(actor):
    return deny("Guests cannot create rooms.") if actor.role == "guest" else allow
