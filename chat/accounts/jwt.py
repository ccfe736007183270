"""Access tokens of programs: JSON Web Tokens that name a session for ten minutes.

They are signed with HMAC-SHA-256 and nothing else, under keys that follow from SECRET_KEY and SECRET_KEY_FALLBACKS. The
header says which (`kid`), and has to be exactly ours: no other algorithm, no key and no address of one is ever taken
from a token. What a token may do stands in the row of its session, which is looked at each time; so ending the session
ends the token.
"""

import re
import secrets
import time
from functools import lru_cache

import jwt
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import current_app

ALGORITHM, TYPE, AUDIENCE = "HS256", "at+jwt", "parley-api"
LIFETIME_SECONDS = 600
SENT_AS = "Bearer"  # RFC 6750
SKEW_SECONDS = 5  # by which the clock of the process that made a token may be ahead of ours
LONGEST = 2048
CLAIMS = ("iss", "aud", "exp", "nbf", "iat", "sub", "jti", "sid", "epoch")
# The last character of 32 bytes in base64 has two bits to spare: one way to write a signature, not four.
FORM = re.compile(r"[\w-]+\.[\w-]+\.[\w-]{42}[AEIMQUYcgkosw048]", re.ASCII)


def issue(sid, user_id, epoch):
    """A token of the session whose secret name is `sid`, good for ten minutes from now."""
    kid, key = next(iter(_keys().items()))
    moment = int(time.time())
    claims = {
        "iss": _issuer(), "aud": AUDIENCE, "sub": str(user_id), "sid": sid, "epoch": epoch,
        "jti": secrets.token_hex(16), "iat": moment, "nbf": moment - SKEW_SECONDS, "exp": moment + LIFETIME_SECONDS,
    }  # fmt: skip
    return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"typ": TYPE, "kid": kid})


def has_form(text):
    """Whether it looks like one: what nothing else does that names a session."""
    return len(text) <= LONGEST and FORM.fullmatch(text) is not None


def verified(text):
    """The claims of a token that we made and whose time it is; None for every other one. Asks nothing of anybody."""
    try:
        header = jwt.get_unverified_header(text)
        kid = header.get("kid")
        key = _keys().get(kid) if isinstance(kid, str) else None
        if key is None or header != {"alg": ALGORITHM, "typ": TYPE, "kid": kid}:
            return None
        claims = jwt.decode(
            text, key, algorithms=[ALGORITHM], audience=AUDIENCE, issuer=_issuer(),
            options={"require": list(CLAIMS), "verify_iat": False, "strict_aud": True},
        )  # fmt: skip
    except (jwt.InvalidTokenError, ValueError):
        return None
    words = all(isinstance(claims[name], str) for name in ("sub", "jti", "sid", "epoch"))
    return claims if words and all(type(claims[name]) is int for name in ("exp", "nbf", "iat")) else None


def _issuer():
    return current_app.config["PARLEY"].base_url


def _keys():
    """{kid: key}, the one that signs first."""
    settings = current_app.config["PARLEY"]
    return _keys_of((settings.secret_key, *settings.secret_key_fallbacks))


@lru_cache(maxsize=8)
def _keys_of(secret_keys):
    keys = [_derived(secret_key.encode(), b"parley: access tokens") for secret_key in secret_keys]
    return {_derived(key, b"parley: kid").hex()[:16]: key for key in keys}


def _derived(secret, purpose):
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret)
