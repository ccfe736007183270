"""Rooms below /api/v1."""

from chat.accounts.asking import asked
from chat.accounts.presenter import present_as_json
from chat.accounts.schemas import Nothing, Page
from chat.core.clock import iso
from chat.core.rate_limit import limiter
from chat.core.rest import Resource, answer
from chat.rooms import actions
from chat.rooms.presenter import present_room
from chat.rooms.queries import joined_numbers, member_counts, members_page, room_for, rooms_page
from chat.rooms.schemas import MembersAnswer, NewRoom, RoomAnswer, RoomsAnswer, RoomsPage

bp = Resource("rooms", __name__, description="Where people talk.")


def as_json(actor, rooms):
    """The API's `room` of each. Two queries."""
    counts, mine = member_counts([room.id for room in rooms]), joined_numbers(actor.id)
    return [
        {**present_room(room).to_json(), "joined": room.id in mine, "members": counts.get(room.id, 0)} for room in rooms
    ]


@bp.get("/rooms")
@asked("read")
@bp.arguments(RoomsPage, location="query")
@bp.response(200, RoomsAnswer)
def rooms(actor, page):
    """Public rooms and those you are in, by id"""
    found = rooms_page(actor, page["q"].strip(), after=page["after"], limit=page["limit"] + 1)
    shown = found[: page["limit"]]
    return answer(rooms=as_json(actor, shown), next=shown[-1].id if len(found) > len(shown) else None)


@bp.post("/rooms", refuses=(409,))
@asked("write")
@bp.arguments(NewRoom)
@bp.response(201, RoomAnswer)
def create(actor, form):
    """Make a room, with you as its owner"""
    limiter.take("room", actor.id)
    room = actions.create_room(actor, form["name"], kind=form["kind"], topic=form["topic"])
    return answer(201, {"Location": f"/api/v1/rooms/{room.id}"}, room=as_json(actor, [room])[0])


@bp.get("/rooms/<int:room_id>")
@asked("read")
@bp.response(200, RoomAnswer)
def room(actor, room_id):
    """One room"""
    return answer(room=as_json(actor, [room_for(actor, room_id)])[0])


@bp.post("/rooms/<int:room_id>/join")
@asked("write")
@bp.response(200, RoomAnswer)
def join(actor, room_id):
    """Become a member of a public room

    A member already: the same answer.
    """
    limiter.take("room", actor.id)
    joined = actions.join_room(actor, room_for(actor, room_id)).room
    return answer(room=as_json(actor, [joined])[0])


@bp.post("/rooms/<int:room_id>/leave", refuses=(409,))
@asked("write")
@bp.response(200, Nothing)
def leave(actor, room_id):
    """End your membership

    The last owner of a room with others in it cannot leave (`conflict`).
    """
    limiter.take("room", actor.id)
    actions.leave_room(actor, room_for(actor, room_id))
    return answer()


@bp.get("/rooms/<int:room_id>/members")
@asked("read")
@bp.arguments(Page, location="query")
@bp.response(200, MembersAnswer)
def members(actor, page, room_id):
    """The people in a room, by id"""
    found = members_page(room_for(actor, room_id), after=page["after"], limit=page["limit"] + 1)
    shown = found[: page["limit"]]
    people = [{"person": present_as_json(found.user), "role": found.role, "since": iso(found.since)} for found in shown]
    return answer(members=people, next=shown[-1].user_id if len(found) > len(shown) else None)
