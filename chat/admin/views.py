"""Pages and forms for those who run the community. Whoever does not is told that there is nothing here."""

import csv
import io
import json
from functools import wraps

from flask import Blueprint, Response, request, stream_with_context

from chat.accounts import actions as accounts
from chat.accounts.confirmed import confirmed
from chat.accounts.policy import ROLES, can_administer, can_set_sign_up
from chat.accounts.presenter import present_invites
from chat.accounts.queries import invite_for, user_by_username
from chat.accounts.signed_in import signed_in
from chat.admin import actions, presenter, queries
from chat.admin.audit import VERBS
from chat.admin.entries import present_entries
from chat.admin.forms import GROUPS, DaysForm, a_date, community_form, settings_form, values_of
from chat.admin.policy import can_see_audit, can_set_passwords, can_set_retention, can_set_room_retention
from chat.core.authorize import authorize
from chat.core.errors import ChatError, Invalid, NotFound
from chat.core.jobs import counted, with_errors
from chat.core.paging import arguments
from chat.core.rate_limit import limited, limiter
from chat.core.transaction import release, transaction
from chat.core.web import add_error, render_page, see_other
from chat.rooms import actions as rooms
from chat.rooms.names import days_words
from chat.rooms.queries import public_room_named, room_for
from chat.rooms.views import capabilities, room_view
from chat.site.events import Audited
from chat.site.queries import setting
from chat.site.settings import SETTINGS

bp = Blueprint("admin", __name__)

WORD = "delete"  # to be typed before messages go for good


def administers(view):
    """Passes the person asking to the view, when they run the community; the others find nothing."""

    @wraps(view)
    def looked_at(actor, *args, **kwargs):
        if not can_administer(actor):
            raise NotFound
        return view(actor, *args, **kwargs)

    asked = signed_in(looked_at)
    asked.policy = "administrators; others find nothing"
    return asked


@bp.get("/admin")
@administers
def overview(actor):
    charts = presenter.charts_of(queries.days_counted())
    return render_page("admin/overview.html", sections=presenter.overview(), charts=charts)


# People, rooms, invites


@bp.get("/admin/people")
@administers
def people(actor):
    q, role, state = (request.args.get(name, "").strip()[:100] for name in ("q", "role", "state"))
    role, state = role if role in ROLES else "", state if state in queries.STATES else "active"
    found, more = queries.people_page(q=q, role=role, state=state, after=request.args.get("after", type=int))
    return render_page(
        "admin/people.html", people=presenter.present_people(found), q=q, role=role, state=state, roles=ROLES,
        next=arguments(after=found[-1].id) if more else None,
    )  # fmt: skip


@bp.get("/admin/rooms", endpoint="rooms")
@administers
def rooms_page(actor):
    q, archived = request.args.get("q", "").strip()[:60], request.args.get("state") == "archived"
    found, more = queries.public_rooms_page(q=q, archived=archived, after=request.args.get("after"))
    return render_page(
        "admin/rooms.html", rooms=presenter.present_rooms(found), q=q, archived=archived,
        counts=queries.rooms_counted(), next=arguments(after=found[-1].name) if more else None,
    )  # fmt: skip


@bp.post("/admin/rooms/<int:room_id>/archive")
@administers
@limited("room")
def archive(actor, room_id):
    room = rooms.archive_room(actor, queries.public_room(room_id))
    return see_other("/admin/rooms", f"#{room.name} is archived.")


@bp.post("/admin/rooms/<int:room_id>/restore")
@administers
@limited("room")
def restore(actor, room_id):
    room = rooms.restore_room(actor, queries.public_room(room_id))
    return see_other("/admin/rooms?state=archived", f"#{room.name} is open again.")


@bp.get("/admin/invites")
@administers
def invites(actor):
    found, more = queries.invites_page(before=request.args.get("before", type=int))
    rooms = queries.public_room_names({id for invite in found for id in invite.room_ids or ()})
    return render_page(
        "admin/invites.html", invites=present_invites(found, rooms),
        next=arguments(before=found[-1].id) if more else None,
    )  # fmt: skip


@bp.post("/admin/invites/<int:id>/revoke")
@administers
@limited("change")
def revoke_invite(actor, id):
    accounts.revoke_invite(actor, invite_for(actor, id))
    return see_other("/admin/invites", "That link no longer works.")


# Sign-in and settings


@bp.get("/admin/sign-in")
@administers
def sign_in(actor):
    return _sign_in_page(actor, _sign_in_form(actor), 200)


@bp.post("/admin/sign-in")
@administers
@confirmed
def set_sign_in(actor):
    form = _sign_in_form(actor)
    if form.validate_on_submit() and _saved(actor, form, values_of(form)):
        return see_other("/admin/sign-in", "Saved.")
    return _sign_in_page(actor, form, 422)


def _sign_in_form(actor):
    """With what is theirs to decide."""
    form = settings_form("Sign-in")
    if not can_set_passwords(actor):
        del form.password_sign_in
    return form


def _sign_in_page(actor, form, status):
    return render_page(
        "admin/sign_in.html", status, form=form, passwords=setting("password_sign_in"),
        can_set_sign_up=bool(can_set_sign_up(actor)),
    )  # fmt: skip


@bp.post("/admin/sign-up")
@administers
@confirmed
@limited("change")
def set_sign_up(actor):
    accounts.set_sign_up(actor, request.form.get("sign_up", ""))
    return see_other("/admin/sign-in", "Saved.")


@bp.route("/admin/settings", methods=["GET", "POST"])
@administers
def settings(actor):
    form = settings_form(*GROUPS)
    if form.validate_on_submit() and _saved(actor, form, values_of(form)):
        return see_other("/admin/settings", "Saved.")
    return _settings_page(form, community_form() if not form.is_submitted() else _fresh(community_form))


@bp.post("/admin/community")
@administers
def community(actor):
    form = community_form()
    if form.validate_on_submit() and _saved(actor, form, {"name": form.name.data, "hue": form.hue.data}):
        return see_other("/admin/settings", "Saved.")
    return _settings_page(_fresh(lambda: settings_form(*GROUPS)), form)


def _fresh(make):
    """A form as it is stored, beside one that was just sent: only what was sent is shown as typed."""
    form = make()
    form.process(formdata=None, data={field.name: field.object_data for field in form})
    return form


def _settings_page(form, community):
    groups = [(group, [form[name] for name in SETTINGS if SETTINGS[name].group == group]) for group in GROUPS]
    status = 422 if form.errors or form.form_errors or community.errors or community.form_errors else 200
    return render_page("admin/settings.html", status, form=form, groups=groups, look=community)


def _saved(actor, form, values):
    """Whether the settings could be set; otherwise the form says why not."""
    try:
        limiter.take("change", actor.id)
        actions.change_settings(actor, **values)
    except ChatError as error:
        add_error(form, error)
        return False
    return True


# Retention


@bp.get("/admin/retention")
@administers
def retention(actor):
    preview = "days" in request.args
    return _retention_page(DaysForm(formdata=request.args if preview else None), preview=preview)


@bp.post("/admin/retention")
@administers
def set_retention(actor):
    form = DaysForm()
    if not form.validate_on_submit():
        return _retention_page(form)
    try:
        limiter.take("change", actor.id)
        days = SETTINGS["retention_days"].check("days", form.days.data)
        _confirmed(days, setting("retention_days"))
        actions.change_settings(actor, retention_days=days)
    except ChatError as error:
        add_error(form, error)
        return _retention_page(form, preview=error.field != "days")
    return see_other("/admin/retention", f"Messages are kept {_for(days)}.")


def _for(days):
    return "for ever" if days is None else f"for {days_words(days)}"


def _confirmed(days, before):
    """Raises Invalid unless the word is typed, where messages may go for good that would have stayed."""
    is_shorter = days is not None and (before is None or days < before)
    if is_shorter and request.form.get("confirmation", "").strip().lower() != WORD:
        raise Invalid(f"Type {WORD} to confirm: what is older than that goes for good.", field="confirmation")


def _retention_page(form, *, preview=False):
    days = would_go = None
    present = setting("retention_days")
    if not form.is_submitted() and not preview:
        form.days.data = present
    if preview:
        try:
            days = SETTINGS["retention_days"].check("days", form.days.data)
            would_go = queries.would_go(days)
        except Invalid as error:
            add_error(form, error)
    public, private = queries.rooms_with_own_retention()
    found, more = queries.purges_page(before=request.args.get("before", type=int))
    return render_page(
        "admin/retention.html", 422 if form.errors or form.form_errors else 200, form=form, present=present,
        present_words=days_words(present), days=days, days_words=days_words(days),
        would_go=would_go, word=WORD, rooms=presenter.present_rooms(public), private_count=private,
        purges=presenter.present_purges(found), next=arguments(before=found[-1].id) if more else None,
    )  # fmt: skip


@bp.get("/rooms/<int:room_id>/retention")
@signed_in
def room_retention(actor, room_id):
    room = room_for(actor, room_id)
    authorize(can_set_room_retention(actor, room))
    preview = "days" in request.args
    return _room_retention_page(actor, room, DaysForm(formdata=request.args if preview else None), preview=preview)


@bp.post("/rooms/<int:room_id>/retention")
@signed_in
def set_room_retention(actor, room_id):
    room = room_for(actor, room_id)
    authorize(can_set_room_retention(actor, room))
    form = DaysForm()
    if not form.validate_on_submit():
        return _room_retention_page(actor, room, form)
    try:
        limiter.take("room", actor.id)
        days = SETTINGS["retention_days"].check("days", form.days.data)
        default = setting("retention_days")
        _confirmed(days or default, queries.days_of(room))
        actions.set_room_retention(actor, room, days)
    except ChatError as error:
        if error.status in (403, 404):
            raise
        add_error(form, error)
        return _room_retention_page(actor, room, form, preview=error.field != "days")
    return see_other(f"{room.path}/retention", "Saved.")


def _room_retention_page(actor, room, form, *, preview=False):
    would_go, days, default = None, None, setting("retention_days")
    if not form.is_submitted() and not preview:
        form.days.data = room.retention_days
    if preview:
        try:
            days = SETTINGS["retention_days"].check("days", form.days.data) or default
            would_go = queries.would_go(days, room=room)[0]
        except Invalid as error:
            add_error(form, error)
    return render_page(
        "admin/room_retention.html", 422 if form.errors or form.form_errors else 200, form=form, room=room_view(room),
        can=capabilities(actor, room), default_words=days_words(default), days=days,
        days_words=days_words(days), would_go=would_go, word=WORD, legal_hold=room.legal_hold,
        can_hold=bool(can_set_retention(actor)),
    )  # fmt: skip


@bp.post("/rooms/<int:room_id>/legal-hold")
@signed_in
@limited("room")
def legal_hold(actor, room_id):
    room, on = room_for(actor, room_id), request.form.get("on") == "1"
    actions.set_legal_hold(actor, room, on)
    return see_other(f"{room.path}/retention", "Nothing is purged here." if on else "The hold is lifted.")


# Jobs


@bp.get("/admin/jobs")
@administers
def jobs(actor):
    found, more = with_errors(before=request.args.get("before", type=int))
    return render_page(
        "admin/jobs.html", jobs=presenter.present_jobs(found), counts=counted(),
        next=arguments(before=found[-1].id) if more else None,
    )  # fmt: skip


@bp.post("/admin/jobs/<int:id>/retry")
@administers
@limited("change")
def retry_job(actor, id):
    actions.retry_job(actor, id)
    return see_other("/admin/jobs", "It is tried again now.")


# The audit log


def _filters(given):
    """(filters for queries.audit_page, what was typed, what could not be found) of arguments or a form."""
    typed = {name: given.get(name, "").strip()[:100] for name in ("actor", "verb", "subject", "since", "until")}
    filters, unknown = {}, []
    if typed["actor"]:
        user = user_by_username(typed["actor"].removeprefix("@"))
        filters["actor_id"] = user.id if user else -1
        unknown += [] if user else [typed["actor"]]
    if typed["subject"]:
        found = _subject(typed["subject"])
        filters["subject"] = found or ("none", -1)
        unknown += [] if found else [typed["subject"]]
    if typed["verb"] in VERBS:
        filters["verb"] = typed["verb"]
    filters["since"], filters["until"] = a_date(typed["since"]), a_date(typed["until"])
    return filters, typed, unknown


def _subject(typed):
    """(kind, id) of @somebody or of a public #room."""
    if typed.startswith("#"):
        room = public_room_named(typed[1:].lower())
        return room and ("room", room.id)
    user = user_by_username(typed.removeprefix("@"))
    return user and ("user", user.id)


@bp.get("/admin/audit")
@administers
def audit(actor):
    authorize(can_see_audit(actor))
    filters, typed, unknown = _filters(request.args)
    found, more = queries.audit_page(**filters, before=request.args.get("before", type=int))
    checked = queries.broken_at() if "verify" in request.args else None
    return render_page(
        "admin/audit.html", entries=present_entries(actor, found), typed=typed, unknown=unknown, verbs=VERBS,
        is_filtered=any(typed.values()), checked=checked, next=arguments(before=found[-1].seq) if more else None,
    )  # fmt: skip


@bp.post("/admin/audit/export")
@administers
@limited("change")
def export_audit(actor):
    authorize(can_see_audit(actor))
    filters, typed, _ = _filters(request.form)
    kind = "csv" if request.form.get("format") == "csv" else "jsonl"
    with transaction() as record:
        data = {name: value for name, value in typed.items() if value}
        record(Audited(actor.id, "audit_exported", "site", None, {"format": kind, **data}))
    return Response(
        stream_with_context(_exported(filters, kind)),
        mimetype="text/csv" if kind == "csv" else "application/jsonl",
        headers={
            "Content-Disposition": f'attachment; filename="audit-{presenter.today()}.{kind}"',
            "Cache-Control": "no-store",
        },
    )


def _exported(filters, kind):
    """The whole log, or what the filters leave of it, a page at a time, newest first."""
    if kind == "csv":
        yield _csv_line(presenter.COLUMNS)
    before, more = None, True
    while more:
        entries, more = queries.audit_page(**filters, before=before, limit=200)
        plain = [presenter.plain_entry(entry) for entry in entries]
        release()  # no connection waits for a slow reader
        if plain:
            before = plain[-1]["seq"]
            lines = (_csv_line(presenter.csv_values(p)) if kind == "csv" else json.dumps(p) + "\n" for p in plain)
            yield "".join(lines)


def _csv_line(values):
    line = io.StringIO()
    csv.writer(line).writerow(values)
    return line.getvalue()
