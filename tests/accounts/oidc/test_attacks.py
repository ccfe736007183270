"""Attempts to come in as somebody else through a provider: what is said, and that nobody is signed in.

Each begins as a flow that would succeed, for Grace who has an account, and has one thing wrong. `refused` also checks
that the same flow with nothing wrong still works: what is refused is the attack, not everything.
"""

import time
from dataclasses import replace
from datetime import timedelta

import pytest
import requests
import time_machine

from chat.accounts.actions import set_sign_up
from chat.accounts.models import Identity, Link, Passkey, ProviderFlow, Session, Totp
from chat.accounts.oidc import fetching
from chat.accounts.queries import sessions_of, user_by_email
from chat.accounts.signed_in import session_for
from chat.core.clock import now
from chat.core.db import db
from tests.accounts.oidc.provider import ALICE, GRACE, SECRET, Provider, query_of, where_to, with_query
from tests.accounts.test_views import cookie_of, token_of

ELSEWHERE = "That sign-in began in another browser"
DOES_NOT_FIT = "What came back from Tidewater ID does not fit."
NO_ANSWER = "Tidewater ID does not answer as it should."
CLOSED = "That name and password do not match."


@pytest.fixture
def grace(sign_in_there, client, invite):
    """Grace has an account, came in through the provider before, and has left."""
    sign_in_there(invite=invite.code)
    client.post("/logout")
    return user_by_email(GRACE["email"])


@pytest.fixture
def refused(grace, client, provider, sign_in_there):
    """refused(answer, words): nobody is signed in by it, and Grace still can."""

    def refused(answer, words, status=422):
        assert words in answer.text
        assert answer.status_code == status
        assert cookie_of(answer) is None
        assert sessions_of(grace) == []
        provider.be()
        client.application.extensions["providers"]["oidc"].failed_until = 0.0
        assert session_for(token_of(sign_in_there())).user == grace

    return refused


# The state


def test_without_a_state(refused, client, come_back):
    refused(client.get(with_query(come_back(), state=None)), ELSEWHERE)


def test_with_another_state(refused, client, come_back):
    refused(client.get(with_query(come_back(), state="x" * 43)), ELSEWHERE)


def test_with_the_state_of_another_of_ones_own_flows_the_nonce_does_not_fit(refused, client, come_back, leave):
    other = query_of(leave())["state"]
    refused(client.get(with_query(come_back(), state=other)), DOES_NOT_FIT)


def test_a_state_works_once_also_for_a_browser_that_kept_its_cookies(refused, client, app, come_back, provider):
    first = come_back()
    before = client.get_cookie("parley").value
    assert client.get(first).status_code == 303
    client.post("/logout")
    client.set_cookie("parley", before)
    fresh_code = query_of(come_back())["code"]
    client.set_cookie("parley", before)

    refused(client.get(with_query(first, code=fresh_code)), ELSEWHERE)


def test_the_state_of_another_browser(refused, app, client, come_back):
    """Login CSRF: an attacker's own code and state, in an address that the victim opens."""
    attackers = app.test_client()
    planted = come_back(attackers)

    refused(client.get(planted), ELSEWHERE)
    assert attackers.get(planted).status_code == 303


def test_a_stolen_address_in_the_browser_of_the_thief(refused, app, client, come_back):
    stolen, thief = come_back(), app.test_client()
    come_back(thief)

    refused(thief.get(stolen), ELSEWHERE)


def test_a_state_after_ten_minutes(refused, client, come_back):
    late = come_back()
    with time_machine.travel(now() + timedelta(minutes=10, seconds=1), tick=False):
        answer = client.get(late)

    refused(answer, ELSEWHERE)


def test_the_state_of_one_provider_at_the_address_of_another(refused, client, come_back, app):
    known = app.extensions["providers"]
    known["gitlab"] = replace(known["oidc"], key="gitlab")
    answer = client.get(come_back().replace("/with/oidc/", "/with/gitlab/"))

    refused(answer, ELSEWHERE)


# The code


def test_a_code_that_was_used(refused, client, come_back, leave):
    """The code of a flow that ended, taken along by a new one of the same browser."""
    used = come_back()
    client.get(used)
    client.post("/logout")
    state = query_of(leave())["state"]

    refused(client.get(with_query(used, state=state)), DOES_NOT_FIT)


def test_a_code_that_is_none(refused, client, come_back):
    refused(client.get(with_query(come_back(), code="none")), DOES_NOT_FIT)


def test_no_code(refused, client, come_back):
    refused(client.get(with_query(come_back(), code=None)), "sent no code")


def test_the_code_of_a_flow_with_another_verifier(refused, client, come_back):
    """PKCE: a code that was caught on its way is of no use to whoever did not begin."""
    theirs = query_of(come_back())["code"]

    refused(client.get(with_query(come_back(), code=theirs)), DOES_NOT_FIT)


def test_a_wrong_verifier(refused, client, come_back, change):
    back = come_back()
    change(db.session.query(ProviderFlow).one(), verifier="x" * 43)

    refused(client.get(back), DOES_NOT_FIT)


def test_the_provider_refuses_another_redirect_address(refused, client, leave, come_back):
    """What is registered there, to the letter: an address of ours that does not belong, or anybody's."""
    for elsewhere in ("https://evil.example/login/with/oidc/callback", "http://localhost:5000/login"):
        answer = requests.get(with_query(leave(), redirect_uri=elsewhere), allow_redirects=False, timeout=5)
        assert answer.status_code == 400

    refused(client.get(with_query(come_back(), state="")), ELSEWHERE)


@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host"])
def test_no_header_changes_where_the_provider_is_asked_to_send_people(client, header):
    url = where_to(client.post("/login/with/oidc", headers={header: "evil.example"}))

    assert query_of(url)["redirect_uri"] == "http://localhost:5000/login/with/oidc/callback"


# The issuer


@pytest.mark.parametrize("iss", ["https://evil.example", "", None, "http://127.0.0.1"])
def test_an_answer_that_names_another_issuer_or_none(refused, client, come_back, iss):
    """Mix-up (RFC 9207): this provider says that it always names itself."""
    refused(client.get(with_query(come_back(), iss=iss)), DOES_NOT_FIT)


# The id token

TOKENS = {
    "another nonce": {"claims": {"nonce": "x" * 43}},
    "no nonce": {"claims": {"nonce": None}},
    "another issuer": {"claims": {"iss": "https://evil.example"}},
    "no issuer": {"claims": {"iss": None}},
    "another audience": {"claims": {"aud": "another client"}},
    "another audience, and us as the party": {"claims": {"aud": "another client", "azp": "parley"}},
    "no audience": {"claims": {"aud": None}},
    "others in the audience, and no party": {"claims": {"aud": ["parley", "another client"]}},
    "another party": {"claims": {"aud": ["parley", "another client"], "azp": "another client"}},
    "expired": {"claims": {"exp": 1_700_000_000}},
    "no end": {"claims": {"exp": None}},
    "not yet": {"claims": {"nbf": 4_000_000_000}},
    "issued in the future": {"claims": {"iat": 4_000_000_000}},
    "no subject": {"claims": {"sub": None}},
    "an empty subject": {"claims": {"sub": ""}},
    "a number for a subject": {"claims": {"sub": 1}},
    "another access token": {"claims": {"at_hash": "x" * 22}},
    "alg none": {"key": "none"},
    "HS256 with the public key": {"key": "public"},
    "the key of a stranger": {"key": "stranger"},
    "an unknown key": {"key": "stranger", "header": {"kid": "stranger"}},
    "a key in the header": {"key": "stranger", "header": {"kid": None, "jwk": {"kty": "RSA"}}},
    "a critical header": {"header": {"crit": ["odd"], "odd": 1}},
}


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
def test_an_id_token_with(token, refused, client, come_back, provider):
    provider.be(token=token)

    refused(client.get(come_back()), DOES_NOT_FIT)


@pytest.mark.parametrize("raw", ["", "a.b", "x" * 10_000, 7, ["a"], None])
def test_an_id_token_that_is_none(refused, client, come_back, provider, raw):
    provider.be(answers={"/token": {"json": {"id_token": raw}}})

    refused(client.get(come_back()), DOES_NOT_FIT)


def test_a_key_that_nobody_knows_is_looked_for_once(refused, client, come_back, provider):
    provider.be(token=TOKENS["an unknown key"])
    back = come_back()
    provider.asked()
    answer = client.get(back)

    assert provider.asked().count("/jwks") == 1
    refused(answer, DOES_NOT_FIT)


def test_user_info_about_somebody_else(refused, client, come_back, provider):
    provider.be(answers={"/me": {"json": {"sub": "alice-1", "email": "alice@example.org"}}})

    refused(client.get(come_back()), DOES_NOT_FIT)


# The address


@pytest.mark.parametrize("verified", [False, None, "false", 0, "yes", {"a": 1}])
def test_an_address_that_was_not_made_sure_of_opens_no_account(client, sign_in_there, provider, alice, verified):
    provider.be({**ALICE, "email_verified": verified})
    answer = sign_in_there()

    assert answer.status_code == 422
    assert "does not say that your e-mail address is really yours" in answer.text
    assert cookie_of(answer) is None
    assert client.get("/login/confirm").location == "/login"
    assert (db.session.query(Identity).count(), db.session.query(Link).count()) == (0, 0)


def test_nor_does_it_make_one(sign_in_there, provider, invite, ada):
    set_sign_up(ada, "open")
    provider.be({**GRACE, "email_verified": False})
    answer = sign_in_there(invite=invite.code)

    assert answer.status_code == 422
    assert user_by_email(GRACE["email"]) is None
    assert invite.uses == 0


def test_the_same_is_said_whether_somebody_has_that_address_or_not(client, sign_in_there, provider):
    said = set()
    for email in ("alice@example.org", "nobody@example.org"):
        provider.be({**ALICE, "email": email, "email_verified": False})
        said.add(sign_in_there().text.partition("does not say")[2].partition("</span>")[0])

    assert len(said) == 1


def test_no_address_opens_no_account(sign_in_there, provider):
    provider.be({"sub": "alice-1", "name": "Alice"})

    assert "does not say that your e-mail address is really yours" in sign_in_there().text


def test_what_makes_sure_of_one_address_makes_sure_of_no_other(sign_in_there, provider, alice):
    """The id token names Alice's address, the user info vouches for another."""
    provider.be({**GRACE}, token={"claims": {"email": "alice@example.org"}})
    answer = sign_in_there()

    assert "alice@example.org" not in answer.text
    assert db.session.query(Link).count() == 0


def test_whoever_changes_their_address_there_to_that_of_another_stays_who_they_are(
    grace, sign_in_there, provider, alice
):
    provider.be({**GRACE, "email": "alice@example.org"})
    answer = sign_in_there()

    assert session_for(token_of(answer)).user == grace
    assert grace.email == GRACE["email"]
    assert sessions_of(alice) == []


def test_a_verified_address_alone_opens_no_account(sign_in_there, client, provider, alice):
    provider.be(ALICE)
    answer = sign_in_there()

    assert (answer.location, cookie_of(answer)) == ("/login/confirm", None)
    assert client.post("/login/confirm", data={"password": ""}).status_code == 422
    assert client.post("/login/confirm").status_code == 422
    assert (sessions_of(alice), db.session.query(Identity).count()) == ([], 0)


@pytest.mark.parametrize("factor", ["authenticator", "passkey"])
def test_a_password_alone_connects_nothing_where_it_alone_does_not_sign_in(
    sign_in_there, client, provider, alice, password, factor
):
    """Attack: whoever knows the password, and gets hold of the address, would come in past the second factor."""
    given = {"user_id": alice.id, "created_at": now()}
    if factor == "passkey":
        db.session.add(Passkey(credential_id="x", public_key="x", name="A key", **given))
    else:
        db.session.add(Totp(sealed_secret="x", confirmed_at=now(), **given))
    db.session.commit()
    provider.be(ALICE)
    sign_in_there()
    answer = client.post("/login/confirm", data={"password": password})

    assert "Your account has a second factor." in answer.text
    assert (cookie_of(answer), db.session.query(Identity).count()) == (None, 0)


def test_the_question_is_asked_in_that_browser_alone_and_not_for_long(
    sign_in_there, client, app, provider, alice, password
):
    provider.be(ALICE)
    sign_in_there()

    assert app.test_client().post("/login/confirm", data={"password": password}).location == "/login"
    with time_machine.travel(now() + timedelta(minutes=10, seconds=1), tick=False):
        assert client.post("/login/confirm", data={"password": password}).location == "/login"
    assert sessions_of(alice) == []


# Those who may not come in


@pytest.mark.parametrize("how", ["deactivated", "banned", "suspended"])
def test_whoever_may_not_come_in_reads_what_a_wrong_password_reads(grace, client, come_back, change, how):
    values = {
        "deactivated": {"deactivated_at": now()},
        "banned": {"deactivated_at": now(), "banned_at": now()},
        "suspended": {"suspended_until": now() + timedelta(days=1)},
    }
    change(grace, **values[how])
    answer = client.get(come_back())

    assert (answer.status_code, cookie_of(answer)) == (422, None)
    assert CLOSED in answer.text
    assert sessions_of(grace) == []


def test_whose_suspension_is_over_comes_in(grace, sign_in_there, change):
    change(grace, suspended_until=now() - timedelta(seconds=1))

    assert session_for(token_of(sign_in_there())).user == grace


@pytest.mark.parametrize("how", [{"deactivated_at": now()}, {"suspended_until": now() + timedelta(days=1)}])
def test_the_right_password_of_a_closed_account_connects_nothing(
    sign_in_there, client, provider, alice, password, change, how
):
    provider.be(ALICE)
    sign_in_there()
    change(alice, **how)
    answer = client.post("/login/confirm", data={"password": password})

    assert CLOSED in answer.text
    assert (cookie_of(answer), db.session.query(Identity).count()) == (None, 0)


def test_nobody_comes_uninvited(sign_in_there):
    answer = sign_in_there()

    assert answer.status_code == 422
    assert "This community is joined by invite." in answer.text
    assert user_by_email(GRACE["email"]) is None


def test_an_invite_that_was_revoked_on_the_way_lets_nobody_in(client, come_back, invite, change):
    back = come_back(invite=invite.code)
    change(invite, revoked_at=now())
    answer = client.get(back)

    assert "has been revoked" in answer.text
    assert user_by_email(GRACE["email"]) is None


def test_an_invite_that_is_none_begins_nothing(client):
    assert client.post("/login/with/oidc", data={"invite": "none"}).status_code == 404


# Where to go


@pytest.mark.parametrize(
    "elsewhere",
    ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:1", "/\t/evil.example", "evil.example"],
)
def test_the_way_back_leads_to_our_own_pages_only(grace, sign_in_there, elsewhere):
    assert sign_in_there(next=elsewhere).location == "/"


# Answers that are errors, and providers that misbehave


def test_an_error_is_told_in_our_words(refused, client, come_back, provider):
    provider.be(denies=True)
    answer = client.get(come_back())

    assert "<b>No</b>" not in answer.text
    refused(answer, "Tidewater ID did not sign you in, or you changed your mind.")


@pytest.mark.parametrize("error", ["server_error", "<script>", "x" * 5000, "\x00\n"])
def test_whatever_the_error_is_called(refused, client, come_back, error):
    answer = client.get(with_query(come_back(), error=error))

    assert error not in answer.text
    refused(answer, "Tidewater ID did not sign you in.")


def test_an_error_with_a_made_up_state_ends_no_flow(grace, client, come_back):
    back = come_back()
    client.get("/login/with/oidc/callback?error=access_denied&state=none")

    assert session_for(token_of(client.get(back))).user == grace


WELL_KNOWN = "/.well-known/openid-configuration"
PADDING = {"padding": "x" * 300_000}  # what is too large is as it should be otherwise
DISCOVERIES = {
    "another issuer": {WELL_KNOWN: {"json": {"issuer": "https://evil.example"}}},
    "keys without TLS, elsewhere": {WELL_KNOWN: {"json": {"jwks_uri": "http://evil.example/jwks"}}},
    "a token endpoint without TLS": {WELL_KNOWN: {"json": {"token_endpoint": "http://192.0.2.1/token"}}},
    "a page that is script": {WELL_KNOWN: {"json": {"authorization_endpoint": "javascript:alert(1)"}}},
    "a page that leaves its attribute": {
        WELL_KNOWN: {"json": {"authorization_endpoint": 'https://a.example/"><script>'}}
    },
    "no keys": {WELL_KNOWN: {"json": {"jwks_uri": None}}},
    "a list": {WELL_KNOWN: {"raw": "[]"}},
    "a page": {WELL_KNOWN: {"raw": "<html>"}},
    "a redirect": {WELL_KNOWN: {"status": 302, "location": "http://127.0.0.1:9/"}},
    "an error": {WELL_KNOWN: {"status": 500}},
    "an oversized description": {WELL_KNOWN: {"json": PADDING}},
    "oversized keys": {"/jwks": {"json": PADDING}},
    "no key that is one": {"/jwks": {"raw": '{"keys": [{"kty": "oct", "k": "eHg"}, {"kty": "RSA"}, 7]}'}},
    "a redirect to keys": {"/jwks": {"status": 302, "location": "http://127.0.0.1:9/"}},
}


@pytest.mark.parametrize("answers", DISCOVERIES.values(), ids=DISCOVERIES)
def test_a_provider_that_describes_itself_with(answers, provider, client, another_app):
    another_app.config["WTF_CSRF_ENABLED"] = False
    provider.be(answers=answers)
    answer = another_app.test_client().post("/login/with/oidc")

    assert answer.status_code == 503
    assert NO_ANSWER in answer.text
    assert "refresh" not in answer.text
    assert int(answer.headers["Retry-After"]) == 10
    assert db.session.query(ProviderFlow).count() == 0


@pytest.mark.parametrize("path", [WELL_KNOWN, "/jwks"])
def test_a_provider_that_is_slow_byte_by_byte_is_not_waited_for(provider, another_app, monkeypatch, path):
    monkeypatch.setattr(fetching, "SECONDS", 0.5)
    another_app.config["WTF_CSRF_ENABLED"] = False
    provider.be(answers={path: {"drip": 20}})
    began = time.monotonic()
    answer = another_app.test_client().post("/login/with/oidc")

    assert answer.status_code == 503
    assert time.monotonic() - began < 3


def test_a_provider_that_failed_is_not_asked_again_at_once(provider, another_app):
    another_app.config["WTF_CSRF_ENABLED"] = False
    provider.be(answers={WELL_KNOWN: {"status": 500}})
    browser = another_app.test_client()
    for _ in range(5):
        assert browser.post("/login/with/oidc").status_code == 503

    assert provider.asked() == [WELL_KNOWN]


@pytest.mark.parametrize("path", ["/token", "/me"])
@pytest.mark.parametrize("how", [{"status": 500}, {"raw": "<html>"}, {"raw": "[]"}, {"json": PADDING}])
def test_a_provider_that_breaks_on_the_way_back(refused, client, come_back, provider, path, how):
    provider.be(answers={path: how})
    back = come_back()
    answer = client.get(back)

    if path == "/me" and how == {"raw": "[]"}:
        refused(answer, DOES_NOT_FIT)  # it is an answer, about nobody
    else:
        refused(answer, NO_ANSWER, 503)


def test_the_same_subject_at_another_issuer_is_somebody_else(grace, client, come_back, app):
    stranger = Provider("http://localhost:5000/login/with/oidc/callback")
    mine = app.extensions["providers"]["oidc"]
    app.extensions["providers"]["oidc"] = replace(mine, issuer=stranger.issuer, known=None)
    try:
        stranger.be(GRACE)
        answer = client.get(come_back())
    finally:
        stranger.close()

    assert (answer.location, cookie_of(answer)) == ("/login/confirm", None)  # has her address, and is not Grace yet


# Too many


def test_a_network_begins_so_many_and_no_more(client, limits_on):
    statuses = [client.post("/login/with/oidc").status_code for _ in range(31)]

    assert statuses[:30] == [200] * 30
    assert statuses[30] == 429


def test_a_flow_needs_its_form(app):
    """Login CSRF at the provider: a page elsewhere that sends a victim, signed in there by the attacker, on the way."""
    app.config["WTF_CSRF_ENABLED"] = True
    browser = app.test_client()

    assert browser.post("/login/with/oidc").status_code == 400
    assert browser.get("/login/with/oidc").status_code == 405
    assert db.session.query(ProviderFlow).count() == 0


# Connecting


def test_a_connection_ends_in_the_session_that_began_it(sign_in, app, bob, alice, come_back):
    browser = sign_in(bob)
    back = come_back(browser, at="/settings/security/connect/oidc")
    browser.set_cookie("parley_session", next(iter(sign_in(alice)._cookies.values())).value)
    browser.get(back)

    assert db.session.query(Identity).count() == 0


def test_nobody_connects_who_is_not_signed_in(client, provider):
    assert client.post("/settings/security/connect/oidc").location.startswith("/login")
    assert provider.asked() == []


def test_secrets_are_kept_as_hashes(leave, client):
    state = query_of(leave())["state"]
    flow = db.session.query(ProviderFlow).one()
    with client.session_transaction() as session:
        browser = session["browser"]

    kept = {value for value in vars(flow).values() if isinstance(value, str)}
    assert not {state, browser, SECRET} & kept
    assert db.session.query(Session).count() == 0
