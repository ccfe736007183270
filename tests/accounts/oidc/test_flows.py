"""Signing in through a real provider, when everybody means well."""

import pytest

from chat.accounts.actions import begin_session, set_sign_up
from chat.accounts.models import Identity, InviteUse, Link, ProviderFlow, Totp
from chat.accounts.queries import sessions_of, user_by_email
from chat.accounts.signed_in import session_for
from chat.admin.models import AuditEntry
from chat.core.clock import now
from chat.core.db import db
from chat.site.queries import the_site
from tests.accounts.oidc.provider import ALICE, GRACE, query_of
from tests.accounts.test_views import cookie_of, token_of


def audited():
    """What the log says about providers."""
    about = db.session.query(AuditEntry).filter(AuditEntry.verb.like("identity_%")).order_by(AuditEntry.seq)
    return [(entry.verb, entry.data) for entry in about]


@pytest.fixture
def grace(sign_in_there, invite):
    """Grace, who came by the invite and through the provider."""
    assert sign_in_there(invite=invite.code).status_code == 303
    return user_by_email(GRACE["email"])


def test_a_new_person_comes_by_an_invite(sign_in_there, invite, provider):
    answer = sign_in_there(invite=invite.code, next="/people")

    assert (answer.status_code, answer.location) == (303, "/people")
    grace = session_for(token_of(answer)).user
    assert (grace.name, grace.username, grace.email, grace.role) == ("Grace Hopper", "grace", GRACE["email"], "member")
    assert grace.password_hash == ""
    identity = db.session.query(Identity).one()
    assert (identity.user_id, identity.issuer, identity.subject) == (grace.id, provider.issuer, "grace-1")
    assert db.session.query(InviteUse).one().user_id == grace.id
    assert audited() == [("identity_connected", {"provider": "oidc"})]
    assert db.session.query(ProviderFlow).count() == 0


def test_while_sign_up_is_open_nobody_needs_one(sign_in_there, ada):
    set_sign_up(ada, "open")
    answer = sign_in_there()

    assert session_for(token_of(answer)).user.email == GRACE["email"]


def test_whoever_returns_is_who_they_were_whatever_they_are_called_there_now(grace, sign_in_there, provider):
    provider.be({**GRACE, "email": "g@example.com", "name": "G", "preferred_username": "g", "email_verified": False})
    answer = sign_in_there()

    assert answer.status_code == 303
    assert session_for(token_of(answer)).user == grace
    assert (grace.name, grace.email) == ("Grace Hopper", GRACE["email"])


def test_a_session_begun_so_is_like_any_other(grace, sign_in_there, client):
    [before] = sessions_of(grace)
    with client.session_transaction() as session:
        session["planted"] = "by somebody else"
    answer = sign_in_there()

    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=7776000"} <= set(cookie_of(answer).split("; "))
    [now] = sessions_of(grace)  # whoever signs in where somebody is signed in takes their place
    assert now.id != before.id
    assert session_for(token_of(answer)).id == now.id
    with client.session_transaction() as session:
        assert "planted" not in session


def test_an_account_with_the_same_address_is_connected_by_its_password(
    sign_in_there, provider, client, alice, password
):
    provider.be(ALICE)
    answer = sign_in_there(next="/people")
    assert (answer.status_code, answer.location) == (303, "/login/confirm")
    assert cookie_of(answer) is None
    assert "alice@example.org" in client.get("/login/confirm").text

    wrong = client.post("/login/confirm", data={"password": "a wrong password"})
    assert wrong.status_code == 422
    assert "That name and password do not match." in wrong.text
    assert sessions_of(alice) == []

    right = client.post("/login/confirm", data={"password": password})
    assert (right.status_code, right.location) == (303, "/people")
    assert session_for(token_of(right)).user == alice
    assert audited() == [("identity_connected", {"provider": "oidc"})]
    assert db.session.query(Link).one().used_at

    client.post("/logout")
    assert session_for(token_of(sign_in_there())).user == alice  # from now on without


def test_guesses_at_that_password_count_as_at_the_sign_in_page(sign_in_there, provider, client, alice, limits_on):
    provider.be(ALICE)
    sign_in_there()
    for _ in range(5):
        assert client.post("/login/confirm", data={"password": "a wrong password"}).status_code == 422

    refused = client.post("/login/confirm", data={"password": "a wrong password"})
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0


def test_what_was_asked_for_is_what_the_standard_says(leave, provider):
    asked = query_of(leave())

    assert (asked["response_type"], asked["client_id"], asked["scope"]) == ("code", "parley", "openid email profile")
    assert asked["redirect_uri"] == "http://localhost:5000/login/with/oidc/callback"
    assert asked["code_challenge_method"] == "S256"
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 43
    assert asked["state"] != asked["nonce"]


def test_the_description_and_the_keys_are_asked_for_once(grace, sign_in_there, provider):
    provider.asked()
    sign_in_there()

    assert not {"/jwks", "/.well-known/openid-configuration"} & set(provider.asked())


def test_a_key_that_is_new_there_is_looked_up_once(grace, sign_in_there, provider):
    provider.asked()
    provider.be(rotated=True)

    assert sign_in_there().status_code == 303
    assert provider.asked().count("/jwks") == 1


def test_a_hash_of_the_access_token_that_fits_is_fine(grace, sign_in_there, provider):
    """This provider sends one with every id token; test_attacks.py has one that does not fit."""
    assert sign_in_there().status_code == 303


@pytest.mark.parametrize("how", ["set up", "needed"])
def test_a_second_factor_is_asked_for_as_after_a_password(grace, client, sign_in_there, ada, change, how):
    """Whatever the provider asks for: ours is about this community."""
    client.post("/logout")
    if how == "needed":
        change(the_site(), settings={"second_factor": "everyone"})
    else:
        moment = now()
        db.session.add(Totp(user_id=grace.id, sealed_secret="x", created_at=moment, confirmed_at=moment))
        db.session.commit()
    answer = sign_in_there()

    assert answer.location == {"set up": "/login/second", "needed": "/login/set-up"}[how]
    assert cookie_of(answer) is None
    assert sessions_of(grace) == []


def test_connecting_and_disconnecting_ask_who_sits_there(grace, sign_in, bob, client, change, provider):
    for session in (*sessions_of(grace), *sessions_of(bob)):
        change(session, confirmed_at=None)
    browser = sign_in(bob)
    change(sessions_of(bob)[0], confirmed_at=None)
    identity = db.session.query(Identity).one()
    provider.asked()

    assert browser.post("/settings/security/connect/oidc").location.startswith("/confirm")
    assert client.post(f"/settings/security/identities/{identity.id}/remove").location.startswith("/confirm")
    assert db.session.query(Identity).count() == 1
    assert provider.asked() == []


# Names


@pytest.mark.parametrize(
    ("claims", "name", "username"),
    [
        ({"name": "Alice", "preferred_username": "alice"}, "Alice", "alice2"),
        ({"name": "", "preferred_username": "x" * 80}, "x" * 60, "x" * 26 + "2"),
        ({"name": "\u202e\u0000", "preferred_username": "<b>"}, "<b>", "b2"),
        ({"name": 7, "preferred_username": ["a"]}, "grace", "grace"),
        ({"name": "Grace " * 200, "preferred_username": "everyone"}, ("Grace " * 10).strip(), "grace"),
    ],
    ids=["taken", "long", "unprintable", "no text", "reserved"],
)
def test_whatever_somebody_is_called_there_they_have_a_name_here(
    sign_in_there, provider, invite, claims, name, username
):
    provider.be({**GRACE, **claims})
    sign_in_there(invite=invite.code)

    grace = user_by_email(GRACE["email"])
    assert grace.name == name
    assert grace.username == username


# Connecting under Settings


def test_who_is_signed_in_connects_whatever_the_address_there(sign_in, bob, come_back, provider):
    provider.be({**GRACE, "email_verified": False})
    browser = sign_in(bob)
    assert "Connect <bdi>Tidewater ID</bdi>" in browser.get("/settings/security").text
    answer = browser.get(come_back(browser, at="/settings/security/connect/oidc"))

    assert (answer.status_code, answer.location) == (303, "/settings/security")
    assert db.session.query(Identity).one().user_id == bob.id
    page = browser.get("/settings/security").text
    assert "Disconnect" in page and "Connect <bdi>" not in page


def test_what_is_connected_to_somebody_else_stays_theirs(grace, sign_in, bob, come_back):
    browser = sign_in(bob)
    browser.get(come_back(browser, at="/settings/security/connect/oidc"))

    assert "belongs to somebody else here" in browser.get("/settings/security").text
    assert db.session.query(Identity).one().user_id == grace.id


def test_who_has_a_password_may_disconnect(sign_in, bob, come_back):
    browser = sign_in(bob)
    browser.get(come_back(browser, at="/settings/security/connect/oidc"))
    identity = db.session.query(Identity).one()
    browser.post(f"/settings/security/identities/{identity.id}/remove")

    assert db.session.query(Identity).count() == 0
    assert audited()[-1] == ("identity_disconnected", {"provider": "oidc"})


def test_the_last_way_in_cannot_be_taken_away(grace, client):
    identity = db.session.query(Identity).one()
    client.post(f"/settings/security/identities/{identity.id}/remove")

    assert "That is your only way in" in client.get("/settings/security").text
    assert db.session.query(Identity).count() == 1


def test_nobody_disconnects_anybody_else(grace, sign_in, bob):
    identity = db.session.query(Identity).one()
    browser = sign_in(bob)
    browser.post(f"/settings/security/identities/{identity.id}/remove")

    assert "not connected to your account" in browser.get("/settings/security").text
    assert db.session.query(Identity).count() == 1


# Without a provider, and without passwords


def test_the_pages_offer_it(client, invite):
    assert "Continue with <bdi>Tidewater ID</bdi>" in client.get("/login").text
    assert "Continue with <bdi>Tidewater ID</bdi>" in client.get(invite.path).text


def test_looking_at_the_pages_connects_to_nothing(client, invite, provider, another_app):
    browser = another_app.test_client()
    for path in ("/login", invite.path):
        assert browser.get(path).status_code == 200

    assert provider.asked() == []


@pytest.fixture
def no_passwords(ada, change):
    change(the_site(), settings={"password_sign_in": False})


def test_with_passwords_switched_off_only_the_button_is_there(no_passwords, client):
    page = client.get("/login").text

    assert 'name="password"' not in page
    assert "Continue with" in page
    assert "Use a passkey" not in page  # it lets in nobody but owners, either
    owners = client.get("/login?password").text
    assert 'name="password"' in owners
    assert "Use a passkey instead" in owners


def test_with_passwords_switched_off_a_right_one_is_refused_like_a_wrong_one(no_passwords, client, alice, password):
    right = client.post("/login", data={"login": "alice", "password": password})
    wrong = client.post("/login", data={"login": "alice", "password": "a wrong password"})

    assert right.status_code == wrong.status_code == 422
    assert "Passwords are switched off here" in right.text and "Passwords are switched off here" in wrong.text
    assert cookie_of(right) is None


def test_with_passwords_switched_off_owners_come_in_with_theirs(no_passwords, client, ada, password):
    answer = client.post("/login", data={"login": "ada", "password": password})

    assert session_for(token_of(answer)).user == ada


def test_with_passwords_switched_off_nobody_makes_an_account_with_one(no_passwords, client, invite):
    form = {"name": "Grace", "email": "grace@example.org", "password": "walnut ferry copper dusk"}
    answer = client.post(invite.path, data=form)

    assert 'name="password"' not in client.get(invite.path).text
    assert answer.status_code == 422
    assert user_by_email("grace@example.org") is None


def test_with_passwords_switched_off_people_still_come_through_the_provider(no_passwords, sign_in_there, invite):
    assert session_for(token_of(sign_in_there(invite=invite.code))).user.email == GRACE["email"]


def test_with_passwords_switched_off_a_password_is_no_way_in_to_keep(no_passwords, sign_in, bob, come_back):
    browser = sign_in(bob)
    browser.get(come_back(browser, at="/settings/security/connect/oidc"))
    browser.post(f"/settings/security/identities/{db.session.query(Identity).one().id}/remove")

    assert db.session.query(Identity).count() == 1


def test_the_password_of_an_account_still_proves_whose_it_is(
    no_passwords, sign_in_there, provider, client, alice, password
):
    provider.be(ALICE)
    sign_in_there()
    answer = client.post("/login/confirm", data={"password": password})

    assert session_for(token_of(answer)).user == alice


def test_an_account_without_a_password_has_none_that_fits(grace, sign_in_there, provider, client):
    provider.be({**GRACE, "sub": "another"})
    sign_in_there()

    for password in ("", " ", "None", "a wrong password"):
        assert client.post("/login/confirm", data={"password": password}).status_code == 422
    assert begin_session(grace)  # there is nothing wrong with the account
