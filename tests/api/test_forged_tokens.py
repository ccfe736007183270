"""Access tokens that are not ours, not good any more, or not quite as we wrote them: refused by every way in."""

import base64
import json
import time

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from chat.accounts import jwt
from chat.accounts.actions import make_token, revoke_token
from chat.accounts.actions.sessions import begin_session, end_other_sessions
from chat.accounts.credentials import token_hash
from chat.accounts.models import Session
from chat.accounts.signed_in import cookie_name
from chat.core.clock import now
from chat.core.db import db
from chat.site.actions import begin_epoch

ENTRIES = ("http", "websocket", "event stream")


class Real:
    """A good token of bob's, taken apart, and the key that it was signed with."""

    def __init__(self, pair):
        self.token, self.pair = pair.access_token, pair
        self.claims = pyjwt.decode(self.token, options={"verify_signature": False})
        self.header = pyjwt.get_unverified_header(self.token)
        self.head, self.body, self.signature = self.token.split(".")
        self.key = jwt._keys()[self.header["kid"]]

    def signed(self, *, key=None, header=(), drop=(), **claims):
        """Another one, signed as ours are."""
        header = {name: value for name, value in {**self.header, **dict(header)}.items() if value is not None}
        kept = {name: value for name, value in {**self.claims, **claims}.items() if name not in drop}
        algorithm = header.pop("alg")
        return pyjwt.encode(kept, self.key if key is None else key, algorithm=algorithm, headers=header)

    def by_hand(self, header):
        """Our claims under any header, signed with HMAC-SHA-256 and our key."""
        signed = f"{part(header)}.{self.body}"
        signature = pyjwt.algorithms.HMACAlgorithm("SHA256").sign(signed.encode(), self.key)
        return f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def ended(real):
    end_other_sessions(real.pair.session.user)
    return real.token


def of_a_closed_account(real):
    real.pair.session.user.deactivated_at = now()
    db.session.commit()
    return real.token


def of_an_old_epoch(real):
    begin_epoch()
    return real.token


def of_a_revoked_program(real):
    revoke_token(real.pair.session.user, real.pair.session)
    return real.token


def naming_a_browser(real):
    cookie = begin_session(real.pair.session.user)
    return real.signed(sid=token_hash(cookie))


def naming_a_made_token(real):
    value, _ = make_token(real.pair.session.user, "x", scopes=["read"], days=1)
    return real.signed(sid=token_hash(value))


def with_another_last_character(real):
    """The same bytes in base64, written otherwise: two bits of the last character are not looked at by decoders."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return real.token[:-1] + letters[letters.index(real.token[-1]) + 1]


FORGED = {
    "alg none": lambda r: f"{part({**r.header, 'alg': 'none'})}.{r.body}.",
    "alg none, with the old signature": lambda r: f"{part({**r.header, 'alg': 'none'})}.{r.body}.{r.signature}",
    "alg nOnE": lambda r: f"{part({**r.header, 'alg': 'nOnE'})}.{r.body}.{r.signature}",
    "no alg": lambda r: r.by_hand({"typ": jwt.TYPE, "kid": r.header["kid"]}),
    "another algorithm with the right key": lambda r: r.signed(header={"alg": "HS512"}),
    "HS384 with the right key": lambda r: r.signed(header={"alg": "HS384"}),
    "RS256 with a key of one's own": lambda r: r.signed(
        header={"alg": "RS256"}, key=rsa.generate_private_key(public_exponent=65537, key_size=2048)
    ),
    "a wrong key": lambda r: r.signed(key=b"x" * 32),
    "SECRET_KEY itself as the key": lambda r: r.signed(key=b"a key for tests, long enough for the check"),
    "no kid": lambda r: r.by_hand({"alg": "HS256", "typ": jwt.TYPE}),
    "an unknown kid": lambda r: r.signed(header={"kid": "0" * 16}),
    "a kid that is a path": lambda r: r.signed(header={"kid": "../../../dev/null"}, key=b"\0" * 32),
    "a kid that is SQL": lambda r: r.signed(header={"kid": "' UNION SELECT 'x' --"}, key=b"x" * 32),
    "a kid that is a list": lambda r: r.by_hand({**r.header, "kid": [r.header["kid"]]}),
    "a key in the header": lambda r: r.by_hand({**r.header, "jwk": {"kty": "oct", "k": "eA"}}),
    "the address of a key in the header": lambda r: r.by_hand({**r.header, "jku": "https://evil.example/keys"}),
    "a header that is critical": lambda r: r.by_hand({**r.header, "crit": ["exp"]}),
    "another type": lambda r: r.by_hand({**r.header, "typ": "JWT"}),
    "a header that is no object": lambda r: r.by_hand([r.header]),
    "another issuer": lambda r: r.signed(iss="https://evil.example"),
    "another audience": lambda r: r.signed(aud="another-api"),
    "several audiences": lambda r: r.signed(aud=[jwt.AUDIENCE, "another-api"]),
    "one that ran out": lambda r: r.signed(exp=int(time.time()) - 1),
    "one that does not count yet": lambda r: r.signed(nbf=int(time.time()) + 60),
    "an end that is a text": lambda r: r.signed(exp="9999999999"),
    "an end that is half a number": lambda r: r.signed(exp=r.claims["exp"] + 0.5),
    **{f"no {name}": lambda r, name=name: r.signed(drop=(name,)) for name in jwt.CLAIMS},
    "a sid that is a list": lambda r: r.signed(sid=[r.claims["sid"]]),
    "another epoch": lambda r: r.signed(epoch="another"),
    "a sid of nobody": lambda r: r.signed(sid="x" * 22),
    "a sid that is the hash of a cookie": naming_a_browser,
    "a sid that is the hash of a token": naming_a_made_token,
    "the claims of another with our signature": lambda r: f"{r.head}.{part({**r.claims, 'sid': 'x'})}.{r.signature}",
    "half a signature": lambda r: r.token[:-20],
    "no signature": lambda r: f"{r.head}.{r.body}.",
    "a signature with padding": lambda r: r.token + "=",
    "a signature written otherwise": with_another_last_character,
    "a space inside": lambda r: f"{r.head}. {r.body}.{r.signature}",
    "two at once": lambda r: f"{r.token}.{r.token}",
    "a token of an old epoch": of_an_old_epoch,
    "a token of a session that has ended": ended,
    "a token of a program that was revoked": of_a_revoked_program,
    "a token of a closed account": of_a_closed_account,
    "the refresh token": lambda r: r.pair.refresh_token,
    "the sid itself": lambda r: f"sid:{r.claims['sid']}",
    "the value of a cookie": lambda r: begin_session(r.pair.session.user),
}


@pytest.fixture
def real(pair_of, bob):
    return Real(pair_of(bob))


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("how", FORGED)
def test_what_is_not_ours_opens_nothing(entries, real, how, entry):
    assert entries[entry](FORGED[how](real)) == "unauthorized"


@pytest.mark.parametrize("entry", ENTRIES)
def test_what_is_ours_does(entries, real, entry):
    assert entries[entry](real.token) is None
    assert entries[entry](real.signed()) is None, "the forger of these tests writes what we would"


def test_nobody_comes_in_as_a_browser_with_a_token(client, token_of, pair_of, bob):
    for value in (token_of(bob), pair_of(bob).access_token):
        client.set_cookie(cookie_name(), value)
        assert client.get("/settings/profile").status_code == 303
        assert client.get("/api/v1/me").status_code == 401


# Keys


def test_tokens_of_a_key_that_was_replaced_count_for_as_long_as_it_is_kept(app, entries, real):
    settings = app.config["PARLEY"]
    old, new = settings.secret_key, "another key for tests, long enough for the check"
    object.__setattr__(settings, "secret_key", new)

    assert entries["http"](real.token) == "unauthorized"
    object.__setattr__(settings, "secret_key_fallbacks", (old,))
    assert entries["http"](real.token) is None


def test_new_tokens_are_signed_with_the_newest_key(app, pair_of, bob, real):
    settings = app.config["PARLEY"]
    object.__setattr__(settings, "secret_key_fallbacks", (settings.secret_key,))
    object.__setattr__(settings, "secret_key", "another key for tests, long enough for the check")

    assert pyjwt.get_unverified_header(pair_of(bob).access_token)["kid"] != real.header["kid"]


def test_what_is_stored_of_a_program_is_no_way_in(entries, real):
    stored = db.session.get(Session, real.pair.session.id).token_hash

    assert [entries[entry](stored) for entry in ENTRIES] == ["unauthorized"] * 3
