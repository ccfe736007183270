import pytest

from chat.accounts.actions import make_token, pair_for_session
from chat.accounts.actions.sessions import begin_session
from chat.accounts.signed_in import session_for
from tests.realtime.conftest import pad, presence, pump  # noqa: F401


@pytest.fixture
def token_of(app):
    """token_of(user) → the value of a token that they made, for everything or for these scopes."""
    return lambda user, *scopes: make_token(user, "a script", scopes=scopes or ("read", "write"), days=7)[0]


@pytest.fixture
def pair_of(app):
    """pair_of(user) → the Pair of a program that they let in from their browser."""
    return lambda user, **more: pair_for_session(user, session_for(begin_session(user)), name="bridge", **more)


@pytest.fixture
def program(client):
    """program(token) → a function that asks: ask("GET", "/me"), ask("POST", "/rooms", name="attic")."""

    def program(token):
        def ask(method, path, headers=(), query=None, **body):
            headers = {"Authorization": f"Bearer {token}", **dict(headers)}
            json = body if method in ("POST", "PATCH") else None
            return client.open(f"/api/v1{path}", method=method, json=json, headers=headers, query_string=query)

        return ask

    return program


@pytest.fixture
def by_socket(app):
    """by_socket(token) → a client of the websocket that names this token when it connects, and sends no Origin."""

    def by_socket(token):
        socketio = app.extensions["live"].socketio
        client = socketio.test_client(app, namespace="/chat", auth={"token": token})
        if client.is_connected("/chat"):
            client.connect("/presence")
        return client

    return by_socket


@pytest.fixture
def entries(client, by_socket):
    """{entry: function(token) → the code of the refusal, or None}: the three ways in that take a token."""

    def over_http(token):
        return client.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"}).json.get("code")

    def over_the_event_stream(token):
        answer = client.get("/api/v1/events", headers={"Authorization": f"Bearer {token}"})
        code = answer.json["code"] if answer.is_json else None
        answer.close()
        return code

    def over_the_websocket(token):
        return None if by_socket(token).is_connected("/chat") else "unauthorized"

    return {"http": over_http, "websocket": over_the_websocket, "event stream": over_the_event_stream}
