"""Pages and forms about rooms. The page of a room itself, with what was said there, is in messages/views.py."""

from flask import Blueprint, redirect, request

from chat.accounts.confirmed import confirmed
from chat.accounts.policy import can_break_glass
from chat.accounts.presenter import present_in_list, present_person
from chat.accounts.queries import user_by_id
from chat.accounts.signed_in import signed_in
from chat.core.authorize import authorize
from chat.core.errors import ChatError, Conflict, Invalid, NotFound
from chat.core.paging import arguments
from chat.core.rate_limit import limited, limiter
from chat.core.web import add_error, redirect_back, render_page, see_other
from chat.rooms import actions
from chat.rooms.forms import AddMemberForm, NewRoomForm, OpenAsOwnerForm, PaceForm, RoomSettingsForm
from chat.rooms.names import days_words
from chat.rooms.policy import ROLES, can_create_room, can_remove, may, standing
from chat.rooms.presenter import present_member, present_room
from chat.rooms.queries import (
    count_of_members,
    count_of_rooms_to_find,
    joined_numbers,
    last_activity,
    member_counts,
    members_for,
    membership_of,
    person_to_add,
    private_room,
    room_for,
    rooms_to_find,
)
from chat.site.queries import setting
from chat.streams.log import heads

bp = Blueprint("rooms", __name__)


def capabilities(actor, room):
    """What the page of a room offers this person."""
    return {
        "post": bool(may(actor, room, "post")),
        "invite": bool(may(actor, room, "add")),
        "rename": bool(may(actor, room, "change")),
        "archive": bool(may(actor, room, "archive")),
        "leave": bool(may(actor, room, "leave")),
        "join": bool(may(actor, room, "join")),
        "moderate": bool(may(actor, room, "moderate")),
        "set_role": bool(may(actor, room, "set_role")),
        "slow_down": bool(may(actor, room, "slow_down")),
    }


def room_view(room):
    """The room with what its header and settings say about it."""
    counts = member_counts([room.id])
    return present_room(
        room,
        member_count=counts.get(room.id, 0),
        created_by=present_person(room.created_by),
        created_at=room.created_at,
    )


def _show(form, error):
    """Show a refusal beside the field it names. One that is not about what was typed is the answer instead."""
    if error.status in (403, 404) and error.field not in form:
        raise error
    add_error(form, error)


@bp.get("/rooms")
@signed_in
def directory(actor):
    q = request.args.get("q", "").strip()[:60]
    found, more = rooms_to_find(actor, q, after=request.args.get("after", type=int))
    counts, active, mine = member_counts([room.id for room in found]), last_activity(found), joined_numbers(actor.id)
    rooms = [
        present_room(
            room, member_count=counts.get(room.id, 0), joined=room.id in mine, last_message_at=active.get(room.id)
        )
        for room in found
    ]
    return render_page(
        "rooms/directory.html", rooms=rooms, q=q, count=count_of_rooms_to_find(actor, q),
        next=arguments(after=found[-1].id) if more else None,
        can_create=bool(can_create_room(actor)), can_open=bool(can_break_glass(actor)),
    )  # fmt: skip


@bp.route("/rooms/open-as-owner", methods=["GET", "POST"])
@signed_in
@confirmed
def open_as_owner(actor):
    """In two steps: which room and why, then what everybody in it is going to read."""
    authorize(can_break_glass(actor))
    form, room, count = OpenAsOwnerForm(), None, 0
    if form.validate_on_submit():
        try:
            limiter.take("room", actor.id)
            if "confirmed" in request.form:
                return redirect(actions.open_as_owner(actor, form.room.data, form.reason.data).path, 303)
            room = private_room(form.room.data)
            count = member_counts([room.id]).get(room.id, 0)
        except ChatError as error:
            add_error(form, error)
    status = 422 if form.is_submitted() and room is None else 200
    return render_page("rooms/open_as_owner.html", status, form=form, room_id=room and room.id, count=count)


@bp.route("/rooms/new", methods=["GET", "POST"])
@signed_in
def new(actor):
    authorize(can_create_room(actor))
    form = NewRoomForm(name=request.args.get("name"))
    if form.validate_on_submit():
        try:
            limiter.take("room", actor.id)
            room = actions.create_room(actor, form.name.data, kind=form.kind.data, topic=form.topic.data)
            return redirect(room.path, 303)
        except ChatError as error:
            add_error(form, error)
    return render_page("rooms/new.html", 422 if form.is_submitted() else 200, form=form)


@bp.post("/rooms/<int:room_id>/join")
@signed_in
@limited("room")
def join(actor, room_id):
    room = room_for(actor, room_id)
    actions.join_room(actor, room)
    return redirect(room.path, 303)


@bp.post("/rooms/<int:room_id>/leave")
@signed_in
@limited("room")
def leave(actor, room_id):
    room = room_for(actor, room_id)
    try:
        actions.leave_room(actor, room)
    except Conflict as error:
        return see_other(f"{room.path}/members", error.message, "danger")
    return see_other("/", f"You have left {room.name}.")


@bp.route("/rooms/<int:room_id>/members", methods=["GET", "POST"], endpoint="members")
@signed_in
def members_page(actor, room_id):
    room, form = room_for(actor, room_id), AddMemberForm()
    if form.validate_on_submit():
        try:
            limiter.take("room", actor.id)
            person = person_to_add(actor, form.person.data or "")
            actions.add_member(actor, room, person)
            return see_other(f"{room.path}/members", f"{person.name} is in {room.name} now.")
        except ChatError as error:
            _show(form, error)
    q = request.args.get("q", "").strip()[:100]
    found, more = members_for(room, q, after=request.args.get("after", type=int))
    people = [
        present_member(m, present_in_list(m.user), removable=m.user_id != actor.id and bool(can_remove(actor, m)))
        for m in found
    ]
    return render_page(
        "rooms/members.html", 422 if form.is_submitted() else 200,
        room=room_view(room), members=people, can=capabilities(actor, room), form=form, roles=ROLES,
        q=q, count=count_of_members(room, q) if q else None, next=arguments(after=found[-1].user_id) if more else None,
    )  # fmt: skip


def _member(room_id, user_id, actor):
    room, person = room_for(actor, room_id), user_by_id(user_id)
    if person is None or membership_of(person, room) is None:
        raise NotFound("There is nobody like that in this room.", field="person")
    return room, person


@bp.post("/rooms/<int:room_id>/members/<int:user_id>/remove")
@signed_in
@limited("room")
def remove_member(actor, room_id, user_id):
    room, person = _member(room_id, user_id, actor)
    return _then_members(room, lambda: actions.remove_member(actor, room, person), f"{person.name} was removed.")


@bp.post("/rooms/<int:room_id>/members/<int:user_id>/role")
@signed_in
@limited("room")
def set_role(actor, room_id, user_id):
    room, person = _member(room_id, user_id, actor)
    role = request.form.get("role", "")
    words = f"{person.name} is {'an' if role == 'owner' else 'a'} {role} now."
    return _then_members(room, lambda: actions.set_role(actor, room, person, role), words)


def _then_members(room, action, words):
    """To the list again, to the page of it that one was on."""
    path = f"{room.path}/members"
    try:
        action()
    except Conflict as error:
        return redirect_back(path, error.message, "danger")
    return redirect_back(path, words)


@bp.route("/rooms/<int:room_id>/settings", methods=["GET", "POST"])
@signed_in
def settings(actor, room_id):
    room = room_for(actor, room_id)
    form = RoomSettingsForm(obj=room)
    if form.validate_on_submit():
        try:
            limiter.take("room", actor.id)
            fields = {name: form[name].data for name in ("name", "topic", "description")}
            actions.change_room(actor, room, **fields)
            return see_other(f"{room.path}/settings", "Saved.")
        except ChatError as error:
            _show(form, error)
    return render_page(
        "rooms/settings.html", 422 if form.is_submitted() else 200,
        room=room_view(room), form=form, can=capabilities(actor, room), standing=standing(actor, room),
        pace=PaceForm(formdata=None, seconds=room.slow_mode_seconds),
        kept=None if room.legal_hold else days_words(room.retention_days or setting("retention_days")),
        is_last=room.kind == "private" and member_counts([room.id]).get(room.id, 0) == 1,
    )  # fmt: skip


@bp.post("/rooms/<int:room_id>/pace")
@signed_in
@limited("room")
def slow_down(actor, room_id):
    room, form = room_for(actor, room_id), PaceForm()
    actions.slow_down(actor, room, form.seconds.data if form.validate() else -1)
    return see_other(f"{room.path}/settings", "Saved.")


@bp.post("/rooms/<int:room_id>/archive")
@signed_in
@limited("room")
def archive(actor, room_id):
    room = room_for(actor, room_id)
    actions.archive_room(actor, room)
    return redirect(room.path, 303)


@bp.post("/rooms/<int:room_id>/restore")
@signed_in
@limited("room")
def restore(actor, room_id):
    room = room_for(actor, room_id)
    actions.restore_room(actor, room)
    return redirect(room.path, 303)


@bp.post("/rooms/<int:room_id>/read")
@signed_in
@limited("read")
def mark_read(actor, room_id):
    room = room_for(actor, room_id)
    seq = _seq() if "seq" in request.form else heads([room.stream])[room.stream]
    actions.mark_read(actor, room, seq)
    return redirect_back(room.path)


@bp.post("/rooms/<int:room_id>/unread")
@signed_in
@limited("read")
def mark_unread(actor, room_id):
    room = room_for(actor, room_id)
    actions.mark_unread(actor, room, _seq())
    return see_other("/", f"Marked unread in {room.name}.")


def _seq():
    """The number of a message in the form. Raises Invalid when it is none: a guess could mark everything."""
    seq = request.form.get("seq", type=int)
    if seq is None or seq < 0:
        raise Invalid("Choose a message first.", field="seq")
    return seq


@bp.post("/read-all")
@signed_in
@limited("read")
def mark_all_read(actor):
    count = actions.mark_all_read(actor)
    return redirect_back("/", "Everything is marked read." if count else "There was nothing new.")
