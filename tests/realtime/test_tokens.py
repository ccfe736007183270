"""Websockets and event streams that stand on a token."""

import time

import pytest
import time_machine

from chat.accounts import jwt
from chat.accounts.actions import make_token, pair_for_session
from chat.accounts.actions.sessions import begin_session
from chat.accounts.signed_in import cookie_name, session_for
from tests.factories import say


@pytest.fixture
def access_token(bob):
    return pair_for_session(bob, session_for(begin_session(bob))).access_token


@pytest.fixture
def connect(app):
    """connect(auth, **headers) → a client of the websocket that sends this at the start of its connection."""

    def connect(auth, **headers):
        socketio = app.extensions["live"].socketio
        client = socketio.test_client(app, namespace="/chat", auth=auth, headers=headers)
        return client if client.is_connected("/chat") else None

    return connect


@pytest.fixture
def cookie(bob):
    return f"{cookie_name()}={begin_session(bob)}"


def said(client):
    return [(got["name"], got["args"]) for got in client.get_received("/chat")]


def test_a_program_needs_no_origin_and_gets_what_its_person_gets(connect, alice, bob, general):
    client = connect({"token": make_token(bob, "x", scopes=["read"], days=1)[0]})
    [(name, _)] = said(client)
    say(alice, general, "Hi")

    assert name == "hello"
    assert [name for name, _ in said(client)] == ["message"]


def test_a_page_elsewhere_may_connect_with_a_token_but_not_with_the_cookie(connect, access_token, cookie):
    """Here the web server has let it through; our own refuses such an Origin before."""
    assert connect({"token": access_token}, Origin="https://elsewhere.example")
    assert connect(None, Origin="https://elsewhere.example", Cookie=cookie) is None


@pytest.mark.parametrize("auth", [None, {}])
def test_the_cookie_counts_only_beside_an_origin_of_ours(connect, cookie, auth):
    assert connect(auth, Cookie=cookie) is None
    assert connect(auth, Cookie=cookie, Origin="http://localhost:5000")


@pytest.mark.parametrize(
    "auth",
    ["text", ["token"], {"token": None}, {"token": ""}, {"token": 7}, {"token": ["x"]}, {"toke": "x"},
     {"token": "x" * 43}, {"token": "parley_pat_" + "x" * 43}, {"token": "x" * 100_000}],
)  # fmt: skip
def test_whoever_names_a_token_is_not_let_in_by_the_cookie(connect, cookie, auth):
    assert connect(auth, Cookie=cookie, Origin="http://localhost:5000") is None


def test_a_connection_ends_when_its_access_token_does(app, connect, access_token, alice, general):
    revoke, client = app.extensions["live"].revoke, connect({"token": access_token})
    said(client)

    with time_machine.travel(time.time() + jwt.LIFETIME_SECONDS - 2, tick=False):
        revoke.end_over()
        assert said(client) == []
    with time_machine.travel(time.time() + jwt.LIFETIME_SECONDS, tick=False):
        revoke.end_over()
        say(alice, general, "newer")

    assert said(client) == [("bye", [{"reason": "expired", "after_ms": 0}])]


def test_an_event_stream_ends_when_its_access_token_does(app, client, access_token):
    answer = client.get("/api/v1/events", headers={"Authorization": f"Bearer {access_token}"})
    chunks = answer.iter_encoded()
    next(chunks)

    with time_machine.travel(time.time() + jwt.LIFETIME_SECONDS, tick=False):
        app.extensions["live"].revoke.end_over()

    assert b'"expired"' in b"".join(chunks)


def test_after_its_end_nothing_is_answered_on_a_connection_either(connect, access_token, general):
    client = connect({"token": access_token})

    with time_machine.travel(time.time() + jwt.LIFETIME_SECONDS + 40, tick=False):
        answer = client.emit("read", {"room": general.id, "seq": 1}, namespace="/chat", callback=True)

    assert answer["code"] == "unauthorized"


def test_a_made_token_ends_its_connections_on_its_day(app, connect, bob):
    value, session = make_token(bob, "x", scopes=["read"], days=1)
    client = connect({"token": value})
    said(client)

    with time_machine.travel(session.expires_at, tick=False):
        app.extensions["live"].revoke.end_over()

    assert [name for name, _ in said(client)] == ["bye"]


def test_the_connections_of_browsers_are_not_looked_at_twice_a_second(app, live, bob):
    live(bob)

    assert app.extensions["live"].connections._ending == {}


def test_a_connection_that_left_is_not_kept(app, connect, access_token):
    client = connect({"token": access_token})
    assert len(app.extensions["live"].connections._ending) == 1
    client.disconnect(namespace="/chat")

    assert app.extensions["live"].connections._ending == {}
