import re

import pytest

from chat.accounts.actions import make_recovery_codes
from chat.accounts.models import Session
from chat.accounts.passkeys import KEPT_AS
from chat.accounts.queries import codes_left, has_second_factor, passkeys_of, sessions_of, totp_of
from chat.accounts.signed_in import cookie_name, session_for
from chat.core.db import db
from tests.accounts.authenticator import Authenticator
from tests.accounts.factors import Phone, require_from, unconfirm, with_app, with_passkey

JSON = {"Accept": "application/json"}


def token_of(answer):
    found = [c for c in answer.headers.getlist("Set-Cookie") if c.startswith(cookie_name() + "=")]
    return found[-1].partition("=")[2].partition(";")[0] if found else None


@pytest.fixture
def login(client, password):
    """login("alice") → the answer to the right password, in `client`."""
    return lambda name="alice", **more: client.post("/login", data={"login": name, "password": password} | more)


@pytest.fixture
def phone(alice, clock):
    phone, phone.codes = with_app(alice, clock)
    return phone


def secret_on(page):
    return re.search(r'class="secret">([A-Z2-7 ]+)<', page.text)[1].replace(" ", "")


# The way in


def test_the_right_password_leads_to_the_second_step_and_from_there_where_one_wanted_to_go(client, login, phone):
    answer = login(next="/people")
    assert (answer.status_code, answer.location, token_of(answer)) == (303, "/login/second", None)
    assert client.get("/people").status_code == 303
    assert "Alice" in client.get("/login/second").text

    answer = client.post("/login/second", data={"code": phone.next_code()})
    assert (answer.status_code, answer.location) == (303, "/people")
    assert session_for(token_of(answer)).second_factor_at
    assert client.get("/people").status_code == 200


def test_a_wrong_code_is_said_beside_its_field(client, login, phone, alice):
    login()
    answer = client.post("/login/second", data={"code": "000000"})

    assert answer.status_code == 422
    assert "not right" in answer.text
    assert sessions_of(alice) == []
    assert client.post("/login/second", data={}).status_code == 422


def test_after_too_many_it_says_how_long_to_wait(client, login, phone, limits_on):
    login()
    for _ in range(10):
        assert client.post("/login/second", data={"code": "000000"}).status_code == 422
    answer = client.post("/login/second", data={"code": phone.next_code()})

    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 60
    assert token_of(answer) is None


@pytest.mark.parametrize("path", ["/login/second", "/login/set-up", "/login/second/passkey", "/login/set-up/passkey"])
def test_who_waits_for_nothing_is_asked_to_sign_in(client, path):
    assert client.post(path).location == "/login"
    assert client.post(path, headers=JSON).status_code == 401


def test_after_five_minutes_one_begins_again(client, login, phone, clock):
    login()
    clock.wait(300)
    answer = client.post("/login/second", data={"code": phone.next_code()})

    assert answer.location == "/login"
    assert token_of(answer) is None


def test_a_made_up_way_in_is_none(client, login, phone, alice, bob):
    login()
    with client.session_transaction() as session:
        session["coming_in"] = {**session["coming_in"], "user": bob.id}

    assert client.post("/login/second", data={"code": phone.next_code()}).location == "/login"
    assert sessions_of(bob) == []


def test_who_begins_again_is_forgotten(client, login, phone):
    login()
    client.post("/login/cancel")

    assert client.get("/login/second").location == "/login"


def test_meanwhile_programs_are_told_what_is_missing(client, login, phone):
    login()
    for path in ("/people", "/api/v1/events"):
        answer = client.get(path, headers=JSON)
        assert (answer.status_code, answer.json["code"]) == (403, "forbidden"), path
        assert "second factor" in answer.json["message"]


def test_when_few_codes_are_left_the_next_page_says_so(client, login, phone):
    for code in phone.codes[:6]:
        login()
        client.post("/login/second", data={"code": code})
    assert "recovery codes left" not in client.get("/people").text
    login()
    client.post("/login/second", data={"code": phone.codes[6]})

    assert "3 recovery codes left" in client.get("/people").text


def test_a_new_account_where_everyone_needs_one_sets_it_up_first(client, ada):
    from chat.accounts.actions import set_sign_up

    set_sign_up(ada, "open")
    require_from("everyone")
    fields = {"name": "Grace", "email": "grace@example.org", "password": "walnut ferry copper dusk"}

    answer = client.post("/signup", data=fields)
    assert answer.location == "/login/set-up"
    assert token_of(answer) is None


# Setting up because one has to


def test_who_needs_one_and_has_none_sets_it_up_and_is_in(client, login, alice, clock):
    require_from("everyone")
    answer = login(next="/people")
    assert (answer.location, token_of(answer)) == ("/login/set-up", None)
    assert client.get("/").status_code == 303
    phone = Phone(secret_on(client.get("/login/set-up")), clock)
    assert client.post("/login/set-up", data={"code": "000000"}).status_code == 422
    assert secret_on(client.get("/login/set-up")) == phone.secret

    answer = client.post("/login/set-up", data={"code": phone.code()})
    assert answer.status_code == 200
    assert len(re.findall(r"<li><code>", answer.text)) == 10
    assert 'href="/people"' in answer.text
    assert session_for(token_of(answer)).second_factor_at
    assert client.get("/people").status_code == 200


def test_or_makes_a_passkey(client, login, alice):
    require_from("everyone")
    login()
    asked = client.post("/passkeys/challenge/set-up").json
    answer = client.post("/login/set-up/passkey", data={"name": "Phone", "credential": Authenticator().create(asked)})

    assert answer.status_code == 200
    assert session_for(token_of(answer)).user == alice
    assert [p.name for p in passkeys_of(alice)] == ["Phone"]


def test_whoever_has_set_one_up_meanwhile_shows_it_instead(client, login, alice, clock):
    """The cookie of somebody who waits opens nothing any more once the account has a second factor."""
    require_from("everyone")
    login()
    secret = secret_on(client.get("/login/set-up"))
    with_app(alice, clock)

    answer = client.post("/login/set-up", data={"code": Phone(secret, clock).code(1)})
    assert (answer.location, token_of(answer)) == ("/login", None)


# Passkeys on the way in


def test_a_passkey_signs_in_without_a_password(app, client, alice):
    device = with_passkey(app, alice)
    asked = client.post("/passkeys/challenge/sign-in").json
    assert asked["allowCredentials"] == []
    assert asked["userVerification"] == "required"
    answer = client.post("/login/passkey", data={"credential": device.get(asked), "next": "/people"})

    assert (answer.status_code, answer.location) == (303, "/people")
    assert session_for(token_of(answer)).user == alice


def test_or_after_it(app, client, login, alice):
    device = with_passkey(app, alice)
    assert login().location == "/login/second"
    asked = client.post("/passkeys/challenge/second").json
    answer = client.post("/login/second/passkey", data={"credential": device.get(asked, verified=False)})

    assert session_for(token_of(answer)).user == alice


def test_somebody_elses_does_not_nor_one_of_another_origin(app, client, login, alice, bob):
    with_passkey(app, alice)
    stranger, phished = with_passkey(app, bob), with_passkey(app, alice)
    phished.origin = "https://evil.example"
    login()
    for device in (stranger, phished):
        asked = client.post("/passkeys/challenge/second").json
        answer = client.post("/login/second/passkey", data={"credential": device.get(asked)})
        assert answer.status_code == 422
        assert "not accepted" in answer.text
    assert sessions_of(alice) == sessions_of(bob) == []


def test_an_answer_is_no_use_in_another_browser_nor_a_second_time(app, client, alice):
    device = with_passkey(app, alice, counts=False)
    asked = client.post("/passkeys/challenge/sign-in").json
    with client.session_transaction() as session:
        kept = dict(session)
    answer = {"credential": device.get(asked)}

    assert token_of(app.test_client().post("/login/passkey", data=answer)) is None
    assert token_of(client.post("/login/passkey", data=answer))
    thief = app.test_client()
    with thief.session_transaction() as session:
        session[KEPT_AS] = kept[KEPT_AS]  # the cookie, brought back
    assert token_of(thief.post("/login/passkey", data=answer)) is None
    assert len(sessions_of(alice)) == 1


# Settings


def test_the_page_asks_first_whether_it_is_oneself(sign_in, alice, password):
    browser = sign_in(alice)
    assert browser.get("/settings/second-factor").status_code == 200
    unconfirm()
    answer = browser.get("/settings/second-factor")
    assert (answer.status_code, answer.location) == (303, "/confirm?next=/settings/second-factor")
    assert "Confirm that it is you" in browser.get(answer.location).text

    wrong = browser.post("/confirm", data={"password": "a wrong password", "next": "/settings/second-factor"})
    assert wrong.status_code == 422
    answer = browser.post("/confirm", data={"password": password, "next": "/settings/second-factor"})
    assert (answer.status_code, answer.location) == (303, "/settings/second-factor")
    assert browser.get("/settings/second-factor").status_code == 200


ASKING = [
    ("GET", "/settings/second-factor"), ("GET", "/settings/second-factor/app"), ("POST", "/settings/second-factor/app"),
    ("POST", "/settings/second-factor/app/remove"), ("POST", "/settings/second-factor/codes"),
    ("POST", "/settings/passkeys"), ("POST", "/settings/passkeys/1/rename"), ("POST", "/settings/passkeys/1/remove"),
    ("POST", "/passkeys/challenge/register"), ("POST", "/people/bob/reset-second-factors"),
    ("POST", "/people/bob/role"), ("POST", "/people/bob/sign-in-link"), ("POST", "/people/bob/close"),
    ("POST", "/people/bob/erase"), ("POST", "/settings/step-down"), ("POST", "/settings/move"),
    ("GET", "/settings/data/exports/1"), ("POST", "/settings/tokens"), ("POST", "/settings/security/connect/none"),
    ("POST", "/settings/security/identities/1/remove"),
    ("GET", "/rooms/open-as-owner"), ("POST", "/settings/sessions/1/end"), ("POST", "/settings/sessions/end-others"),
    ("POST", "/admin/sign-in"), ("POST", "/admin/sign-up"), ("POST", "/invites/sign-up"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), ASKING)
def test_nothing_of_it_happens_without(app, sign_in, alice, ada, method, path, clock):
    with_passkey(app, alice), with_app(alice, clock), with_app(ada, clock)
    browser = sign_in(ada if path.startswith(("/people", "/admin")) else alice)
    unconfirm()
    answer = browser.open(path, method=method)

    assert answer.status_code == 303
    assert answer.location.startswith("/confirm")
    asked = browser.open(path, method=method, headers=JSON)
    assert (asked.status_code, asked.json["code"]) == (403, "forbidden")
    assert "/confirm" in asked.json["message"]
    assert has_second_factor(alice)
    assert codes_left(alice) == 10


def test_every_address_that_asks_is_in_that_list(app):
    asking = {name for name, view in app.view_functions.items() if getattr(view, "asks_again", False)}
    adapter = app.url_map.bind("localhost")

    assert {adapter.match(path, method=method)[0] for method, path in ASKING} == asking


@pytest.mark.parametrize("next", ["//evil.example", "https://evil.example", "/confirm", "/login/second", "/nowhere"])
def test_confirming_leads_nowhere_else(sign_in, alice, password, next):
    assert sign_in(alice).post("/confirm", data={"password": password, "next": next}).location == "/"


def test_confirming_gives_the_browser_another_session(sign_in, alice, password):
    browser = sign_in(alice)
    [before] = sessions_of(alice)
    browser.post("/confirm", data={"password": password})

    [after] = sessions_of(alice)
    assert after.id != before.id
    assert browser.get("/people").status_code == 200


def test_a_code_or_a_passkey_confirm_as_well(app, sign_in, alice, clock):
    phone, _ = with_app(alice, clock)
    device, browser = with_passkey(app, alice), sign_in(alice)
    unconfirm()
    page = browser.get("/confirm").text
    assert "authenticator app" in page
    assert "Use a passkey" in page
    assert browser.post("/confirm", data={"code": phone.next_code(), "next": "/people"}).location == "/people"
    unconfirm()
    clock.wait(1)
    asked = browser.post("/passkeys/challenge/confirm").json
    answer = browser.post("/confirm/passkey", data={"credential": device.get(asked), "next": "/people"})
    assert answer.location == "/people"
    assert browser.get("/settings/second-factor").status_code == 200


def test_an_empty_confirmation_says_what_to_give(sign_in, alice):
    answer = sign_in(alice).post("/confirm", data={})

    assert answer.status_code == 422
    assert "Give your password" in answer.text


def test_an_app_is_set_up_once_its_code_was_typed(sign_in, alice, clock):
    browser = sign_in(alice)
    page = browser.get("/settings/second-factor/app")
    secret = secret_on(page)
    assert "<svg" in page.text
    assert f"secret={secret}" in page.text
    assert totp_of(alice) is None
    assert browser.post("/settings/second-factor/app", data={"code": "000000"}).status_code == 422
    assert totp_of(alice) is None

    answer = browser.post("/settings/second-factor/app", data={"code": Phone(secret, clock).code()})
    assert answer.status_code == 200
    assert len(re.findall(r"<li><code>", answer.text)) == 10
    assert "Since" in browser.get("/settings/second-factor").text
    assert secret not in browser.get("/settings/second-factor/app").text
    assert browser.post("/settings/second-factor/app/remove").status_code == 303
    assert totp_of(alice) is None


def test_looking_at_a_new_secret_leaves_the_one_that_works(sign_in, alice, clock):
    phone, _ = with_app(alice, clock)
    browser = sign_in(alice)

    assert secret_on(browser.get("/settings/second-factor/app")) != phone.secret
    browser.post("/confirm", data={"code": phone.next_code()})
    assert totp_of(alice)


def test_a_passkey_is_added_named_and_removed(sign_in, alice):
    browser, device = sign_in(alice), Authenticator()
    asked = browser.post("/passkeys/challenge/register").json
    assert asked["rp"] == {"id": "localhost", "name": "Tidewater"}
    made = {"name": "Phone", "credential": device.create(asked)}
    assert browser.post("/settings/passkeys", data=made).status_code == 200
    [passkey] = passkeys_of(alice)
    assert "Phone" in browser.get("/settings/second-factor").text
    assert [c["id"] for c in browser.post("/passkeys/challenge/register").json["excludeCredentials"]] == [
        passkey.credential_id
    ]

    browser.post(f"/settings/passkeys/{passkey.id}/rename", data={"name": "<b>Old</b> phone"})
    assert "&lt;b&gt;Old&lt;/b&gt; phone" in browser.get("/settings/second-factor").text
    browser.post(f"/settings/passkeys/{passkey.id}/remove")
    assert passkeys_of(alice) == []


def test_what_goes_wrong_with_a_passkey_is_said_on_the_page(sign_in, alice):
    browser = sign_in(alice)
    for fields, words in (
        ({"name": "", "credential": "{}"}, "Give the passkey a name"),
        ({"name": "Phone", "credential": "{}"}, "not accepted"),
        ({"name": "Phone"}, "not accepted"),
    ):
        browser.post("/passkeys/challenge/register")
        answer = browser.post("/settings/passkeys", data=fields)
        assert answer.status_code == 422
        assert words in answer.text
    assert "took too long" in browser.post("/settings/passkeys", data={"name": "Phone"}).text


def test_the_passkeys_of_others_do_not_exist(app, sign_in, alice, bob):
    with_passkey(app, alice)
    [passkey] = passkeys_of(alice)
    browser = sign_in(bob)

    assert browser.post(f"/settings/passkeys/{passkey.id}/remove").status_code == 404
    assert browser.post(f"/settings/passkeys/{passkey.id}/rename", data={"name": "x"}).status_code == 404
    assert browser.post("/settings/passkeys/99/remove").status_code == 404
    assert passkeys_of(alice) == [passkey]


def test_the_last_one_stays_where_one_is_needed(app, sign_in, alice, clock):
    with_app(alice, clock)
    browser = sign_in(alice)
    require_from("everyone")

    assert "/app/remove" not in browser.get("/settings/second-factor").text
    browser.post("/settings/second-factor/app/remove")
    assert totp_of(alice)
    assert "Set up another" in browser.get("/settings/second-factor").text


def test_new_codes_are_shown_once(sign_in, alice):
    browser = sign_in(alice)
    answer = browser.post("/settings/second-factor/codes")
    codes = re.findall(r"<code>([0-9a-z-]+)</code>", answer.text)

    assert len(codes) == codes_left(alice) == 10
    assert answer.headers["Cache-Control"] == "no-store"
    assert codes[0] not in browser.get("/settings/second-factor").text


# A forgotten password


def test_a_recovery_code_sets_a_new_password(client, alice):
    [code, *_] = make_recovery_codes(alice)
    assert "/recover" in client.get("/forgot").text
    fields = {"login": "alice", "recovery_code": code, "new": "walnut ferry copper dusk"}
    answer = client.post("/recover", data=fields)

    assert (answer.status_code, answer.location, token_of(answer)) == (303, "/login", None)
    assert client.post("/login", data={"login": "alice", "password": fields["new"]}).location == "/"
    assert client.post("/recover", data=fields).status_code == 422


@pytest.mark.parametrize("missing", ["login", "recovery_code", "new"])
def test_the_form_says_what_it_lacks(client, missing):
    fields = {"login": "alice", "recovery_code": "x", "new": "walnut ferry copper dusk"} | {missing: ""}

    assert client.post("/recover", data=fields).status_code == 422


# Helping


def test_an_administrator_resets_them(app, sign_in, ada, alice, bob):
    with_passkey(app, alice)
    assert sign_in(bob).post("/people/alice/reset-second-factors").status_code == 403
    assert has_second_factor(alice)
    answer = sign_in(ada).post("/people/alice/reset-second-factors")

    assert (answer.status_code, answer.location) == (303, "/people/alice")
    assert not has_second_factor(alice)
    assert "reset-second-factors" in sign_in(ada).get("/people/alice").text
    assert "reset-second-factors" not in sign_in(bob).get("/people/alice").text


# What the sessions remember


def test_a_session_begun_by_password_alone_has_seen_no_second_factor(client, login, alice):
    token = token_of(login())

    assert session_for(token).second_factor_at is None
    assert session_for(token).confirmed_at
    assert db.session.query(Session).count() == 1
