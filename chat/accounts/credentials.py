"""The three things that can name a session: a browser's cookie, a token that a person made, an access token of a
program.

Of the first two the database keeps a hash; an access token is signed, and its `sid` names the session. Each has a form
that no other one has, and finds sessions of its own kind alone: a cookie's value is no token, and the other way round.
"""

import re
import secrets
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple

from chat.accounts import jwt

BROWSER, TOKEN, PROGRAM = "browser", "token", "program"  # the kinds of sessions
TOKEN_PREFIX, REFRESH_PREFIX = "parley_pat_", "parley_refresh_"  # what scanners for leaked secrets look for
BITS_256 = r"[A-Za-z0-9_-]{43}"  # in base64
COOKIE_FORM, TOKEN_FORM, REFRESH_FORM = (re.compile(prefix + BITS_256) for prefix in ("", TOKEN_PREFIX, REFRESH_PREFIX))


class Named(NamedTuple):
    """What a credential says before anybody has asked the database.

    epoch   that of the community it was made in; None: it does not say
    until   when it ends, whatever becomes of its session; None: with the session
    """

    kind: str
    token_hash: str
    epoch: str | None = None
    until: datetime | None = None


def read(credential):
    """The Named of something that a client sent; None for what cannot be a credential, or is a token not of ours."""
    if not isinstance(credential, str):
        return None
    if COOKIE_FORM.fullmatch(credential):
        return Named(BROWSER, token_hash(credential))
    if TOKEN_FORM.fullmatch(credential):
        return Named(TOKEN, token_hash(credential))
    claims = jwt.verified(credential) if jwt.has_form(credential) else None
    if claims is None:
        return None
    until = datetime.fromtimestamp(claims["exp"], UTC)
    return Named(PROGRAM, named_by(claims["sid"]), claims["epoch"], until)


def is_cookie(value):
    return COOKIE_FORM.fullmatch(value) is not None


def is_bearer(value):
    """Whether it has the form of what programs send in a header or at the start of a connection."""
    return isinstance(value, str) and (TOKEN_FORM.fullmatch(value) is not None or jwt.has_form(value))


def ends_at(credential, session):
    """When a connection that stands on it ends by itself; None for a browser's: those are swept now and then."""
    named = read(credential)
    if named is None or named.kind == BROWSER:
        return None
    return min(named.until or session.expires_at, session.expires_at)


def token_hash(secret):
    """What the database keeps of a secret: whoever reads a backup cannot sign in with it."""
    return sha256(secret.encode("utf-8", "replace")).hexdigest()


def named_by(sid):
    """What stands for the hash in the row of a program's session. A `sid` is no secret: no hash looks like this."""
    return f"sid:{sid}"


def sid_of(session):
    return session.token_hash.removeprefix("sid:")


def new_sid():
    return secrets.token_urlsafe(16)


def new_cookie():
    return secrets.token_urlsafe(32)


def new_token():
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def new_refresh_token():
    return REFRESH_PREFIX + secrets.token_urlsafe(32)
