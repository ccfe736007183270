"""Who asks for something below /api/: found once, for every way to prove it, with what they may do there."""

from functools import wraps

from flask import current_app, g, request

from chat.accounts.actions.sessions import note_use
from chat.accounts.credentials import is_bearer
from chat.accounts.queries import live_session
from chat.accounts.scopes import refuse_without
from chat.accounts.signed_in import cookie_name, find_session, refuse_held_up, refuse_waiting, this_network
from chat.core.errors import Forbidden, Invalid, Unauthorized
from chat.core.rate_limit import limiter
from chat.core.security_log import note_refusal
from chat.core.web import csrf

SECRETS = ("token", "access_token", "refresh_token", "api_key", "key", "authorization", "session")


def asked(scope):
    """Passes the person asking to a view of the API as its first argument. A token needs the scope for it."""

    def decorate(view):
        @wraps(view)
        def answered(*args, **kwargs):
            session, _ = who_asks(scope)
            g.asking = session
            limiter.take("api", session.user_id)
            return view(session.user, *args, **kwargs)

        answered.policy = f"a session, or a token with the scope {scope}"
        answered.scope = scope
        return answered

    return decorate


def open_to_programs(who):
    """Mark a view of the API that needs nobody signed in, and count its requests by network address. Where a browser
    sends the cookie of somebody all the same, a page of ours has to be behind it."""

    def decorate(view):
        @wraps(view)
        def answered(*args, **kwargs):
            refuse_secrets_in_address()
            limiter.take("token", this_network())
            if find_session() is not None:
                by_cookie()
            return view(*args, **kwargs)

        answered.policy = who
        return answered

    return decorate


def who_asks(scope=None):
    """(The live Session behind this request, the cookie or token that names it.)

    `Authorization: Bearer …` comes before the cookie. A browser adds the cookie by itself, whoever's page made the
    request: that one has to come from a page of ours. Raises Unauthorized, Forbidden, or a refusal of CSRF.

    scope   what is needed for what is asked; None: the caller asks for that with `refuse_without`
    """
    refuse_secrets_in_address()
    header = request.headers.get("Authorization")
    session, credential = by_cookie() if header is None else by_token(header)
    if scope is not None:
        refuse_without(session.scopes, scope)
    return session, credential


def refuse_secrets_in_address():
    for name in request.args:
        if name.lower() in SECRETS:
            message = "Send it in the header `Authorization: Bearer …`; addresses end up in logs."
            raise Invalid(message, field=name)


def by_token(header):
    """The same, by a token that a person made for a program, or by an access token that a program was given."""
    kind, _, token = header.partition(" ")
    token = token.strip()
    session = live_session(token) if kind.lower() == "bearer" and is_bearer(token) else None
    if session is None:
        note_refusal("token refused")
        raise Unauthorized("That token is not known here, or it has ended.")
    g.user_id = session.user_id
    refuse_held_up(session)
    return note_use(session), token


def by_cookie():
    refuse_other_pages()
    session = find_session()
    if session is None:
        refuse_waiting()
        raise Unauthorized("Sign in first, and send the cookie of that session; or send a token.")
    if current_app.config["WTF_CSRF_ENABLED"]:
        csrf.protect()
    return session, request.cookies[cookie_name()]


def refuse_other_pages():
    """As for websockets. Browsers say which page a request comes from; programs say nothing, and bring no cookie but
    their own."""
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "none")
    ours = origin is None or origin in current_app.config["PARLEY"].origins
    if site not in ("same-origin", "none") or not ours:
        raise Forbidden("This page may not ask in your name. Its origin belongs into ALLOWED_ORIGINS.")
