"""Whom guests and bots know: everyone who is in one of their rooms, or was and is still named there. Nobody writes in a
room without having been in it, so these are also all whose words they read."""

from sqlalchemy import and_, bindparam, or_, select
from sqlalchemy.orm import aliased

from chat.accounts.circle import meet_in_rooms
from chat.accounts.models import User
from chat.core.prepared import Prepared
from chat.core.transaction import run_in_session
from chat.rooms.models import Membership, Room

_mine, _theirs, _self = aliased(Membership), aliased(Membership), aliased(User)


def _those_met(user_id):
    return (
        select(_theirs.user_id)
        .join(_mine, _mine.room_id == _theirs.room_id)
        .where(_mine.user_id == user_id, _mine.role.is_not(None))
    )


meet_in_rooms(_those_met)


def people_that(id):
    """A condition on User for statements that are prepared: whoever the person with this id, a bindparam, may know."""
    is_shut_out = select(_self.id).where(_self.id == id, _self.role.in_(("guest", "bot"))).exists()
    return or_(~is_shut_out, User.id == id, User.id.in_(_those_met(id)))


def rooms_that(id):
    """The same for public rooms: a condition on Room."""
    is_shut_out = select(_self.id).where(_self.id == id, _self.role.in_(("guest", "bot"))).exists()
    own = select(Membership.room_id).where(Membership.user_id == id, Membership.role.is_not(None))
    return and_(Room.kind == "public", or_(~is_shut_out, Room.id.in_(own)))


_CIRCLE = Prepared(_those_met(bindparam("user")).distinct())
_KNOWN = Prepared(
    select(_theirs.user_id, _mine.user_id.label("guest_id"))
    .join(_mine, _mine.room_id == _theirs.room_id)
    .where(
        _mine.user_id.in_(bindparam("guests", expanding=True)),
        _mine.role.is_not(None),
        _theirs.user_id.in_(bindparam("people", expanding=True)),
    )
)


def circle_of(guest_id, ask=run_in_session):
    """The ids of everybody whom a guest may know of, their own with them. One query."""
    return frozenset(row.user_id for row in ask(_CIRCLE, user=guest_id)) | {guest_id}


def guests_who_know(people, guests):
    """{id of a person: the ids of those guests who may know of them}. One query, none without guests or people."""
    if not people or not guests:
        return {}
    found = {person: {person} & set(guests) for person in people}
    for row in run_in_session(_KNOWN, people=list(people), guests=list(guests)):
        found[row.user_id].add(row.guest_id)
    return found
