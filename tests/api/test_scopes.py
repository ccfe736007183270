"""Every way in that takes a token, with every choice of scopes: what is lacking is refused before all else."""

import pytest

from chat.api.views import NOUNS
from chat.realtime import wire
from tests.factories import say

CHOICES = [("read",), ("write",), ("read", "write")]
EVENTS = [(namespace, event) for namespace, known in wire.CLIENT.items() for event in known]


def routes(app):
    """[(method, rule, scope)] of what the document says."""
    for path, operations in app.extensions["api_document"]()["paths"].items():
        for method, operation in operations.items():
            if method != "parameters" and "x-scope" in operation:
                yield method.upper(), path, operation["x-scope"]


@pytest.mark.parametrize("scopes", CHOICES, ids="+".join)
@pytest.mark.parametrize(("namespace", "event"), EVENTS)
def test_requests_for_events(client, token_of, bob, general, namespace, event, scopes):
    headers = {"Authorization": f"Bearer {token_of(bob, *scopes)}"}
    known = wire.CLIENT[namespace][event]

    answer = client.post(f"/api/v1/do/{event}", json=known.example | {"more": 1}, headers=headers)

    expected = (422, "invalid") if known.scope in scopes else (403, "forbidden")
    assert (answer.status_code, answer.json["code"]) == expected
    if known.scope not in scopes:
        assert known.scope in answer.json["message"]


@pytest.mark.parametrize("scopes", CHOICES, ids="+".join)
@pytest.mark.parametrize(("namespace", "event"), EVENTS)
def test_events_of_the_websocket(by_socket, token_of, bob, namespace, event, scopes):
    socket, known = by_socket(token_of(bob, *scopes)), wire.CLIENT[namespace][event]
    if "read" not in scopes:
        assert not socket.is_connected("/chat"), "a connection is for reading"
        return

    answer = socket.emit(event, known.example | {"more": 1}, namespace=namespace, callback=True)

    assert answer["code"] == ("invalid" if known.scope in scopes else "forbidden")


@pytest.mark.parametrize("scopes", CHOICES, ids="+".join)
def test_the_event_stream(client, token_of, bob, scopes):
    answer = client.get("/api/v1/events", headers={"Authorization": f"Bearer {token_of(bob, *scopes)}"})

    assert answer.status_code == (200 if "read" in scopes else 403)
    answer.close()


@pytest.mark.parametrize("scopes", CHOICES, ids="+".join)
def test_routes(app, program, token_of, alice, general, scopes):
    say(alice, general, "Hi")
    ask, seen = program(token_of(alice, *scopes)), 0
    for method, path, scope in routes(app):
        path = path.removeprefix("/api/v1").format(room_id=1, message_id=1, username="bob")
        answer = ask(method, path, more=1)
        lacks = answer.status_code == 403 and "lacks the scope" in answer.json["message"]
        assert lacks == (scope not in scopes), (method, path)
        seen += 1
    assert seen == 14


def test_whatever_changes_something_needs_the_scope_to_write(app):
    for method, path, scope in routes(app):
        assert scope == ("read" if method == "GET" else "write"), (method, path)
    assert {noun.name for noun in NOUNS} == {"tokens", "people", "rooms", "messages"}


def test_programs_have_the_scopes_they_asked_for_and_all_if_they_asked_for_none(program, pair_of, bob):
    assert program(pair_of(bob).access_token)("GET", "/me").json["person"]["scopes"] == ["read", "write"]
    assert program(pair_of(bob, scopes=["write"]).access_token)("GET", "/me").status_code == 403
