"""Who may do what in a room: one table of standings and verbs. A new role is a new standing in the rows below."""

from chat.accounts.policy import may as may_here
from chat.core.authorize import allow, deny
from chat.rooms.queries import membership_of

# How somebody stands to a room. A steward runs the community and looks after public rooms without owning them; a warden
# moderates the community, and so public rooms. Guests and bots are nowhere but in their rooms.
OWNER, MODERATOR, MEMBER, GUEST, BOT = "owner", "moderator", "member", "guest", "bot"
STEWARD, WARDEN, VISITOR, OUTSIDER = "steward", "warden", "visitor", "outsider"
INSIDE = {OWNER, MODERATOR, MEMBER, GUEST, BOT}
READERS = {STEWARD, WARDEN, VISITOR}
KEEPERS = {OWNER, MODERATOR, STEWARD, WARDEN}

ROLES = (OWNER, MODERATOR, MEMBER)  # in a room

#   verb          standings that may        what the others read
TABLE = {
    "see":        (INSIDE | READERS,        "There is no such room."),
    "join":       (READERS,                 "You are in #{room} already."),
    "leave":      (INSIDE,                  "You are not in #{room}."),
    "post":       (INSIDE,                  "Join #{room} to write here."),
    "mention_all": ({OWNER, MODERATOR},     "Only owners and moderators of #{room} can call everyone."),
    "add":        (INSIDE - {GUEST, BOT},   "Join #{room} to add people to it."),
    "remove":     (KEEPERS,                 "Only an owner or moderator of #{room} can remove people."),
    "set_role":   ({OWNER, STEWARD},        "Only an owner of #{room} can change roles."),
    "change":     ({OWNER, STEWARD},        "Only an owner of #{room} can change it."),
    "archive":    ({OWNER, STEWARD},        "Only an owner of #{room} can archive it."),
    "moderate":   (KEEPERS,                 "Only an owner or moderator of #{room} can delete what others wrote."),
    "slow_down":  (KEEPERS,                 "Only an owner or moderator of #{room} can slow it down."),
    "history":    (KEEPERS,                 "Only its author and who moderates #{room} can see what it said before."),
}  # fmt: skip

# What an archived room still allows: reading, leaving, and opening it again.
IN_ARCHIVED = {"see", "leave", "archive", "history"}


def standing(actor, room):
    """How `actor` stands to `room` now. One query, or none when the membership is at hand."""
    membership = membership_of(actor, room)
    return standing_of(actor.role, membership and membership.role, room.kind)


def standing_of(role, membership_role, kind):
    """The same from plain values: a person's role here, their role in the room (None: not in it), the room's kind."""
    if role in ("guest", "bot"):
        return OUTSIDER if not membership_role else GUEST if role == "guest" else BOT
    public = kind != "private"
    if membership_role == OWNER or (membership_role and public and role in ("owner", "admin")):
        return OWNER
    if membership_role == MODERATOR or (membership_role and public and role == "moderator"):
        return MODERATOR
    if membership_role:
        return MEMBER
    if not public:
        return OUTSIDER
    return {"owner": STEWARD, "admin": STEWARD, "moderator": WARDEN}.get(role, VISITOR)


def may(actor, room, verb):
    return decide(standing(actor, room), verb, name=room.name, archived=room.archived_at is not None)


def decide(standing, verb, *, name, archived=False):
    """Whether someone who stands so to the room of this name may do this: `may` from plain values."""
    if archived and verb not in IN_ARCHIVED:
        return deny(f"#{name} is archived. Open it again first.")
    standings, refusal = TABLE[verb]
    return allow if standing in standings else deny(refusal.format(room=name))


def can_lose(room):
    """Whether anything that was said in a room may be deleted, by whomever."""
    if room.legal_hold:
        return deny("This room is on legal hold: nothing in it is deleted until that is lifted.")
    return allow


def can_remove(actor, membership):
    """Whether the actor may take this person out of their room. Moderators take out members, not each other."""
    verdict = may(actor, membership.room, "remove")
    if verdict and membership.role in (OWNER, MODERATOR) and standing(actor, membership.room) in (MODERATOR, WARDEN):
        return deny(f"Only an owner of #{membership.room.name} can remove its owners and moderators.")
    return verdict


def can_create_room(actor):
    return may_here(actor, "create_room")
