"""Who asks for something below /api/: found once, for every way to prove it."""

from flask import current_app, request

from chat.accounts.signed_in import cookie_name, find_session, refuse_waiting
from chat.core.errors import Forbidden, Invalid, Unauthorized
from chat.core.web import csrf

SECRETS = ("token", "access_token", "api_key", "key", "authorization", "session")


def who_asks():
    """(The live Session behind this request, the token that names it.)

    `Authorization: Bearer …` comes before the cookie. A browser adds the cookie by itself, whoever's page made the
    request: that one has to come from a page of ours. Raises Unauthorized, Forbidden, or a refusal of CSRF.
    """
    for name in request.args:
        if name.lower() in SECRETS:
            message = "Send it in the header `Authorization: Bearer …`; addresses end up in logs."
            raise Invalid(message, field=name)
    if "Authorization" in request.headers:
        return by_token(request.headers["Authorization"])
    return by_cookie()


def by_token(_header):
    """The same, by a token that a person made for a program. There are none yet."""
    raise Unauthorized("That token is not known here.")


def by_cookie():
    refuse_other_pages()
    session = find_session()
    if session is None:
        refuse_waiting()
        raise Unauthorized("Sign in first, and send the cookie of that session.")
    if current_app.config["WTF_CSRF_ENABLED"]:
        csrf.protect()
    return session, request.cookies[cookie_name()]


def refuse_other_pages():
    """As for websockets. Browsers say which page a request comes from; programs say nothing, and bring no cookie but
    their own."""
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "none")
    if site not in ("same-origin", "none") or (origin and origin not in current_app.config["PARLEY"].origins):
        raise Forbidden("This page may not ask in your name. Its origin belongs into ALLOWED_ORIGINS.")
