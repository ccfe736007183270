"""One's own data: having it collected, and fetching it."""

from flask import Blueprint, send_file

from chat.accounts.confirmed import confirmed
from chat.accounts.queries import person_for
from chat.accounts.signed_in import signed_in
from chat.core import storage
from chat.core.errors import NotFound
from chat.core.rate_limit import limited
from chat.core.web import render_page, see_other
from chat.transfer import exports
from chat.transfer.presenter import present_export
from chat.transfer.queries import NONE, export_for, newest_export

bp = Blueprint("exports", __name__)


def export_of(actor, user):
    """The ExportView of what the actor asked for last, for the pages that show it; None without one."""
    found = newest_export(actor, user)
    return found and present_export(found, exports.progress_of(found))


@bp.get("/settings/data")
@signed_in
def own(actor):
    return render_page("accounts/data.html", export=export_of(actor, actor))


@bp.post("/settings/data/export")
@signed_in
@limited("change")
def request_own(actor):
    exports.request_export(actor, actor)
    return see_other("/settings/data")


@bp.post("/people/<username>/export")
@signed_in
@limited("change")
def request_for(actor, username):
    user = person_for(actor, username)
    exports.request_export(actor, user)
    return see_other(f"{user.path}/erase")


@bp.get("/settings/data/exports/<int:id>")
@signed_in
@confirmed
def fetch(actor, id):
    export = export_for(actor, id)
    path = storage.path_of(exports.FOLDER, export.blob)
    if path is None:
        raise NotFound(NONE)
    name = f"parley-data-{export.user_id}-{export.ready_at:%Y-%m-%d}{exports.SUFFIX}"
    response = send_file(path, mimetype="application/zip", as_attachment=True, download_name=name, etag=False)
    response.headers["Cache-Control"] = "no-store"
    return response
