import pytest

from chat.accounts.actions import begin_session, end_session
from chat.accounts.signed_in import cookie_name, cookie_value, session_for
from chat.core.clock import now
from chat.core.db import db
from tests.assertions import assert_queries


def test_a_page_asks_who_you_are_and_remembers_where_you_wanted_to_go(client):
    answer = client.get("/people?q=ada")

    assert (answer.status_code, answer.location) == (303, "/login?next=/people?q%3Dada")


def test_the_front_page_needs_no_remembering_and_a_form_is_no_page(client):
    assert client.get("/").location == "/login"
    assert client.post("/settings/avatar/remove").location == "/login"


def test_a_program_is_told_in_its_own_words(client):
    answer = client.get("/people", headers={"Accept": "application/json"})

    assert (answer.status_code, answer.json["code"]) == (401, "unauthorized")


def test_who_is_signed_in_gets_the_page(sign_in, alice):
    assert sign_in(alice).get("/people").status_code == 200


@pytest.mark.parametrize("value", ["", "x", "x" * 43, "x" * 5000, "%00", '"', "é"])
def test_any_other_cookie_is_nobody(client, value):
    answer = client.get("/people", headers={"Cookie": f"{cookie_name()}={value}"})

    assert answer.status_code == 303


def test_a_session_that_ended_is_nobody_from_the_next_request_on(sign_in, alice, client):
    token = begin_session(alice)
    client.set_cookie(cookie_name(), token)
    assert client.get("/people").status_code == 200

    end_session(alice, session_for(token))
    assert client.get("/people").status_code == 303


def test_a_closed_account_is_nobody_from_the_next_request_on(sign_in, alice, change):
    browser = sign_in(alice)
    change(alice, deactivated_at=now())

    assert browser.get("/people").status_code == 303


def test_what_the_flask_session_claims_is_not_believed(client, alice):
    with client.session_transaction() as session:
        session["_user_id"] = session["user_id"] = str(alice.id)
        session["_fresh"] = True

    assert client.get("/people").status_code == 303


@pytest.mark.parametrize("name", ["remember_token", "session", "none"])
def test_cookies_of_other_programs_on_this_host_change_nothing(sign_in, alice, name):
    browser = sign_in(alice)
    browser.set_cookie(name, "1|abc")

    assert browser.get("/people").status_code == 200


def test_one_request_is_not_taken_for_another(app, sign_in, alice, bob):
    assert sign_in(alice).get("/settings/profile").text.count(alice.name) > 0
    of_bob = sign_in(bob).get("/settings/profile").text

    assert f'value="{bob.name}"' in of_bob
    assert f'value="{alice.name}"' not in of_bob


@pytest.mark.parametrize("other", ["theme=dark; ", "theme=\xaf; ", "theme=\xc3; ", "\xff=\xfe; "])
def test_a_cookie_that_cannot_be_read_opens_nothing_and_breaks_nothing(app, alice, other):
    header = f"{other}{cookie_name()}={begin_session(alice)}"
    is_readable = other == "theme=dark; "

    answer = app.test_client(use_cookies=False).get("/people", environ_overrides={"HTTP_COOKIE": header})
    assert answer.status_code == (200 if is_readable else 303)
    assert bool(cookie_value(header)) is is_readable


def test_a_socket_brings_the_same_cookie(app, alice):
    token = begin_session(alice)

    assert cookie_value(f"a=b; {cookie_name()}={token}; c=d") == token
    assert session_for(cookie_value(f"{cookie_name()}={token}")).user == alice


@pytest.mark.parametrize("header", [None, "", "a=b", "parley_sessionx=1", ";;;", "parley_session", "=x"])
def test_a_header_without_it_is_nobody(app, header):
    assert cookie_value(header) == ""
    assert session_for(cookie_value(header)) is None


def test_behind_tls_the_cookie_is_for_this_host_and_for_tls_alone(app, client, password):
    object.__setattr__(app.config["PARLEY"], "base_url", "https://chat.example.org")
    answer = client.post("/login", data={"login": "alice", "password": password})

    (cookie,) = [c for c in answer.headers.getlist("Set-Cookie") if "session" in c]
    assert cookie.startswith("__Host-parley_session=")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


def test_asking_costs_one_query_and_so_does_a_socket_event(app, alice):
    token = begin_session(alice)
    db.session.rollback()
    db.session.expunge_all()

    with assert_queries(1):
        assert session_for(token).user.name == "Alice"


@pytest.fixture
def nobody_here(app):
    """An application whose community has not been founded."""
    db.drop_all()
    db.create_all()
    db.session.expunge_all()
    return app.test_client()


@pytest.mark.parametrize("path", ["/login", "/signup", "/invite/x", "/people", "/settings/security", "/invites"])
def test_before_setup_every_page_leads_there(nobody_here, path):
    answer = nobody_here.get(path)

    assert (answer.status_code, answer.location) == (303, "/setup")


def test_after_setup_no_page_does(client):
    assert client.get("/login").status_code == 200
