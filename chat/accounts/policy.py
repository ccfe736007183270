"""Who may do what in the community: one table of roles and verbs. A new role is a new column, a new verb a new row."""

from chat.core.authorize import allow, deny
from chat.core.clock import now
from chat.site.queries import setting

NO_PASSWORDS = "Passwords are switched off here, except for owners. Sign in with one of the buttons."

ROLES = ("owner", "admin", "moderator", "member", "guest", "bot")  # a person's; whoever comes first ranks higher
STAFF = ("owner", "admin", "moderator")

# SET: as the setting `who_may_<verb>` of the community says, see site/settings.py. LOWER: to people of a lower rank.
YES, OWN, SET, LOWER, NO = "yes", "own", "set", "lower", "no"

#   verb               owner  admin  moder. member guest  bot    what the others read
TABLE = {
    "see_people":      ((YES,   YES,   YES,   YES,   YES,   YES),   "You cannot see who is here."),
    "see_everyone":    ((YES,   YES,   YES,   YES,   NO,    NO),    "You see the people of your rooms."),
    "see_email":       ((YES,   YES,   OWN,   OWN,   OWN,   NO),    "Only administrators can see e-mail addresses."),
    "invite":          ((YES,   YES,   SET,   SET,   NO,    NO),    "Only administrators can invite people."),
    "see_invites":     ((YES,   YES,   OWN,   OWN,   NO,    NO),
                        "Only administrators can see the invites of others."),
    "revoke_invite":   ((YES,   YES,   OWN,   OWN,   NO,    NO),
                        "Only administrators can revoke the invites of others."),
    "set_sign_up":     ((YES,   YES,   NO,    NO,    NO,    NO),    "Only administrators can decide who may sign up."),
    "edit_profile":    ((OWN,   OWN,   OWN,   OWN,   OWN,   NO),    "People change their own profiles."),
    "end_session":     ((OWN,   OWN,   OWN,   OWN,   OWN,   OWN),   "People end their own sessions."),
    "change_factors":  ((OWN,   OWN,   OWN,   OWN,   OWN,   NO),    "People change their own second factors."),
    "make_token":      ((OWN,   OWN,   OWN,   OWN,   OWN,   NO),    "People make their own tokens."),
    "create_room":     ((YES,   YES,   YES,   SET,   NO,    NO),
                        "Guests and bots cannot create rooms, and administrators decide who else can."),
    "report":          ((YES,   YES,   YES,   YES,   YES,   NO),    "You cannot report messages."),
    "block":           ((YES,   YES,   YES,   YES,   YES,   NO),    "You cannot block people."),
    "see_reports":     ((YES,   YES,   YES,   NO,    NO,    NO),    "Only moderators can see reports."),
    "suspend":         ((LOWER, LOWER, LOWER, NO,    NO,    NO),
                        "Only moderators can suspend people, and only those of a lower role."),
    "remove_content":  ((LOWER, LOWER, LOWER, NO,    NO,    NO),
                        "Only moderators can remove what others wrote, and only of people of a lower role."),
    "ban":             ((LOWER, LOWER, NO,    NO,    NO,    NO),
                        "Only administrators can ban people, and only those of a lower role."),
    "deactivate":      ((LOWER, LOWER, NO,    NO,    NO,    NO),
                        "Only administrators can close accounts, and only those of people of a lower role."),
    "set_role":        ((LOWER, LOWER, NO,    NO,    NO,    NO),
                        "Only administrators can change roles, and only of people of a lower role."),
    "help_sign_in":    ((LOWER, LOWER, NO,    NO,    NO,    NO),
                        "Only administrators can help people to sign in, and only those of a lower role."),
    "erase":           ((LOWER, NO,    NO,    NO,    NO,    NO),    "Only the owner can erase people."),
    "administer":      ((YES,   YES,   NO,    NO,    NO,    NO),    "Only administrators can see this."),
    "see_audit":       ((YES,   YES,   NO,    NO,    NO,    NO),    "Only administrators can see the audit log."),
    "change_settings": ((YES,   YES,   NO,    NO,    NO,    NO),    "Only administrators can change settings."),
    "set_passwords":   ((YES,   NO,    NO,    NO,    NO,    NO),
                        "Only the owner can decide whether people sign in with passwords."),
    "set_retention":   ((YES,   YES,   NO,    NO,    NO,    NO),    "Only administrators can decide what is kept."),
    "break_glass":     ((YES,   NO,    NO,    NO,    NO,    NO),    "Only the owner can do that."),
    "transfer":        ((YES,   NO,    NO,    NO,    NO,    NO),    "Only the owner can make somebody else owner."),
}  # fmt: skip


def may(actor, verb, owner_id=None, role=None):
    """Whether `actor` may do this.

    owner_id   whom the thing belongs to, where the table says OWN
    role       the role of the person it is done to, where it says LOWER
    """
    answers, refusal = TABLE[verb]
    answer = answers[ROLES.index(actor.role)] if actor.role in ROLES else NO
    if answer == SET:
        return allow if ranks_at_least(actor.role, setting(f"who_may_{verb}")) else deny(refusal)
    lower = answer == LOWER and outranks(actor, owner_id, role)
    return allow if answer == YES or (answer == OWN and owner_id == actor.id) or lower else deny(refusal)


def outranks(actor, other_id, other_role):
    """Whether the actor stands above somebody else. Owners also above each other, nobody above themselves."""
    if other_role not in ROLES or other_id == actor.id:
        return False
    return actor.role == "owner" or ROLES.index(actor.role) < ROLES.index(other_role)


def ranks_at_least(role, lowest):
    return role in ROLES and lowest in ROLES and ROLES.index(role) <= ROLES.index(lowest)


def can_see_people(actor):
    return may(actor, "see_people")


def sees_everyone(role):
    """`can_see_everyone` by the role alone."""
    answers, _ = TABLE["see_everyone"]
    return role in ROLES and answers[ROLES.index(role)] == YES


def can_see_everyone(actor):
    """Whether they may know of everybody here; guests know the people of their rooms."""
    return may(actor, "see_everyone")


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


def can_make_token(actor):
    return may(actor, "make_token", actor.id)


def can_come_in(user):
    """Whether somebody may sign in at all, by whatever way. The refusal is not theirs to read: a closed account looks
    like none."""
    closed = user.deactivated_at or user.role == "bot" or (user.suspended_until and user.suspended_until > now())
    return deny("This account is closed.") if closed else allow


def can_use_password(user):
    """Whether a password still signs this person in: owners always, so that nobody is locked out."""
    return allow if setting("password_sign_in") or user.role == "owner" else deny(NO_PASSWORDS)


def can_administer(actor):
    return may(actor, "administer")


def can_to(actor, verb, user):
    """Whether the actor may do this to that person: `suspend`, `ban`, `set_role` and the like."""
    return may(actor, verb, user.id, user.role)


def can_block(actor, user):
    """Whether the actor may stop hearing this person; and hear them again, which nobody is kept from."""
    if user.id == actor.id:
        return deny("You cannot mute yourself.")
    return may(actor, "block")


def can_break_glass(actor):
    return may(actor, "break_glass")


def can_step_down(actor):
    return may(actor, "transfer")


def can_give_role(actor, user, role):
    """Whether the actor may make this person a `role`: nobody gives a rank that they do not stand above, but owners."""
    verdict = can_to(actor, "set_role", user)
    if not verdict:
        return verdict
    if role not in ROLES or role == "bot" or user.role == "bot":
        return deny("Choose owner, admin, moderator, member or guest; bots stay bots.")
    if role == "owner":
        return may(actor, "transfer")
    if actor.role == "owner" or ROLES.index(actor.role) < ROLES.index(role):
        return allow
    return deny("You can give only roles below your own.")


def can_change_factors(actor, owner_id=None):
    """Whether the actor may change this person's second factors; by default their own."""
    return may(actor, "change_factors", actor.id if owner_id is None else owner_id)


# Who the setting `second_factor` is about: its value → roles. Never bots: they have no password either.
NEED_FACTOR = {
    "admin": ("owner", "admin"),
    "moderator": STAFF,
    "everyone": tuple(role for role in ROLES if role != "bot"),
}


def needs_second_factor(user):
    """Whether the community lets this person in only with a second factor. queries.is_held_up says it to the database,
    and with it whether they have one."""
    return user.role in NEED_FACTOR.get(setting("second_factor"), ())


def can_remove_last_factor(actor):
    if needs_second_factor(actor):
        return deny("You need a second factor here. Set up another before you remove this one.")
    return allow


def state_of_invite(invite):
    """What has become of an invite: "open", "expired", "used up" or "revoked"."""
    if invite.revoked_at or not can_invite(invite.created_by):  # who made it may not invite any more
        return "revoked"
    if invite.max_uses is not None and invite.uses >= invite.max_uses:
        return "used up"
    return "expired" if invite.expires_at and invite.expires_at <= now() else "open"
