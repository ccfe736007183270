"""Who may do what in the community: one table of roles and verbs. A new role is a new column, a new verb a new row."""

from chat.core.authorize import allow, deny

ROLES = ("owner", "admin", "member")

YES, OWN, NO = "yes", "own", "no"

#   verb              owner  admin  member  what the others read
TABLE = {
    "see_people":    ((YES,   YES,   YES), "You cannot see who is here."),
    "invite":        ((YES,   YES,   YES), "Only administrators can invite people."),
    "see_invites":   ((YES,   YES,   OWN), "Only administrators can see the invites of others."),
    "revoke_invite": ((YES,   YES,   OWN), "Only administrators can revoke the invites of others."),
    "set_sign_up":   ((YES,   YES,   NO),  "Only administrators can decide who may sign up."),
    "edit_profile":  ((OWN,   OWN,   OWN), "People change their own profiles."),
    "end_session":   ((OWN,   OWN,   OWN), "People end their own sessions."),
}  # fmt: skip


def may(actor, verb, owner_id=None):
    """Whether `actor` may do this, to something that belongs to `owner_id` where the table says "own"."""
    answers, refusal = TABLE[verb]
    answer = answers[ROLES.index(actor.role)] if actor.role in ROLES else NO
    return allow if answer == YES or (answer == OWN and owner_id == actor.id) else deny(refusal)


def can_see_people(actor):
    return may(actor, "see_people")


def can_invite(actor):
    return may(actor, "invite")


def can_see_all_invites(actor):
    return may(actor, "see_invites")


def can_see_invite(actor, invite):
    return may(actor, "see_invites", invite.created_by_id)


def can_revoke_invite(actor, invite):
    return may(actor, "revoke_invite", invite.created_by_id)


def can_set_sign_up(actor):
    return may(actor, "set_sign_up")


def can_edit_profile(actor, user):
    return may(actor, "edit_profile", user.id)


def can_end_session(actor, session):
    return may(actor, "end_session", session.user_id)
