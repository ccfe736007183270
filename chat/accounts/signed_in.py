"""Who is asking, found once: for pages here, for sockets through `cookie_value` and `session_for`, for the API in
asking.py.

Sessions are rows; the cookie is 256 random bits whose hash names one. Nothing in the cookie is trusted, nothing about
the person is kept in it, and there is no other way to be remembered. Tokens (credentials.py) open no page.
"""

from contextlib import suppress
from functools import wraps
from urllib.parse import urlencode

from flask import after_this_request, current_app, g, redirect, request, session, url_for
from flask_login import LoginManager, current_user
from werkzeug.http import parse_cookie

from chat.accounts.actions.sessions import LIFETIME, note_use
from chat.accounts.credentials import is_cookie
from chat.accounts.queries import live_session
from chat.accounts.return_path import return_path
from chat.core.cookies import readable
from chat.core.db import db
from chat.core.errors import Forbidden, RateLimited, Unauthorized
from chat.core.rate_limit import limiter, network_of
from chat.core.web import wants_json
from chat.site.queries import the_site

SAFE = ("GET", "HEAD", "OPTIONS")
UNCOUNTED = ("static", "ops")  # kept by browsers for ever; asked for by machines
HELD_UP = "Your account needs a second factor here now, and has none yet. Sign in with a browser and set one up."
NEEDED = "/login/needed"  # leads from a session that is held up to setting up a second factor
WAITING = "coming_in"  # where a Flask session says who has shown a first factor, and no second one yet
OPEN_BEFORE_SETUP = ("site.setup", "static.asset", "static.accent", "ops.healthz", "ops.readyz", "ops.metrics")


def init_app(app):
    """Flask-Login over our sessions, and nothing but /setup until there is a community."""
    # Its remember cookie comes before ours, whoever set it, and on localhost all programs share cookies: it gets a name
    # that no cookie can have.
    app.config["REMEMBER_COOKIE_NAME"] = "none;"
    manager = LoginManager(app)
    manager.session_protection = None
    manager.request_loader(lambda request: (found := find_session()) and found.user)
    app.before_request(forget_who_asked)
    app.before_request(count_request)
    app.after_request(count_wrong_token)
    app.before_request(set_up_first)


def cookie_name():
    """__Host-: such a cookie cannot come from another subdomain, nor from a page without TLS."""
    return "__Host-parley_session" if current_app.config["PARLEY"].secure else "parley_session"


def cookie_value(cookie_header):
    """The session token in a Cookie header, as a socket's handshake brings it; "" when there is none."""
    value = parse_cookie(readable(cookie_header)).get(cookie_name()) or ""
    return value if is_cookie(value) else ""


def session_for(token):
    """The live Session of this cookie or token, with its user; None otherwise, also while it is held up. One query, and
    every five minutes a small write.

    Sockets ask again for every event: the session may have been revoked since they connected.
    """
    found = live_session(token)
    return note_use(found) if found and not found.is_held_up else None


def find_session():
    """The Session of this request, or None, also as `g.session`."""
    if "session" not in g:
        value = request.cookies.get(cookie_name(), "")
        found = live_session(value) if is_cookie(value) else None
        g.held_up, g.session = (found, None) if found and found.is_held_up else (None, found and note_use(found))
        g.user_id = found and found.user_id  # for the log, also after a rollback
    return g.session


def held_up_session():
    """The Session of this request if it opens nothing until its person has set up a second factor, or None."""
    find_session()
    return g.get("held_up")


def session_here():
    """The Session of this request, held up or not, or None: whoever signs out, or in as somebody else, leaves none
    behind."""
    return find_session() or held_up_session()


def forget_who_asked():
    """Nobody is taken over from an application context that outlives one request, as in tests and commands."""
    for name in ("session", "held_up", "user_id"):
        g.pop(name, None)
    g.pop("_login_user", None)


def count_request():
    """Every request counts against whoever sends it, besides what its own limit says: none can be added without one.

    People are counted one by one, strangers by their network address. Programs are counted where their token is looked
    at; here only wrong tokens hold them up.
    """
    if not current_app.config["PARLEY"].rate_limits or request.blueprint in UNCOUNTED or request.endpoint is None:
        return
    if "Authorization" in request.headers:
        limiter.check("stranger", this_network())
    elif session := find_session():
        limiter.take("page" if request.method in SAFE else "form", session.user_id)
    else:
        db.session.rollback()
        limiter.take("page" if request.method in SAFE else "stranger", this_network())


def count_wrong_token(response):
    if response.status_code == 401 and "Authorization" in request.headers:
        with suppress(RateLimited):
            limiter.take("stranger", this_network())
    return response


def set_up_first():
    if request.endpoint and request.endpoint not in OPEN_BEFORE_SETUP and the_site() is None:
        return redirect(url_for("site.setup"), 303)
    return None


def signed_in(view):
    """Passes the person asking to the view as its first argument; anyone else is asked to sign in first."""

    @wraps(view)
    def asked(*args, **kwargs):
        if not current_user.is_authenticated:
            refuse_waiting()
            if wants_json():
                raise Unauthorized
            if held_up_session():
                return redirect(f"{NEEDED}?{urlencode({'next': this_page() or '/'})}", 303)
            return redirect(url_for("accounts.sign_in", next=this_page()), 303)
        return view(current_user._get_current_object(), *args, **kwargs)

    asked.policy = "signed in"
    return asked


def signed_in_or_held_up(view):
    """The same, and passes also whoever has yet to set up a second factor: for the way to that."""

    @wraps(view)
    def asked(*args, **kwargs):
        held_up = held_up_session()
        return view(held_up.user, *args, **kwargs) if held_up else signed_in(view)(*args, **kwargs)

    asked.policy = "signed in, also while a second factor is missing"
    return asked


def refuse_held_up(held_up):
    """Raise Forbidden, with the remedy, for a Session that opens nothing until a second factor is set up."""
    if held_up and held_up.is_held_up:
        raise Forbidden(HELD_UP)


def refuse_waiting():
    """Raise Forbidden, with the remedy, for a program in whose browser somebody has yet to show a second factor, or to
    set one up."""
    if wants_json():
        refuse_held_up(held_up_session())
    if wants_json() and WAITING in session:
        raise Forbidden("A second factor is missing. Open the sign-in page in a browser and show it, or set one up.")


def this_page():
    """The page asked for, to return to after signing in; None when that would be the front page or was not a page."""
    path = request.full_path if request.query_string else request.path
    return None if request.method != "GET" or return_path(path) == "/" else path


def this_browser():
    """What a session remembers of where it began."""
    return {"address": request.remote_addr or "", "user_agent": request.headers.get("User-Agent", "")}


def this_network():
    """What attempts from this address are counted under."""
    return network_of(request.remote_addr)


def keep_token(token):
    """Give this browser its session. What its Flask session held goes, so that nothing planted there before comes in
    along; that also makes new CSRF tokens."""
    session.clear()

    @after_this_request
    def set_cookie(response):
        response.set_cookie(cookie_name(), token, max_age=int(LIFETIME.total_seconds()), **_attributes())
        return response


def drop_token():
    """Let this browser forget its session, and the pages that it kept: the next who sits there has no use for them."""
    session.clear()

    @after_this_request
    def delete_cookie(response):
        response.delete_cookie(cookie_name(), **_attributes())
        response.headers["Clear-Site-Data"] = '"cache"'
        return response


def _attributes():
    return {"path": "/", "secure": current_app.config["PARLEY"].secure, "httponly": True, "samesite": "Lax"}
