"""People, rooms and messages below /api/v1: the same actions as everywhere, one shape for what is refused."""

import re

import pytest
from flask import g

from chat.core.db import db
from chat.messages.actions import delete_message, edit_message
from chat.messages.models import Edit, Message
from chat.messages.presenter import present
from chat.rooms.actions import create_room
from chat.rooms.queries import membership_of
from config import Limit
from tests.assertions import counted_queries
from tests.factories import person, say


@pytest.fixture
def ask(program, token_of, bob):
    """ask("GET", "/rooms") as bob."""
    return program(token_of(bob))


@pytest.fixture
def ask_as(program, token_of):
    return lambda user: program(token_of(user))


# People


def test_people_are_listed_by_id_page_by_page(ask):
    first = ask("GET", "/people", query={"limit": 3}).json
    second = ask("GET", "/people", query={"limit": 3, "after": first["next"]}).json

    assert [p["username"] for p in first["people"] + second["people"]] == ["ada", "alice", "bob", "carol", "robot"]
    assert second["next"] is None
    assert "email" not in first["people"][0]


def test_one_person_is_found_by_their_user_name(ask):
    found = ask("GET", "/people/alice").json["person"]

    assert (found["name"], found["role"], found["presence"]) == ("Alice", "member", "offline")
    assert ask("GET", "/people/nobody").status_code == 404


# Rooms


def test_rooms_are_those_one_can_find(ask, ask_as, carol, general, secret):
    mine, others = ask("GET", "/rooms").json["rooms"], ask_as(carol)("GET", "/rooms").json["rooms"]

    assert [(room["name"], room["joined"], room["members"]) for room in mine] == [
        ("general", True, 4), ("secret", True, 2),
    ]  # fmt: skip
    assert [(room["name"], room["joined"]) for room in others] == [("general", False)]


def test_rooms_come_page_by_page_and_by_words(ask, alice, general):
    for name in ("dunes", "dune-buggies", "attic"):
        create_room(alice, name)

    found = ask("GET", "/rooms", query={"q": "dune", "limit": 1}).json
    rest = ask("GET", "/rooms", query={"q": "dune", "after": found["next"]}).json

    assert [room["name"] for room in found["rooms"] + rest["rooms"]] == ["dunes", "dune-buggies"]
    assert rest["next"] is None


def test_a_room_is_made_and_its_maker_owns_it(ask, bob):
    answer = ask("POST", "/rooms", name="Boat House", kind="private", topic="Keys are under the mat")

    room = answer.json["room"]
    assert (answer.status_code, answer.headers["Location"]) == (201, f"/api/v1/rooms/{room['id']}")
    assert (room["name"], room["kind"], room["joined"], room["members"]) == ("boat-house", "private", True, 1)
    assert ask("GET", f"/rooms/{room['id']}").json["room"] == room
    taken = ask("POST", "/rooms", name="general")
    assert (taken.status_code, taken.json["code"], taken.json["field"]) == (409, "conflict", "name")


def test_a_private_room_is_not_there_for_others(ask_as, carol, secret):
    ask = ask_as(carol)
    for method, path in [
        ("GET", ""), ("POST", "/join"), ("POST", "/leave"), ("GET", "/members"), ("GET", "/messages"),
    ]:  # fmt: skip
        answer = ask(method, f"/rooms/{secret.id}{path}")
        there = ask(method, f"/rooms/999{path}")
        assert (answer.status_code, answer.json) == (404, there.json), path
    said = [ask("POST", f"/rooms/{id}/messages", text="Hi") for id in (secret.id, 999)]
    assert said[0].json == said[1].json


def test_one_joins_and_leaves(ask_as, carol, general):
    ask = ask_as(carol)

    assert ask("POST", f"/rooms/{general.id}/join").json["room"]["joined"]
    assert ask("POST", f"/rooms/{general.id}/join").status_code == 200
    assert membership_of(carol, general).role == "member"
    assert ask("POST", f"/rooms/{general.id}/leave").json == {"ok": True}
    assert membership_of(carol, general).role is None


def test_members_are_listed_with_their_roles(ask, general):
    first = ask("GET", f"/rooms/{general.id}/members", query={"limit": 2}).json
    rest = ask("GET", f"/rooms/{general.id}/members", query={"after": first["next"]}).json

    found = [(member["person"]["username"], member["role"]) for member in first["members"] + rest["members"]]
    assert found == [("ada", "owner"), ("alice", "owner"), ("bob", "member"), ("robot", "member")]


# Messages


@pytest.fixture
def said(alice, general):
    return [say(alice, general, f"{n}") for n in range(1, 10)]


def texts(answer):
    return [message["text"] for message in answer.json["messages"]]


def test_the_newest_page_comes_first_and_one_walks_back_and_forth(ask, general, said):
    path = f"/rooms/{general.id}/messages"
    newest = ask("GET", path, query={"limit": 4})
    older = ask("GET", path, query={"limit": 4, "before": newest.json["messages"][0]["seq"]})
    newer = ask("GET", path, query={"limit": 4, "after": older.json["messages"][-1]["seq"]})

    assert [texts(answer) for answer in (newest, older, newer)] == [list("6789"), list("2345"), list("6789")]
    flags = [(answer.json["has_older"], answer.json["has_newer"]) for answer in (newest, older, newer)]
    assert flags == [(True, False), (True, True), (True, False)]
    assert newest.json["head"] == said[-1].seq


def test_a_page_is_found_around_a_number(ask, general, said):
    answer = ask("GET", f"/rooms/{general.id}/messages", query={"around": said[4].seq, "limit": 4})

    assert texts(answer) == list("3456")
    assert (answer.json["has_older"], answer.json["has_newer"]) == (True, True)


def test_a_message_has_the_shape_of_the_wire(ask, general, said):
    shown = present(said[-1]).to_json()

    assert ask("GET", f"/rooms/{general.id}/messages").json["messages"][-1] == shown
    assert ask("GET", f"/messages/{said[-1].id}").json["message"] == shown


def test_what_is_said_reaches_everybody_and_is_said_once(ask, live, alice, general):
    socket, headers = live(alice), {"Idempotency-Key": "one"}
    first = ask("POST", f"/rooms/{general.id}/messages", headers, text="Over REST")
    again = ask("POST", f"/rooms/{general.id}/messages", headers, text="Over REST")

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json == again.json
    assert first.json["message"]["key"] == "one"
    assert first.headers["Location"] == f"/api/v1/messages/{first.json['message']['id']}"
    assert socket.frames() == [("message", "posted", "Over REST")]
    other = ask("POST", f"/rooms/{general.id}/messages", headers, text="Something else")
    assert (other.status_code, other.json["code"], other.json["field"]) == (409, "conflict", "key")


def test_without_a_key_twice_is_twice(ask, general):
    for _ in range(2):
        assert ask("POST", f"/rooms/{general.id}/messages", text="Hi").status_code == 201
    assert db.session.query(Message).count() == 2


def test_ones_own_message_is_edited_once_however_often_it_is_sent(ask, bob, general):
    message = say(bob, general, "Teh")

    answers = [ask("PATCH", f"/messages/{message.id}", text="The", rev=1) for _ in range(2)]

    assert [(a.status_code, a.json["message"]["text"], a.json["message"]["rev"]) for a in answers] == [
        (200, "The", 2)
    ] * 2
    assert db.session.query(Edit).count() == 1


def test_an_edit_that_somebody_was_faster_than_is_refused_with_the_message_as_it_is(ask, bob, general):
    message = say(bob, general, "One")
    edit_message(bob, message, "Two")

    answer = ask("PATCH", f"/messages/{message.id}", text="Three", rev=1)

    assert (answer.status_code, answer.json["code"], answer.json["current"]["text"]) == (409, "conflict", "Two")


def test_a_message_is_deleted_once_however_often_it_is_sent_and_then_gone(ask, bob, general):
    message = say(bob, general, "Oops")

    answers = [ask("DELETE", f"/messages/{message.id}") for _ in range(2)]

    assert [(a.status_code, a.json["message"]["text"]) for a in answers] == [(200, "")] * 2
    assert answers[0].json == answers[1].json
    assert ask("GET", f"/messages/{message.id}").status_code == 404
    assert ask("PATCH", f"/messages/{message.id}", text="Back").status_code == 404
    assert ask("GET", f"/rooms/{general.id}/messages").json["messages"][-1]["deleted_at"]


def test_the_messages_of_others_are_not_ones_own(ask, alice, general):
    message = say(alice, general, "Mine")

    assert ask("PATCH", f"/messages/{message.id}", text="Yours").status_code == 403
    assert ask("DELETE", f"/messages/{message.id}").status_code == 403


def test_messages_of_rooms_one_cannot_see_are_not_there(ask_as, alice, carol, secret):
    message, ask = say(alice, secret, "psst"), ask_as(carol)
    for method in ("GET", "PATCH", "DELETE"):
        answer = ask(method, f"/messages/{message.id}", text="x")
        assert (answer.status_code, answer.json) == (404, ask(method, "/messages/999", text="x").json)


def test_a_page_costs_a_fixed_number_of_queries(ask, bob, general, alice):
    def cost():
        db.session.rollback()
        db.session.expunge_all()
        with counted_queries() as statements:
            ask("GET", f"/rooms/{general.id}/messages")
        return len(statements)

    say(alice, general, "1 for @bob")
    first = cost()
    for n in range(20):
        say(person("bob" if n % 2 else "alice"), general, f"{n} for @bob and @alice")
    assert cost() == first


# Refusals


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"), ("GET", "/rooms/x", 404, "not_found"),
        ("GET", "/rooms/" + "9" * 30, 404, "not_found"), ("PUT", "/rooms", 405, "invalid"),
        ("DELETE", "/me", 405, "invalid"), ("GET", "/rooms?limit=x", 422, "invalid"),
        ("GET", "/rooms?limit=201", 422, "invalid"), ("GET", "/rooms?more=1", 422, "invalid"),
        ("GET", "/rooms/1/messages?before=-1", 422, "invalid"), ("GET", "/rooms?token=x", 422, "invalid"),
    ],
)  # fmt: skip
def test_every_refusal_has_the_same_shape(ask, general, method, path, status, code):
    answer = ask(method, path)

    assert (answer.status_code, answer.json["ok"], answer.json["code"]) == (status, False, code)
    assert set(answer.json) <= {"ok", "code", "message", "field"}
    assert answer.json["message"]
    assert status != 405 or "GET" in answer.headers["Allow"]


@pytest.mark.parametrize(
    ("body", "type", "status"),
    [
        ("text=Hi", "application/x-www-form-urlencoded", 415), ("<m/>", "application/xml", 415), ("{}", None, 415),
        ("{", "application/json", 422), ("[]", "application/json", 422), ("null", "application/json", 422),
        ('{"text": NaN}', "application/json", 422), ('{"text": "\\ud800"}', "application/json", 422),
        ('{"text": {"a": 1}}', "application/json", 422),
        ('{"text": ' + "[" * 50 + "]" * 50 + "}", "application/json", 422),
        ('{"text": "x", "room": 2}', "application/json", 422), ('{"text": " "}', "application/json", 422),
        ('{"text": "' + "x" * 20_001 + '"}', "application/json", 422),
        ('{"text": "' + "x" * 300_000 + '"}', "application/json", 413),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_and_nothing_is_said(client, token_of, bob, general, body, type, status):
    headers = {"Authorization": f"Bearer {token_of(bob)}"}
    answer = client.post(f"/api/v1/rooms/{general.id}/messages", data=body, content_type=type, headers=headers)

    assert (answer.status_code, answer.json["ok"]) == (status, False)
    assert answer.json["code"] == ("too_large" if status == 413 else "invalid")
    assert db.session.query(Message).count() == 0


def test_half_characters_are_refused_in_requests_for_events_too(client, token_of, bob, general):
    headers, body = {"Authorization": f"Bearer {token_of(bob)}"}, '{"room": 1, "key": "k", "text": "\\ud800"}'

    answer = client.post("/api/v1/do/message", data=body, content_type="application/json", headers=headers)

    assert (answer.status_code, answer.json["code"]) == (422, "invalid")


@pytest.mark.parametrize("name", ["is_admin", "role", "id", "user_id", "author", "author_id", "seq", "created_at"])
def test_no_field_can_be_set_that_is_not_offered(ask, bob, general, name):
    message = say(bob, general, "Hi")
    for method, path, body in [
        ("POST", "/rooms", {"name": "attic"}), ("POST", f"/rooms/{general.id}/messages", {"text": "x"}),
        ("PATCH", f"/messages/{message.id}", {"text": "x"}),
    ]:  # fmt: skip
        answer = ask(method, path, **body, **{name: 1})
        assert (answer.status_code, answer.json["field"]) == (422, name)


def test_limits_are_those_of_everywhere_and_say_when_to_come_back(ask, live, bob, limits_on, general, app):
    object.__setattr__(app.config["PARLEY"], "limit_send", Limit(2, 0.1))
    socket = live(bob)
    assert socket.emit("message", {"room": general.id, "text": "x", "key": "k"})["ok"]
    assert ask("POST", f"/rooms/{general.id}/messages", text="x").status_code == 201

    answer = ask("POST", f"/rooms/{general.id}/messages", text="x")

    assert (answer.status_code, answer.json["code"]) == (429, "rate_limited")
    assert 1 <= answer.json["retry_after"] <= 10
    assert int(answer.headers["Retry-After"]) == round(answer.json["retry_after"])


def test_asking_has_a_limit_of_its_own(ask, ask_as, alice, limits_on, app):
    object.__setattr__(app.config["PARLEY"], "limit_api", Limit(3, 0.01))

    assert [ask("GET", "/me").status_code for _ in range(4)] == [200] * 3 + [429]
    assert ask_as(alice)("GET", "/me").status_code == 200


# With a cookie


def test_a_page_of_ours_asks_with_its_cookie_and_its_token(sign_in, bob, general):
    browser = sign_in(bob, csrf=True)
    csrf = re.search(r'name="csrf-token" content="([^"]+)"', browser.get("/").text)[1]
    path, body = f"/api/v1/rooms/{general.id}/messages", {"text": "From a page"}

    g.pop("csrf_token", None), g.pop("csrf_valid", None)
    forged = browser.post(path, json=body)
    g.pop("csrf_token", None), g.pop("csrf_valid", None)
    sent = browser.post(path, json=body, headers={"X-CSRFToken": csrf})

    assert [answer.status_code for answer in (forged, sent)] == [400, 201]
    assert browser.get("/api/v1/me").json["person"]["scopes"] == ["read", "write"]
    assert browser.get("/api/v1/me", headers={"Origin": "https://evil.example"}).status_code == 403


# The document


def test_the_document_has_every_route_and_says_who_may(app, client):
    document = client.get("/api/docs/openapi.json").json
    described = {
        (method.upper(), path) for path, ways in document["paths"].items() for method in ways if method != "parameters"
    }
    there = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/v1/") and rule.endpoint not in ("api.do", "api.events")
    }

    assert document["openapi"] == "3.1.0"
    assert described == there
    for path, ways in document["paths"].items():
        for method, way in ways.items():
            if method != "parameters":
                assert way["summary"] and way["operationId"], path
                assert ("x-scope" in way) == bool(way["security"]), path
                assert {"429", "503"} <= set(way["responses"]), path


def test_the_document_can_be_read_as_a_page(client, sign_in, bob):
    for browser in (client, sign_in(bob)):
        page = browser.get("/api/docs")
        assert page.status_code == 200
        for words in ("POST /api/v1/rooms/{room_id}/messages", "Idempotency-Key", "Scope <code>write</code>"):
            assert words in page.text


def test_deleting_by_another_way_shows_here(ask, alice, bob, general):
    message = say(bob, general, "Hi")
    delete_message(alice, message)

    assert ask("GET", f"/messages/{message.id}").status_code == 404
