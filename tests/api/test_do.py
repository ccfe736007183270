"""What a client of the websocket sends, as requests: the same fields, the same answers, a status that fits."""

import uuid

import pytest

from chat.core.db import db
from chat.messages.models import Message
from chat.realtime import wire
from chat.rooms.actions import create_room
from tests.events import EventClient
from tests.factories import say


@pytest.fixture
def browser(sign_in, bob):
    return sign_in(bob)


@pytest.fixture
def do(browser):
    """do(event, {…}) → the answer of Flask's test client."""
    return lambda event, data, **options: browser.post(f"/api/v1/do/{event}", json=data, **options)


def key():
    return str(uuid.uuid4())


def test_every_event_of_the_websocket_can_be_asked_for(do):
    for known in wire.CLIENT.values():
        for event in known:
            answer = do(event, {})
            assert answer.status_code in (404, 422), event
            assert answer.json["code"] == "invalid", event


def test_a_message_is_posted_once_and_reaches_everybody(do, live, alice, bob, general):
    socket, sent = live(alice), {"room": general.id, "text": "Over HTTP", "key": key()}

    first, second = do("message", sent), do("message", sent)

    assert (first.status_code, first.json) == (200, second.json)
    assert first.json["ok"] and first.json["message"]["text"] == "Over HTTP"
    assert socket.frames() == [("message", "posted", "Over HTTP")]
    assert live(bob).emit("message", sent) == first.json


def test_a_message_is_changed_and_deleted(do, browser, bob, general):
    stream = EventClient(browser)
    id = do("message", {"room": general.id, "text": "One", "key": key()}).json["message"]["id"]

    edited = do("edit", {"message": id, "text": "Two", "rev": 1})
    late = do("edit", {"message": id, "text": "Three", "rev": 1})
    deleted = do("delete", {"message": id})

    assert edited.json["message"]["text"] == "Two"
    assert (late.status_code, late.json["code"], late.json["current"]["text"]) == (409, "conflict", "Two")
    assert deleted.json["message"]["deleted_at"]
    assert [p["change"] for event, p in stream.received() if event == "message"] == ["posted", "edited", "deleted"]
    stream.close()


def test_one_joins_and_leaves_and_an_open_stream_follows(do, browser, alice):
    dunes = create_room(alice, "dunes")
    stream = EventClient(browser)

    joined = do("join", {"room": dunes.id})
    say(alice, dunes, "Hello")
    left = do("leave", {"room": dunes.id})
    say(alice, dunes, "Gone?")

    assert joined.json == {"ok": True, "room": dunes.id, "head": 3}
    assert left.json == {"ok": True}
    assert stream.said() == ["Hello"]
    stream.close()


def test_joining_without_any_stream_leaves_nothing_behind(do, alice, bob, pump):
    dunes = create_room(alice, "dunes")

    assert do("join", {"room": dunes.id}).json["head"] == 3
    assert dunes.stream not in pump.follows


def test_read_positions_move(do, general):
    assert do("read", {"room": general.id, "seq": 4}).json["seq"] == 4
    assert do("read", {"room": general.id, "seq": 3}).json["seq"] == 4
    assert do("unread", {"room": general.id, "seq": 3}).json["seq"] == 2


def test_resume_answers_what_a_websocket_would_be_answered(do, live, alice, bob, general, pump):
    say(alice, general, "1")
    say(alice, general, "2")
    asked = {"epoch": pump.epoch, "streams": {general.stream: 8, "site": 1, "room:99": 1}, "all": True}

    answer = do("resume", asked)

    assert [payload["message"]["text"] for _, payload in answer.json["streams"][general.stream]["frames"]] == ["1", "2"]
    assert answer.json["streams"]["room:99"] == {"gone": True}
    assert answer.json == live(bob).emit("resume", asked)


def test_a_process_that_only_serves_pages_answers_resume_all_the_same(do, app, alice, general, pump):
    object.__setattr__(app.config["PARLEY"], "roles", ("web",))
    epoch, pump.epoch = pump.epoch, None
    say(alice, general, "1")

    answer = do("resume", {"epoch": epoch, "streams": {general.stream: 8}}).json

    assert answer["epoch"] == epoch
    assert len(answer["streams"][general.stream]["frames"]) == 1


def test_others_see_who_writes_and_who_is_here(do, browser, live, alice, bob, general, presence):
    stream, socket = EventClient(browser), live(alice, general)

    assert do("typing", {"room": general.id, "on": True}).json == {"ok": True}
    assert do("here", {"active": False}).json == {"ok": True}

    assert socket.received("typing", "/presence") == [{"room": general.id, "user": bob.id, "on": True}]
    assert presence.shown[bob.id] == "away"
    stream.close()
    assert bob.id not in presence.shown


# Refusals


@pytest.mark.parametrize(
    ("event", "data", "status", "code"),
    [
        ("message", {"room": 99, "text": "x", "key": "k"}, 404, "not_found"),
        ("message", {"room": 1, "text": "", "key": "k"}, 422, "invalid"),
        ("message", {"room": 1, "text": "x"}, 422, "invalid"),
        ("message", {"room": 1, "text": "x", "key": "k", "more": 1}, 422, "invalid"),
        ("message", [], 422, "invalid"),
        ("message", "text", 422, "invalid"),
        ("delete", {"message": 10**9}, 404, "not_found"),
        ("nothing", {}, 404, "unknown_event"),
        ("connect", {}, 404, "unknown_event"),
        ("hello", {}, 404, "unknown_event"),
    ],
)
def test_refusals_have_the_codes_of_the_websocket_and_a_status(do, event, data, status, code):
    answer = do(event, data)

    assert (answer.status_code, answer.json["ok"], answer.json["code"]) == (status, False, code)
    assert answer.json["message"]


def test_what_is_not_json_is_refused(browser, general):
    form = browser.post("/api/v1/do/read", data={"room": general.id, "seq": 3})
    broken = browser.post("/api/v1/do/read", data="{", content_type="application/json")

    assert [(answer.status_code, answer.json["code"]) for answer in (form, broken)] == [(422, "invalid")] * 2
    assert "Content-Type" in form.json["message"]


def test_too_large_a_request_is_refused(do, general):
    answer = do("message", {"room": general.id, "text": "x" * 300_000, "key": "k"})

    assert (answer.status_code, answer.json["code"]) == (413, "too_large")
    assert db.session.query(Message).count() == 0


def test_the_limits_of_the_websocket_hold(do, limits_on, bob, general):
    for _ in range(20):
        assert do("message", {"room": general.id, "text": "x", "key": key()}).status_code == 200

    answer = do("message", {"room": general.id, "text": "x", "key": key()})

    assert (answer.status_code, answer.json["code"]) == (429, "rate_limited")
    assert answer.json["retry_after"] <= 1
    assert answer.headers["Retry-After"] == "1"
