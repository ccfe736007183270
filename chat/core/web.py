"""What every page shares: CSRF, rendering with the sidebar, refused forms, error pages and error JSON, ETags."""

import logging
import secrets
from functools import cache
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from flask import current_app, flash, g, jsonify, make_response, redirect, render_template, request, session
from flask_wtf.csrf import CSRFError, CSRFProtect, generate_csrf
from markupsafe import Markup
from werkzeug.exceptions import HTTPException

from chat.core.db import db
from chat.core.errors import Busy, ChatError
from chat.core.failures import note_failure
from chat.core.security_log import note_denial, note_refusal
from chat.core.transaction import is_passing

log = logging.getLogger(__name__)
csrf = CSRFProtect()

TITLES = {
    400: ("That did not work", "Your browser sent something this page cannot use. Go back, reload, and try again."),
    403: ("This is not open to you", "You are signed in, but your role does not allow it."),
    404: (
        "Nothing lives at this address",
        "It may have been renamed or deleted, or it is private and you are not in it. "
        "We would say the same in each case.",
    ),
    405: ("That address does not work that way", "Go back and use the buttons on the page."),
    413: ("That is too large", "Choose a smaller file, or shorten the text, and try again."),
    422: ("Something is missing", "Go back, correct what the page pointed out, and send it again."),
    429: ("A little slower, please", "What you wrote is still here. Try again in a moment."),
    500: ("That broke, and it is our fault", "Nothing you sent before is lost. Try again in a moment."),
    503: ("Back in a moment", "The server is busy. Nothing is lost; try again shortly."),
}


FOR_PROGRAMS = {
    400: "That is not a request this server understands.",
    404: "There is nothing at this address. All addresses of the API are at /api/docs.",
    405: "This address does not take that method; the header Allow says which it takes.",
    413: "That is larger than 256 KiB. Send less at once.",
    415: "Send one object as JSON, with the header `Content-Type: application/json`.",
}
TEMPLATES = Path(__file__).parents[2] / "templates"


@cache
def templates_mark():
    """Changes whenever a template does: part of every page's ETag, so that an update shows at once."""
    digest = sha256()
    for path in sorted(TEMPLATES.rglob("*.html")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def init_app(app):
    """CSRF on every unsafe request, the globals that templates use, and one way to say that something went wrong."""
    csrf.init_app(app)
    app.jinja_env.globals.update(
        csrf_field=csrf_field,
        csrf_token=generate_csrf,
        settings=app.config["PARLEY"],
        chosen_theme=chosen_theme,
        other_address=other_address,
    )
    app.before_request(refuse_foreign_origins)
    app.register_error_handler(ChatError, on_refusal)
    app.register_error_handler(CSRFError, on_csrf_error)
    app.register_error_handler(HTTPException, on_http_error)
    app.register_error_handler(Exception, on_crash)


def csrf_field():
    return Markup('<input type="hidden" name="csrf_token" value="{}">').format(generate_csrf())


def chosen_theme():
    """ "light" or "dark" when this browser was told so; None: as the system says."""
    theme = request.cookies.get("__Host-theme" if current_app.config["PARLEY"].secure else "theme")
    return theme if theme in ("light", "dark") else None


def other_address():
    """The address this page was opened under, when it is none that may open the websocket; None when all is well."""
    address = request.host_url.rstrip("/")
    return None if address in current_app.config["PARLEY"].origins else address


def refuse_foreign_origins():
    """A second line behind the tokens: browsers say when an unsafe request comes from another site's page, in
    Sec-Fetch-Site or, older ones and those on plain http, in Origin."""
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return None
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    ours = origin is None or origin == request.host_url.rstrip("/") or origin in current_app.config["PARLEY"].origins
    if site in ("cross-site", "same-site") or (site != "same-origin" and not ours):
        note_refusal("request of another site")
        return on_refusal_of_http(403, "This was sent from another site. Open the page here and send it again.")
    return None


def render_page(template, status=200, **context):
    """A whole page as a response, with the sidebar for those who are signed in."""
    if "sidebar" not in context:
        context["sidebar"] = current_app.extensions["sidebar"]()
    response = make_response(render_template(template, **context), status)
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def add_error(form, error):
    """Show an action's refusal beside the field it names, or on top of the form when it names none."""
    field = form[error.field] if error.field and error.field in form else None
    if field is not None:
        field.errors = [*field.errors, error.message]
    else:
        form.form_errors.append(error.message)


def see_other(path, message=None, category="success"):
    """Redirect after a form did its work, with a word about it on the next page."""
    if message:
        flash(message, category)
    return redirect(path, 303)


def redirect_back(default, message=None, category="success"):
    """Redirect to the page that the form was on, if that was one of ours."""
    try:
        referrer = urlsplit(request.referrer or "")
    except ValueError:  # it holds what only looks like an address
        return see_other(default, message, category)
    here = referrer.netloc == request.host and referrer.path != request.path
    own = "/" + referrer.path.lstrip("/\\")  # two slashes would begin the name of another host
    path = own + (f"?{referrer.query}" if referrer.query else "") if here else default
    return see_other(path, message, category)


def wants_json():
    return (
        request.is_json
        or request.path.startswith("/api/")
        or request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"
    )


def on_refusal(error):
    db.session.rollback()
    note_denial(error, g.get("user_id"))
    if wants_json():
        response = say_when(jsonify(error.to_json()), error)
        response.status_code = error.status
    else:
        response = error_page(
            error.status, error.message, retry_after=error.retry_after, back=getattr(error, "back", None)
        )
    return say_when(response, error)


def say_when(response, error):
    """Add to a refusal's response in how many seconds it is worth another try."""
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(max(1, round(error.retry_after)))
    return response


def on_csrf_error(error):
    note_refusal("form without its token")
    return on_refusal_of_http(
        400, "This page was open for so long, or in so many windows, that its form expired. Reload it and send again."
    )


def on_http_error(error):
    if error.code is None or error.code < 400:
        return error
    allowed = getattr(error, "valid_methods", None)
    return on_refusal_of_http(error.code, None, {"Allow": ", ".join(sorted(allowed))} if allowed else {})


def on_refusal_of_http(status, message, headers=()):
    db.session.rollback()
    if wants_json():
        code = {401: "unauthorized", 403: "forbidden", 404: "not_found", 413: "too_large", 429: "rate_limited"}
        _, text = TITLES.get(status, TITLES[400])
        if request.path.startswith("/api/"):
            text = FOR_PROGRAMS.get(status, text)
        body = {
            "ok": False,
            "code": code.get(status, "error" if status >= 500 else "invalid"),
            "message": message or text,
        }
        return jsonify(body), status, headers
    page = error_page(status, message)
    page.headers.update(headers)
    return page


def on_crash(error):
    """Log the fault under a short reference that the person can give to whoever runs this. A database that is away or
    overloaded is no fault of ours, and comes back."""
    if is_passing(error):
        note_failure(log, error, "%s %s could not be answered.", request.method, request.url_rule)
        return on_refusal(Busy())
    reference = secrets.token_hex(4)
    log.exception("Unexpected fault %s in %s %s", reference, request.method, request.url_rule)  # paths may be secrets
    db.session.rollback()
    if wants_json():
        return jsonify({"ok": False, "code": "error", "message": TITLES[500][1], "reference": reference}), 500
    return error_page(500, None, reference=reference)


def error_page(status, message=None, *, retry_after=None, reference=None, back=None):
    """`back`: (path, words) of the page that one came from, where that is known."""
    title, text = TITLES.get(status, TITLES[400 if status < 500 else 500])
    values = {
        "status": status,
        "title": title,
        "message": message or text,
        "path": request.path,
        "retry_after": retry_after,
        "again": request.path if request.method in ("GET", "HEAD") else None,
        "reference": reference,
        "back": back,
    }
    try:
        page = render_template("errors/error.html", **values)
    except Exception as error:
        if not is_passing(error):
            raise
        db.session.rollback()
        g.session, g.database_is_away = None, True  # the layout asks who looks, and where: nobody can say it now
        page = render_template("errors/error.html", **values)
    response = make_response(page, status)
    response.headers["Cache-Control"] = "no-store"
    return response


def with_etag(parts, make):
    """Answer 304 when the browser holds the page that `parts` describe; otherwise `make()` it and label it.

    `parts` are whatever the page depends on, besides what its forms do: after signing in again those of an older copy
    would be refused. The page stays private to the browser and is asked about each time.
    """
    digest = sha256(repr((parts, session.get("csrf_token"))).encode()).hexdigest()[:32]
    if request.if_none_match.contains_weak(digest):
        response = make_response("", 304)
    else:
        response = make()
    response.set_etag(digest, weak=True)
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def flashes_wait():
    """Whether a word about the last form waits to be shown; such a page must not be answered from a cache."""
    return "_flashes" in session
