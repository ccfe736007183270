"""Pages and forms for reporting a message, deciding about it, and shutting somebody out."""

from datetime import datetime, time, timedelta

from flask import Blueprint, request

from chat.accounts.policy import can_to
from chat.accounts.presenter import zone_of
from chat.accounts.queries import people_shut_out, person_for
from chat.accounts.signed_in import signed_in
from chat.admin.moderation import actions
from chat.admin.moderation.forms import DURATIONS, SPANS, BanForm, RemovalForm, ReportForm, SuspendForm
from chat.admin.moderation.policy import can_report, can_see_reports
from chat.admin.moderation.presenter import (
    choices_for,
    present_queue,
    present_removal,
    present_report,
    present_standing,
)
from chat.admin.moderation.queries import (
    around,
    count_of_open_reports,
    decided_reports,
    open_reports,
    removable,
    removal_for,
    removals,
    report_for,
    reports_about,
    reports_by,
    texts_kept,
)
from chat.core.authorize import authorize
from chat.core.clock import now
from chat.core.errors import ChatError, Conflict, Invalid, NotFound
from chat.core.paging import arguments
from chat.core.rate_limit import limited, limiter
from chat.core.web import add_error, render_page, see_other
from chat.messages.presenter import present
from chat.messages.queries import NO_MESSAGE, message_for
from chat.rooms.presenter import present_room

bp = Blueprint("moderation", __name__)


# Reporting


@bp.route("/messages/<int:message_id>/report", methods=["GET", "POST"])
@signed_in
def report(actor, message_id):
    message = message_for(actor, message_id)
    authorize(can_report(actor, message), back=(message.path, "Back to the message"))
    if message.deleted_at:
        raise NotFound(NO_MESSAGE)
    form, status = ReportForm(), 422 if request.method == "POST" else 200
    if form.validate_on_submit():
        try:
            limiter.take("report", actor.id, because="That was a lot of reports.")
            actions.report_message(actor, message, form.reason.data)
            return see_other("/reports/mine", "Thank you. A moderator will look at it.")
        except ChatError as error:
            add_error(form, error)
            status = error.status
    room = present_room(message.room)
    return render_page("moderation/report.html", status, room=room, message=present(message), form=form)


@bp.get("/reports/mine")
@signed_in
def mine(actor):
    found, more = reports_by(actor, before=request.args.get("before", type=int))
    return render_page(
        "moderation/mine.html", reports=[present_report(actor, report, [report]) for report in found],
        next=arguments(before=found[-1].id) if more else None,
    )  # fmt: skip


# Deciding


@bp.get("/reports")
@signed_in
def queue(actor):
    found, more = open_reports(actor, after=request.args.get("after", type=int))
    return render_page(
        "moderation/queue.html", reports=present_queue(actor, found), count=count_of_open_reports(actor),
        next=arguments(after=found[-1][0].id) if more else None,
    )  # fmt: skip


@bp.get("/reports/decided")
@signed_in
def decided(actor):
    found, more = decided_reports(actor, before=request.args.get("before", type=int))
    return render_page(
        "moderation/decided.html", reports=present_queue(actor, found),
        next=arguments(before=found[-1][0].message_id) if more else None,
    )  # fmt: skip


@bp.get("/reports/<int:id>")
@signed_in
def one(actor, id):
    return _report_page(actor, report_for(actor, id))


def _report_page(actor, found, status=200, decision=None, error=None):
    """`decision` and `error`: what was just tried, and what is wrong with it."""
    forms = {
        "suspended": SuspendForm(**{} if decision == "suspended" else {"formdata": None}),
        "banned": BanForm(**{} if decision == "banned" else {"formdata": None}),
    }
    if error and decision in forms:
        add_error(forms[decision], error)
    view = present_report(actor, found, reports_about(found.message_id))
    context = around(found.message) if view.room else None
    return render_page(
        "moderation/one.html", status, report=view, choices=choices_for(actor, found), forms=forms,
        tried=decision,
        before=context and [present(message, zone_of(actor)) for message in context.before],
        after=context and [present(message, zone_of(actor)) for message in context.after],
    )  # fmt: skip


@bp.post("/reports/<int:id>/decide")
@signed_in
@limited("change")
def decide(actor, id):
    found, decision = report_for(actor, id), request.form.get("decision", "")
    hours = request.form.get("hours", type=int)
    details = {"hours": hours if hours in DURATIONS else None}
    details |= {name: request.form.get(name, "") for name in ("reason", "typed")}
    try:
        actions.decide_report(actor, found, decision, **details)
    except Conflict as error:
        return see_other(f"/reports/{id}", error.message, "danger")
    except Invalid as error:
        return _report_page(actor, report_for(actor, id), error.status, decision, error)
    return see_other("/reports", "Decided. Those who reported it can read what was done.")


# People


@bp.get("/reports/people")
@signed_in
def people(actor):
    authorize(can_see_reports(actor))
    found, more = people_shut_out(after=request.args.get("after", type=int))
    return render_page(
        "moderation/people.html", people=[present_standing(user, actor) for user in found],
        next=arguments(after=found[-1].id) if more else None,
    )  # fmt: skip


@bp.get("/people/<username>/moderation")
@signed_in
def moderation(actor, username):
    authorize(can_see_reports(actor))
    return _person_page(actor, person_for(actor, username))


def _person_page(actor, user, status=200, **forms):
    may = {verb: bool(can_to(actor, verb, user)) for verb in ("suspend", "ban", "remove_content")}
    kinds = {"suspend": SuspendForm, "ban": BanForm, "removal": RemovalForm}
    shown = {name: forms.get(name) or kind(formdata=None) for name, kind in kinds.items()}
    period = (request.form if request.method == "POST" else request.args).get("period")
    found = None
    if may["remove_content"] and period in actions.PERIODS:
        span = actions.PERIODS[period]
        rooms = removable(actor, user, now() - span if span else None)
        found = [(present_room(room), number) for room, number in rooms]
        shown["removal"].period.data = period
    return render_page(
        "moderation/person.html", status, standing=present_standing(user, actor), may=may, forms=shown,
        spans=SPANS, period=period if found is not None else None, found=found, today=now().date(),
    )  # fmt: skip


@bp.post("/people/<username>/suspend")
@signed_in
@limited("change")
def suspend(actor, username):
    user, form = person_for(actor, username), SuspendForm()
    if not form.validate():
        return _refused(actor, user, form, None, "suspend")
    try:
        actions.suspend_person(actor, user, until=_moment_of(actor, form), reason=form.reason.data)
    except (Conflict, Invalid) as error:
        return _refused(actor, user, form, error, "suspend")
    return see_other(f"{user.path}/moderation", f"{user.name} is suspended, and signed out everywhere.")


def _moment_of(actor, form):
    """The end of the chosen day where the moderator is, or so many hours from now."""
    if form.until.data is None:
        return now() + timedelta(hours=form.hours.data)
    return datetime.combine(form.until.data + timedelta(days=1), time(), zone_of(actor))


@bp.post("/people/<username>/lift")
@signed_in
@limited("change")
def lift(actor, username):
    user = person_for(actor, username)
    actions.lift_suspension(actor, user)
    return see_other(f"{user.path}/moderation", f"{user.name} can come in again.")


@bp.post("/people/<username>/ban")
@signed_in
@limited("change")
def ban(actor, username):
    user, form = person_for(actor, username), BanForm()
    if not form.validate():
        return _refused(actor, user, form, None, "ban")
    try:
        actions.ban_person(actor, user, reason=form.reason.data, typed=form.typed.data or "")
    except (Conflict, Invalid) as error:
        return _refused(actor, user, form, error, "ban")
    return see_other(f"{user.path}/moderation", f"{user.name} is banned. What they wrote is still there.")


@bp.post("/people/<username>/unban")
@signed_in
@limited("change")
def unban(actor, username):
    user = person_for(actor, username)
    actions.unban_person(actor, user)
    return see_other(f"{user.path}/moderation", f"{user.name} is no longer banned.")


def _refused(actor, user, form, error, name):
    """The page again, with what is wrong: what the form itself says, or what the action said."""
    authorize(can_see_reports(actor))
    if error:
        add_error(form, error)
    return _person_page(actor, user, error.status if error else 422, **{name: form})


# Taking away


@bp.get("/reports/removals", endpoint="removals")
@signed_in
def removals_page(actor):
    found, more = removals(actor, before=request.args.get("before", type=int))
    kept = texts_kept(found)
    return render_page(
        "moderation/removals.html", removals=[present_removal(actor, r, kept.get(r.id, 0)) for r in found],
        next=arguments(before=found[-1].id) if more else None,
    )  # fmt: skip


@bp.post("/people/<username>/remove-messages")
@signed_in
@limited("change")
def remove(actor, username):
    user, form = person_for(actor, username), RemovalForm()
    try:
        actions.remove_content(actor, user, form.period.data or "", reason=form.reason.data or "")
    except Invalid as error:
        return _refused(actor, user, form, error, "removal")
    return see_other("/reports/removals", f"What {user.name} wrote is being removed.")


@bp.post("/removals/<int:id>/undo")
@signed_in
@limited("change")
def undo(actor, id):
    try:
        actions.undo_removal(actor, removal_for(actor, id))
    except Conflict as error:
        return see_other("/reports/removals", error.message, "danger")
    return see_other("/reports/removals", "The messages are being put back.")
