"""How programs get tokens, renew them and lose them."""

import time
from datetime import timedelta

import jwt as pyjwt
import pytest
import time_machine
from flask import g

from chat.accounts.actions import renew, revoke_token
from chat.accounts.actions.confirm import LASTS
from chat.accounts.actions.sessions import begin_session
from chat.accounts.models import RefreshToken, Session
from chat.accounts.queries import IDLE, sessions_of
from chat.accounts.signed_in import session_for
from chat.admin.models import AuditEntry
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Unauthorized
from chat.core.rate_limit import limiter
from chat.core.transaction import outer
from chat.ops.housekeeping import SPENT_KEPT, tidy
from config import Limit
from tests.accounts.factors import Clock, with_app
from tests.factories import PASSWORD, say


@pytest.fixture
def ask(client):
    """ask(**fields) → the answer of POST /api/v1/token."""
    return lambda **fields: client.post("/api/v1/token", json=fields)


def log_in(ask, **more):
    return ask(grant="password", login="bob", password=PASSWORD, **more)


def test_a_password_gives_a_pair_and_the_access_token_says_who_it_is_for(ask, program, bob):
    answer = log_in(ask, name="bridge", scopes=["read"])

    assert answer.status_code == 200
    pair = answer.json
    assert (pair["token_type"], pair["expires_in"], pair["scopes"]) == ("Bearer", 600, ["read"])
    me = program(pair["access_token"])("GET", "/me").json["person"]
    assert (me["username"], me["email"], me["scopes"]) == ("bob", "bob@example.org", ["read"])
    [session] = sessions_of(bob, "program")
    assert (session.name, session.scopes) == ("bridge", "read")
    assert "no-store" in answer.headers["Cache-Control"]


def test_nothing_of_a_pair_can_be_read_in_the_database(ask):
    pair = log_in(ask).json
    stored = [session.token_hash for session in db.session.query(Session)]
    stored += [token.token_hash for token in db.session.query(RefreshToken)]

    assert not [value for value in stored if value in (pair["access_token"], pair["refresh_token"])]


@pytest.mark.parametrize("fields", [{"login": "bob", "password": "wrong"}, {"login": "nobody", "password": PASSWORD}])
def test_a_wrong_password_is_refused_in_one_sentence_for_all(ask, fields):
    answer = ask(grant="password", **fields)

    assert (answer.status_code, answer.json["code"]) == (401, "unauthorized")
    assert answer.json["message"] == "That name and password do not match."


def test_guesses_count_as_at_the_door(ask, limits_on):
    answers = [ask(grant="password", login="bob", password=f"guess {n}").status_code for n in range(6)]

    assert answers == [401] * 5 + [429]
    refused = log_in(ask)
    assert (refused.status_code, refused.json["code"]) == (429, "rate_limited")
    assert int(refused.headers["Retry-After"]) >= 1


def test_whoever_has_a_second_factor_sends_a_code_too(ask, bob):
    _, codes = with_app(bob, Clock())

    refused = [log_in(ask), log_in(ask, code="000000")]
    granted = log_in(ask, code=codes[0])
    again = log_in(ask, code=codes[0])

    assert [answer.status_code for answer in (*refused, granted, again)] == [401, 401, 200, 401]
    assert "second factor" in refused[0].json["message"]
    [session] = sessions_of(bob, "program")
    assert session.second_factor_at is not None


def test_codes_are_counted_while_nothing_is_locked(app, ask, bob, limits_on, monkeypatch):
    """Counting may ask other processes, and whoever holds SQLite's one lock must not wait for anybody."""
    _, codes = with_app(bob, Clock())
    counted, take = [], limiter.take

    def note(verb, *rest, **more):
        counted.append((verb, outer()))
        take(verb, *rest, **more)

    monkeypatch.setattr(limiter, "take", note)

    assert log_in(ask, code=codes[0]).status_code == 200
    assert ("second_factor", None) in counted
    assert {transaction for _, transaction in counted} == {None}


def test_whoever_is_suspended_gets_no_tokens_and_is_told_why(ask, bob):
    bob.suspended_until, bob.suspended_reason = now() + timedelta(days=1), "Flooding"
    db.session.commit()
    answer = log_in(ask)

    assert (answer.status_code, answer.json["code"]) == (403, "forbidden")
    assert "Flooding" in answer.json["message"]
    assert sessions_of(bob, "program") == []
    assert ask(grant="password", login="bob", password="wrong").status_code == 401


def test_wrong_codes_count(ask, bob, limits_on):
    with_app(bob, Clock())

    answers = [log_in(ask, code="000000").status_code for _ in range(20)]

    assert answers[0] == 401
    assert answers[-1] == 429


def test_letting_a_program_in_asks_for_a_person_who_is_there(sign_in, bob):
    browser = sign_in(bob)
    db.session.query(Session).update({"confirmed_at": now() - LASTS})
    db.session.commit()

    answer = browser.post("/api/v1/token", json={"grant": "session"})

    assert (answer.status_code, answer.json["code"]) == (403, "forbidden")
    assert "/confirm" in answer.json["message"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "grant"), ({"grant": "magic"}, "grant"), ({"grant": "password", "login": "bob"}, "password"),
        ({"grant": "refresh_token"}, "refresh_token"), ({"grant": "session", "admin": True}, "admin"),
        ({"grant": "session", "scopes": ["admin"]}, "scopes"), ({"grant": "session", "scopes": []}, "scopes"),
    ],
)  # fmt: skip
def test_what_is_missing_or_not_there_is_named(ask, fields, field):
    answer = ask(**fields)

    assert (answer.status_code, answer.json["code"], answer.json["field"]) == (422, "invalid", field)


# By a session


def test_a_browser_lets_a_program_in_with_the_token_of_its_page(sign_in, bob):
    browser = sign_in(bob, csrf=True)
    page = browser.get("/settings/tokens").text
    csrf = page.partition('name="csrf-token" content="')[2].partition('"')[0]
    g.pop("csrf_token", None), g.pop("csrf_valid", None)

    forged = browser.post("/api/v1/token", json={"grant": "session"})
    g.pop("csrf_token", None), g.pop("csrf_valid", None)
    granted = browser.post("/api/v1/token", json={"grant": "session"}, headers={"X-CSRFToken": csrf})

    assert (forged.status_code, granted.status_code) == (400, 200)
    assert len(sessions_of(bob, "program")) == 1


def test_a_token_cannot_make_another(client, token_of, bob):
    headers = {"Authorization": f"Bearer {token_of(bob)}"}

    assert client.post("/api/v1/token", json={"grant": "session"}, headers=headers).status_code == 401


# Renewing


def test_a_refresh_token_gives_the_next_pair_and_the_access_token_before_counts_to_its_end(ask, program):
    first = log_in(ask, scopes=["write"]).json
    second = ask(grant="refresh_token", refresh_token=first["refresh_token"]).json

    assert second["refresh_token"] != first["refresh_token"]
    assert second["scopes"] == ["write"]
    for pair in (first, second):
        assert program(pair["access_token"])("POST", "/rooms", name=f"attic-{pair is first}".lower()).status_code == 201


def test_a_spent_refresh_token_ends_all_that_came_from_it(ask, program, by_socket, alice, bob, general):
    first = log_in(ask).json
    second = ask(grant="refresh_token", refresh_token=first["refresh_token"]).json
    socket = by_socket(second["access_token"])
    socket.get_received("/chat")

    stolen = ask(grant="refresh_token", refresh_token=first["refresh_token"])
    say(alice, general, "newer")

    assert (stolen.status_code, stolen.json["code"]) == (401, "unauthorized")
    assert ask(grant="refresh_token", refresh_token=second["refresh_token"]).status_code == 401
    assert program(second["access_token"])("GET", "/me").status_code == 401
    assert [got["name"] for got in socket.get_received("/chat")] == ["bye"]
    [entry] = db.session.query(AuditEntry).filter_by(verb="refresh_token_reused")
    assert (entry.subject_kind, entry.data) == ("session", {"user": bob.id})


def test_one_that_was_spent_a_second_time_is_written_down_once(ask):
    first = log_in(ask).json
    ask(grant="refresh_token", refresh_token=first["refresh_token"])
    for _ in range(3):
        assert ask(grant="refresh_token", refresh_token=first["refresh_token"]).status_code == 401

    assert db.session.query(AuditEntry).filter_by(verb="refresh_token_reused").count() == 1


def test_other_programs_of_that_person_go_on(ask, program):
    first, other = log_in(ask).json, log_in(ask).json
    for _ in range(2):
        ask(grant="refresh_token", refresh_token=first["refresh_token"])

    assert program(other["access_token"])("GET", "/me").status_code == 200


@pytest.mark.parametrize("value", ["", "x", "parley_refresh_" + "x" * 43, "parley_refresh_é"])
def test_a_refresh_token_of_nobody_is_refused(app, value):
    with pytest.raises(Unauthorized):
        renew(value)


def test_a_program_that_was_away_for_too_long_signs_in_again(ask):
    pair = log_in(ask).json
    with time_machine.travel(time.time() + IDLE.total_seconds() + 60, tick=False):
        assert ask(grant="refresh_token", refresh_token=pair["refresh_token"]).status_code == 401


def test_an_access_token_is_good_for_ten_minutes(ask, program):
    pair = log_in(ask).json
    with time_machine.travel(time.time() + 590, tick=False):
        assert program(pair["access_token"])("GET", "/me").status_code == 200
    with time_machine.travel(time.time() + 601, tick=False):
        assert program(pair["access_token"])("GET", "/me").status_code == 401
        assert ask(grant="refresh_token", refresh_token=pair["refresh_token"]).status_code == 200


def test_its_claims_are_those_that_docs_name(ask, bob):
    claims = pyjwt.decode(log_in(ask).json["access_token"], options={"verify_signature": False})

    assert set(claims) == {"iss", "aud", "exp", "nbf", "iat", "sub", "jti", "sid", "epoch"}
    assert (claims["iss"], claims["aud"], claims["sub"]) == ("http://localhost:5000", "parley-api", str(bob.id))


def test_spent_refresh_tokens_go_after_a_while(ask):
    first = log_in(ask).json
    ask(grant="refresh_token", refresh_token=first["refresh_token"])
    db.session.query(RefreshToken).filter(RefreshToken.spent_at.is_not(None)).update(
        {"spent_at": now() - SPENT_KEPT * 2}
    )
    db.session.commit()

    while tidy():
        pass

    assert db.session.query(RefreshToken).count() == 1


# Revoking


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_whoever_holds_a_token_can_end_it(client, ask, program, which):
    pair = log_in(ask).json

    assert client.post("/api/v1/token/revoke", json={"token": pair[which]}).json == {"ok": True}
    assert program(pair["access_token"])("GET", "/me").status_code == 401
    assert ask(grant="refresh_token", refresh_token=pair["refresh_token"]).status_code == 401
    assert client.post("/api/v1/token/revoke", json={"token": pair[which]}).json == {"ok": True}


def test_revoking_what_nobody_knows_is_no_news(client, sign_in, bob):
    cookie = begin_session(bob)
    for value in ("x", "parley_pat_" + "x" * 43, cookie):
        assert client.post("/api/v1/token/revoke", json={"token": value}).json == {"ok": True}
    assert session_for(cookie) is not None, "a cookie is no token"


def test_a_revoked_token_ends_its_websocket_and_its_event_stream(client, token_of, by_socket, alice, bob, general):
    token = token_of(bob)
    socket = by_socket(token)
    socket.get_received("/chat")
    stream = client.get("/api/v1/events", headers={"Authorization": f"Bearer {token}"})
    chunks = stream.iter_encoded()
    next(chunks)

    revoke_token(bob, sessions_of(bob, "token")[0])
    say(alice, general, "newer")

    assert [got["name"] for got in socket.get_received("/chat")] == ["bye"]
    rest = b"".join(chunks)
    assert b"revoked" in rest and b"newer" not in rest


def test_addresses_are_counted(ask, limits_on, app):
    object.__setattr__(app.config["PARLEY"], "limit_token", Limit(2, 0.01))

    answers = [ask(grant="refresh_token", refresh_token="x") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert answers[2].headers["Retry-After"]
