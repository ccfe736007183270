from chat.accounts.events import PersonChanged, RoleChanged
from chat.accounts.policy import can_give_role, can_step_down
from chat.accounts.queries import count_of_owners
from chat.core.authorize import authorize
from chat.core.db import db
from chat.core.errors import Conflict, Invalid, NotFound
from chat.core.transaction import transaction
from chat.site.events import Audited
from chat.streams.log import ACCESS, AUDIT, SITE, lock, next_seq

ONLY_OWNER = "{} is the only owner. Make somebody else owner first."


def set_person_role(actor, user, role, *, typed=""):
    """Give somebody another role here. Their connections end and come back with the new rights. Setting what is set
    changes nothing.

    typed    the user name once more, where the role is owner: it cannot be taken back without the new owner.
    Raises   Forbidden; Invalid naming the field; Conflict for the only owner; NotFound for a closed account.
    """
    with transaction() as record:
        lock(SITE, ACCESS, AUDIT)
        authorize(can_give_role(actor, user, role))
        if user.deactivated_at:
            raise NotFound("There is nobody here by that name.")
        if role == "owner" and role != user.role and typed.strip().lower().removeprefix("@") != user.username:
            raise Invalid(f"Type {user.username} to make {user.name} an owner.", field="typed")
        _give(record, user, role, by=actor)
    return user


def step_down(actor):
    """Become an administrator, as an owner. With making somebody else owner this hands the community over.

    Raises Forbidden; Conflict for the only owner.
    """
    with transaction() as record:
        lock(SITE, ACCESS, AUDIT)
        authorize(can_step_down(actor))
        _give(record, actor, "admin", by=actor)


def assign_role(user, role):
    """Give somebody a role, whoever they are: for whoever runs the server. Raises Conflict for the only owner."""
    if user.role == "bot" or role == "bot":
        raise Invalid("Bots stay bots, and nobody becomes one.", field="role")
    with transaction() as record:
        lock(SITE, ACCESS, AUDIT)
        _give(record, user, role, by=None)


def _give(record, user, role, *, by):
    """With the streams locked, so that of two owners who demote each other one comes too late."""
    before = user.role
    if before == role:
        return
    if before == "owner" and count_of_owners() < 2:
        raise Conflict(ONLY_OWNER.format(user.name))
    user.role, user.v = role, next_seq(SITE)
    db.session.flush()
    record(PersonChanged(user.id, user.v))
    record(RoleChanged(user.id, next_seq(ACCESS)))
    record(Audited(by and by.id, "role_changed", "user", user.id, {"from": before, "to": role}))
