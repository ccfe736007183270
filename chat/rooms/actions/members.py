from chat.accounts.models import Invite, User
from chat.accounts.queries import user_by_id
from chat.core.authorize import authorize
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Conflict, Invalid, NotFound
from chat.core.jobs import enqueue
from chat.core.transaction import transaction
from chat.rooms.events import MemberChanged
from chat.rooms.models import Membership, Position
from chat.rooms.policy import ROLES, can_remove, may
from chat.rooms.queries import (
    joined_numbers,
    members,
    membership_of,
    position_of,
    public_room_named,
    room_for,
    rooms_by_id,
)
from chat.site.events import Audited
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


def _exit(record, room, membership, *, by_id):
    seq, user_seq = next_seq(room.stream), next_seq(membership.user.stream)
    membership.role, membership.v, membership.v_me, membership.since = None, seq, user_seq, now()
    db.session.flush()
    record(MemberChanged(room.id, membership.user_id, seq, user_seq, "left", by_id))


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
        _exit(record, room, membership, by_id=actor.id)


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
        _exit(record, room, membership, by_id=actor.id)
        record(Audited(actor.id, "member_removed", "room", room.id, {"user": person.id}))


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
        data = {"user": person.id, "from": membership.role, "to": role}
        membership.role, membership.v = role, next_seq(room.stream)
        db.session.flush()
        record(MemberChanged(room.id, person.id, membership.v, None, "role", actor.id))
        record(Audited(actor.id, "room_role_changed", "room", room.id, data))
        return membership


def _present_member(room, person):
    membership = membership_of(person, room)
    if not (membership and membership.role):
        raise NotFound(f"{person.name} is not in #{room.name}.", field="person")
    return membership


def _keep_an_owner(room, membership, refusal):
    if membership.role != "owner":
        return
    others = [m for m in members(room) if m.user_id != membership.user_id]
    if others and not any(m.role == "owner" for m in others):
        raise Conflict(refusal)


def join_first_rooms(event, transaction):
    """Subscriber of PersonCreated: members are from the start in the rooms of their invite, and in `general` where it
    leads to none, or to none any more; guests in the rooms of their invite alone. What whoever made the invite may not
    do by now, the invite cannot do either."""
    user = db.session.get(User, event.user_id)
    invite = event.invite_id and db.session.get(Invite, event.invite_id)
    rooms = rooms_of_invite(invite) if invite else []
    if user.role == "guest" and invite and not rooms:
        raise NotFound("That invite leads to no room any more. Ask for a new link.")
    if user.role not in ("guest", "bot") and not rooms:
        rooms = [room for room in (public_room_named("general"),) if room and not room.archived_at]
    for room in sorted(rooms, key=lambda room: room.id):
        found = membership_of(user, room)
        if not (found and found.role):
            lock(room.stream, user.stream)
            enter(transaction, room, user, role="member", by=invite.created_by if invite else user)


def rooms_of_invite(invite):
    """The rooms that whoever comes by this invite will be in: those that who made it may still add people to."""
    by = invite.created_by
    return [room for room in rooms_by_id(invite.room_ids or ()) if may(by, room, "add") and not by.deactivated_at]


def leave_rooms_later(event, _transaction):
    """Subscriber of AccountClosed: the rooms are left one by one, by a job, each in a transaction of its own."""
    enqueue("leave_rooms", {"user": event.user_id, "by": event.by_id}, key=f"leave_rooms:{event.user_id}")


def leave_all_rooms(data):
    """The job: take somebody whose account is closed out of their rooms. Those who own a room alone hand it on."""
    user = user_by_id(data["user"])
    for room_id in sorted(joined_numbers(user.id)):
        with transaction() as record:
            room = rooms_by_id([room_id])[0]
            lock(room.stream, user.stream)
            membership = membership_of(user, room)
            if not user.deactivated_at:  # opened again meanwhile
                return
            if membership.role:
                _hand_on(record, room, membership, by_id=data["by"])
                _exit(record, room, membership, by_id=data["by"])


def _hand_on(record, room, membership, *, by_id):
    """Make whoever has been in the room for longest its owner, if nobody else owns it."""
    if membership.role != "owner":
        return
    others = [m for m in members(room) if m.user_id != membership.user_id]
    if any(m.role == "owner" for m in others):
        return
    heirs = [m for m in others if m.user.role not in ("guest", "bot") and not m.user.deactivated_at]
    if heirs:
        heir = min(heirs, key=lambda m: (m.role != "moderator", m.since, m.user_id))
        heir.role, heir.v = "owner", next_seq(room.stream)
        db.session.flush()
        record(MemberChanged(room.id, heir.user_id, heir.v, None, "role", by_id))
