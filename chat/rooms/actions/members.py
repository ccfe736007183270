from chat.accounts.models import User
from chat.core.authorize import authorize
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Conflict, Invalid, NotFound
from chat.core.transaction import transaction
from chat.rooms.events import MemberChanged
from chat.rooms.models import Membership, Position
from chat.rooms.policy import ROLES, can_remove, may
from chat.rooms.queries import members, membership_of, position_of, public_room_named, room_for
from chat.streams.log import lock, next_seq


def enter(record, room, user, *, role, by):
    """Write a membership that begins now, inside a transaction that has locked both streams.

    What was said before counts as read: nobody starts with a thousand unread messages.
    """
    seq, user_seq = next_seq(room.stream), next_seq(user.stream)
    membership = membership_of(user, room)
    if membership is None:
        membership = Membership(room_id=room.id, user_id=user.id)
        db.session.add(membership)
    membership.role, membership.joined, membership.v, membership.v_me, membership.since = (
        role,
        seq,
        seq,
        user_seq,
        now(),
    )
    position = position_of(user.id, room.id)
    if position is None:
        position = Position(user_id=user.id, room_id=room.id, seq=0)
        db.session.add(position)
    position.seq, position.v = max(position.seq, seq), user_seq
    db.session.flush()
    record(MemberChanged(room.id, user.id, seq, user_seq, "joined", by.id))
    return membership


def _exit(record, room, membership, *, by):
    seq, user_seq = next_seq(room.stream), next_seq(membership.user.stream)
    membership.role, membership.v, membership.v_me, membership.since = None, seq, user_seq, now()
    db.session.flush()
    record(MemberChanged(room.id, membership.user_id, seq, user_seq, "left", by.id))


def join_room(actor, room):
    """Become a member of an open room and return the membership. A member already: the same, and nothing changes."""
    with transaction() as record:
        lock(room.stream, actor.stream)
        room_for(actor, room.id)  # it may have become private, or we may have been removed, since it was found
        found = membership_of(actor, room)
        if found and found.role:
            return found
        authorize(may(actor, room, "join"))
        return enter(record, room, actor, role="member", by=actor)


def leave_room(actor, room):
    """End one's own membership. Raises Conflict for the last owner while others are still in the room."""
    with transaction() as record:
        lock(room.stream, actor.stream)
        authorize(may(actor, room, "leave"))
        membership = membership_of(actor, room)
        _keep_an_owner(room, membership, "Make someone else an owner before you leave; the others need one.")
        _exit(record, room, membership, by=actor)


def add_member(actor, room, person):
    """Add `person`, as a member. Already in: nothing changes."""
    with transaction() as record:
        lock(room.stream, person.stream)
        room_for(actor, room.id)
        authorize(may(actor, room, "add"))
        if person.deactivated_at:
            raise Invalid(f"{person.name} no longer has an account here.", field="person")
        found = membership_of(person, room)
        if found and found.role:
            return found
        return enter(record, room, person, role="member", by=actor)


def remove_member(actor, room, person):
    """End someone else's membership. Their connections stop receiving from this number on."""
    with transaction() as record:
        lock(room.stream, person.stream)
        room_for(actor, room.id)
        authorize(may(actor, room, "remove"))
        membership = _present_member(room, person)
        authorize(can_remove(actor, membership))
        _keep_an_owner(room, membership, f"{person.name} is the only owner. Make someone else an owner first.")
        _exit(record, room, membership, by=actor)


def set_role(actor, room, person, role):
    """Make a member an owner or a moderator of the room, or either of them a member. Setting what is set changes
    nothing."""
    if role not in ROLES:
        raise Invalid("Choose owner, moderator or member.", field="role")
    with transaction() as record:
        lock(room.stream)
        room_for(actor, room.id)
        authorize(may(actor, room, "set_role"))
        membership = _present_member(room, person)
        if membership.role == role:
            return membership
        if role != "member" and person.role in ("guest", "bot"):
            raise Invalid(f"{person.name} is a {person.role} here; only members can look after rooms.", field="role")
        if role != "owner":
            _keep_an_owner(room, membership, f"{person.name} is the only owner. Make someone else an owner first.")
        membership.role, membership.v = role, next_seq(room.stream)
        db.session.flush()
        record(MemberChanged(room.id, person.id, membership.v, None, "role", actor.id))
        return membership


def _present_member(room, person):
    membership = membership_of(person, room)
    if not (membership and membership.role):
        raise NotFound(f"{person.name} is not in #{room.name}.", field="person")
    return membership


def _keep_an_owner(room, membership, refusal):
    others = [m for m in members(room) if m.user_id != membership.user_id]
    if membership.role == "owner" and others and not any(m.role == "owner" for m in others):
        raise Conflict(refusal)


def join_default_rooms(event, transaction):
    """Subscriber: whoever gets an account is in `general` from the start. Guests are only where they are invited to,
    bots where they are added."""
    room = public_room_named("general")
    user = db.session.get(User, event.user_id)
    if user.role in ("guest", "bot"):
        return
    found = room and membership_of(user, room)
    if room is not None and not room.archived_at and not (found and found.role):
        lock(room.stream, user.stream)
        enter(transaction, room, user, role="member", by=user)
