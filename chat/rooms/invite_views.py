"""Inviting people, and the rooms they come into."""

from flask import Blueprint, request

from chat.accounts.actions import revoke_invite, set_sign_up
from chat.accounts.confirmed import confirmed
from chat.accounts.forms import InviteForm
from chat.accounts.policy import can_invite, can_set_sign_up
from chat.accounts.presenter import present_invites
from chat.accounts.queries import invite_for, invites_for
from chat.accounts.signed_in import signed_in
from chat.core.authorize import authorize
from chat.core.errors import ChatError
from chat.core.paging import arguments
from chat.core.rate_limit import limited, limiter
from chat.core.web import add_error, render_page, see_other
from chat.rooms.actions import invite_to_rooms
from chat.rooms.policy import may
from chat.rooms.queries import memberships, room_for

bp = Blueprint("invites", __name__)

GUEST_DAYS, GUEST_USES = 7, 1  # of the link that a room's list of people makes


@bp.route("/invites", methods=["GET", "POST"], endpoint="all")
@signed_in
def invites(actor):
    authorize(can_invite(actor))
    form, rooms = InviteForm(), [membership.room for membership in memberships(actor)]
    offered = [room for room in rooms if may(actor, room, "add")]
    form.rooms.choices = [(room.id, room.name) for room in offered]
    if form.validate_on_submit():
        try:
            limiter.take("change", actor.id)
            chosen = [room for room in offered if room.id in form.rooms.data]
            options = {"role": form.role.data, "expires_days": form.expires_days.data, "max_uses": form.max_uses.data}
            invite_to_rooms(actor, chosen, **options)
            return see_other("/invites", "The link is ready to copy.")
        except ChatError as error:
            add_error(form, error)
    found, more = invites_for(actor, before=request.args.get("before", type=int))
    return render_page(
        "accounts/invites.html", 422 if form.is_submitted() else 200,
        form=form, invites=present_invites(found, {room.id: room.name for room in rooms}),
        can_set_sign_up=bool(can_set_sign_up(actor)), next=arguments(before=found[-1].id) if more else None,
    )  # fmt: skip


@bp.post("/invites/<int:id>/revoke")
@signed_in
@limited("change")
def revoke(actor, id):
    revoke_invite(actor, invite_for(actor, id))
    return see_other("/invites", "That link no longer works.")


@bp.post("/invites/sign-up")
@signed_in
@confirmed
@limited("change")
def sign_up(actor):
    set_sign_up(actor, request.form.get("sign_up", ""))
    return see_other("/invites", "Saved.")


@bp.post("/rooms/<int:room_id>/guest-link")
@signed_in
@limited("change")
def guest_link(actor, room_id):
    room = room_for(actor, room_id)
    invite_to_rooms(actor, [room], role="guest", expires_days=GUEST_DAYS, max_uses=GUEST_USES)
    return see_other("/invites", f"The link for one guest of {room.name} is ready to copy.")
