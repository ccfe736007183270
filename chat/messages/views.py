"""The page of a room, and what can be done to a message without script."""

import uuid

from flask import Blueprint, get_template_attribute, make_response, redirect, request, url_for

from chat.accounts.presenter import zone_of
from chat.accounts.queries import blocks_of
from chat.accounts.signed_in import signed_in
from chat.core import assets
from chat.core.authorize import authorize
from chat.core.clock import iso, now
from chat.core.db import snapshot
from chat.core.errors import ChatError, Conflict
from chat.core.rate_limit import limiter
from chat.core.transaction import run_in_session
from chat.core.web import (
    add_error,
    chosen_theme,
    flashes_wait,
    render_page,
    say_when,
    see_other,
    templates_mark,
    with_etag,
)
from chat.messages.actions import delete_message, edit_message, post_in
from chat.messages.forms import EditForm, MessageForm
from chat.messages.policy import can_delete, can_edit, can_see_history
from chat.messages.presenter import present, present_edit, present_sidebar, reports_waiting, timeline
from chat.messages.queries import (
    edits_of,
    message_for,
    page_after,
    page_around,
    page_before,
    said_last,
    unread_counts,
)
from chat.rooms.policy import may
from chat.rooms.presenter import present_room
from chat.rooms.queries import membership_of, position_of, room_for
from chat.rooms.views import capabilities, room_view
from chat.site.queries import the_site
from chat.streams import log

bp = Blueprint("messages", __name__)


@bp.get("/rooms/<int:room_id>")
@signed_in
def page(actor, room_id):
    """A room: its newest page, or the one before, after or around a number. One snapshot holds all of it."""
    with snapshot():
        room = room_for(actor, room_id)
        where = {name: request.args.get(name, type=int) for name in ("before", "after", "around")}
        if flashes_wait():
            return _room_page(actor, room, **where)
        numbers = _numbers(actor, room)  # of the sidebar, too
        today = now().astimezone(zone_of(actor)).date()  # the page says "Today"
        made_of = (assets.stylesheet(), assets.import_map_hash(), templates_mark())
        viewer = (actor.id, actor.time_zone, today, chosen_theme())
        parts = (the_site().epoch, numbers, viewer, made_of, request.full_path)
        return with_etag(parts, lambda: _room_page(actor, room, numbers=numbers, **where))


def _numbers(actor, room):
    """(heads of the streams, counts of the actor's rooms, reports that wait for them): what tells whether a room's page
    is still as it was."""
    return log.heads([room.stream, actor.stream, log.SITE]), unread_counts(actor.id), reports_waiting(actor)


def _room_page(actor, room, *, before=None, after=None, around=None, numbers=None, status=200, **more):
    heads, counts, waiting = numbers or _numbers(actor, room)
    membership = membership_of(actor, room)
    is_member = bool(membership and membership.role)
    sidebar = present_sidebar(actor, room.id, counts=counts, heads=heads, waiting=waiting)
    position = next((place.position for place in sidebar.places if place.current), None)
    head, (_, unread, mentions) = heads[room.stream], counts.get(room.id, (0, 0, 0))
    can = capabilities(actor, room)
    return render_page(
        "rooms/show.html",
        status,
        sidebar=sidebar,
        room=room_view(room),
        timeline=_page(actor, room, head, before, after, around, position, muted=_ids(sidebar.blocks)),
        membership=membership.role if is_member else None,
        position=position,
        cursor=head,
        unread=unread,
        mentions=mentions,
        can=can,
        post_denied=None if can["post"] else may(actor, room, "post").reason,
        key=str(uuid.uuid4()),
        pace=_pace(actor, room, head),
        **more,
    )


def _pace(actor, room, head):
    """(seconds to wait between two messages, when the last one was), or None for whoever need not wait."""
    if not room.slow_mode_seconds or may(actor, room, "slow_down"):
        return None
    return room.slow_mode_seconds, iso(said_last(run_in_session, actor.id, room.id, head))


def _ids(blocks):
    return {id for ids in blocks.values() for id in ids}


def _page(actor, room, head, before=None, after=None, around=None, position=None, muted=()):
    """The Timeline of one page. Every number of the room belongs to one page, whichever way one walks."""
    if around is not None:
        messages, has_older, has_newer = page_around(room, min(max(around, 0), head))
        lower = messages[0].seq - 1 if has_older else 0
        upper = messages[-1].seq if has_newer else head
    elif after is not None:
        lower = min(max(after, 0), head)
        messages, has_newer = page_after(room, lower)
        has_older, upper = lower > 0, messages[-1].seq if has_newer else head
    else:
        has_newer = before is not None and before <= head
        upper = max(before - 1, 0) if has_newer else head
        messages, has_older = page_before(room, upper + 1)
        lower = messages[0].seq - 1 if has_older else 0
    return timeline(
        room,
        messages,
        viewer=actor,
        has_older=has_older,
        has_newer=has_newer,
        after=lower,
        upto=upper,
        position=position,
        muted=muted,
    )


@bp.get("/rooms/<int:room_id>/timeline")
@signed_in
def timeline_fragment(actor, room_id):
    """One more page of a room, for script: only its items."""
    with snapshot():
        room = room_for(actor, room_id)
        before, after = request.args.get("before", type=int), request.args.get("after", type=int)
        membership = membership_of(actor, room)
        position = position_of(actor.id, room.id) if membership and membership.role else None
        head = log.heads([room.stream])[room.stream]
        muted = blocks_of(actor.id)
        found = _page(actor, room, head, before, after, None, position.seq if position else None, muted)
        html = get_template_attribute("rooms/_timeline.html", "timeline_items")(found)
        response = make_response(str(html))
    response.headers["X-Has-Older"] = "true" if found.has_older else "false"
    response.headers["X-Has-Newer"] = "true" if found.has_newer else "false"
    response.headers["X-First-Seq"], response.headers["X-Last-Seq"] = str(found.first_seq), str(found.last_seq)
    response.headers["X-Cursor"] = str(head)
    return response


@bp.post("/rooms/<int:room_id>/messages")
@signed_in
def create(actor, room_id):
    form = MessageForm()
    try:
        limiter.take("send", actor.id)
        message = post_in(actor, room_id, form.text.data or "", key=form.key.data or str(uuid.uuid4()))
    except ChatError as error:
        if error.status == 404:
            raise
        with snapshot():
            room = room_for(actor, room_id)
            page = _room_page(actor, room, status=error.status, text=form.text.data, error=error.message)
            return say_when(page, error)
    return redirect(f"/rooms/{message.room_id}#message-{message.id}", 303)


@bp.get("/rooms/<int:room_id>/messages/<int:message_id>")
@signed_in
def show(actor, room_id, message_id):
    """A permalink: the page around the message, which the fragment then points out."""
    message = message_for(actor, message_id)
    path = url_for("messages.page", room_id=message.room_id, around=message.seq, _anchor=f"message-{message.id}")
    return redirect(path, 303)


def _back_to(message):
    """Without script every message offers everything, so whoever may not has to come back."""
    return message.path, "Back to the message"


@bp.route("/messages/<int:message_id>/edit", methods=["GET", "POST"])
@signed_in
def edit(actor, message_id):
    message = message_for(actor, message_id)
    authorize(can_edit(actor, message), back=_back_to(message))
    if message.deleted_at:
        return see_other(message.path, "That message was deleted.", "danger")
    form = EditForm(obj=message)
    if form.is_submitted() and form.validate():
        try:
            limiter.take("edit", actor.id)
            edit_message(actor, message, form.text.data or "", rev=form.rev.data)
            return redirect(message.path, 303)
        except Conflict as error:
            form.form_errors.append(error.message)
            form.rev.data, form.rev.raw_data = message.rev, None  # saving once more replaces the text that is there now
        except ChatError as error:
            add_error(form, error)
    status = 422 if form.is_submitted() else 200
    return render_page(
        "messages/edit.html", status, room=present_room(message.room), message=present(message), form=form
    )


@bp.route("/messages/<int:message_id>/delete", methods=["GET", "POST"])
@signed_in
def delete(actor, message_id):
    message = message_for(actor, message_id)
    authorize(can_delete(actor, message), back=_back_to(message))
    if request.method == "POST":
        limiter.take("edit", actor.id)
        delete_message(actor, message)
        return redirect(message.path, 303)
    return render_page("messages/delete.html", room=present_room(message.room), message=present(message))


@bp.get("/messages/<int:message_id>/history")
@signed_in
def history(actor, message_id):
    message = message_for(actor, message_id)
    authorize(can_see_history(actor, message), back=_back_to(message))
    edits = [present_edit(edit, viewer=actor) for edit in edits_of(message)]
    return render_page("messages/history.html", room=present_room(message.room), message=present(message), edits=edits)
