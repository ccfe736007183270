"""Each event of /chat as a client sends it, with what it is refused."""

from types import SimpleNamespace

import pytest

from chat import wiring
from chat.accounts.actions import begin_session, end_other_sessions, update_profile
from chat.accounts.signed_in import cookie_name
from chat.core.db import db
from chat.core.rate_limit import limiter
from chat.messages.actions import edit_message
from chat.messages.presenter import present
from chat.messages.queries import newest
from chat.realtime.namespaces import chat
from chat.rooms.actions import archive_room, leave_room, remove_member, restore_room
from chat.rooms.queries import membership_of, position_of
from chat.streams.log import heads
from tests.factories import say


@pytest.fixture
def socket(live, bob, general):
    return live(bob, general)


def refusal(answer):
    return answer["ok"], answer["code"], answer.get("field")


def afresh():
    """Sockets have sessions of their own; what this one has read may be old by now."""
    db.session.rollback()
    db.session.expire_all()


def head(room):
    afresh()
    return heads([room.stream])[room.stream]


def said(room):
    afresh()
    return newest(room)[0]


# Connecting


def test_hello_says_where_the_streams_stand(live, alice, bob, general, secret, pump):
    hello = live(bob).hello

    assert set(hello) == {"proto", "epoch", "user", "streams", "server_time", "limits"}
    assert (hello["proto"], hello["user"], hello["epoch"]) == (1, bob.id, pump.epoch)
    assert hello["limits"] == {"text": 20_000, "frames": 500}
    wanted = [general.stream, secret.stream, bob.stream, "site"]
    assert hello["streams"] == heads(wanted)


def test_hello_comes_first_and_once(app, bob):
    assert [packet["name"] for packet in connect(app, bob).get_received("/chat")] == ["hello"]


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:5001", "null", None])
def test_pages_of_others_cannot_connect(app, bob, origin):
    assert not connect(app, bob, origin=origin).is_connected("/chat")


def test_our_own_page_can(app, bob):
    for origin in ("http://localhost:5000", "http://127.0.0.1:5000"):
        assert connect(app, bob, origin=origin).is_connected("/chat")


@pytest.mark.parametrize("token", ["", "x" * 43, "é", None])
def test_nobody_connects_without_a_session(app, bob, token):
    assert not connect(app, bob, token=token).is_connected("/chat")


def connect(app, user, *, origin="http://localhost:5000", token="own"):
    token = begin_session(user) if token == "own" else token
    headers = {"Cookie": f"{cookie_name()}={token}"} if token is not None else {}
    headers |= {"Origin": origin} if origin else {}
    return app.extensions["live"].socketio.test_client(app, namespace="/chat", headers=headers)


# What cannot be understood


@pytest.mark.parametrize(
    "event", ["react", "pin", "subscribe", "connect", "disconnect", "on_message", "__init__", "trigger_event", ""]
)
def test_an_event_nobody_knows_is_answered(socket, event):
    answer = socket.emit(event, {"room": 1})

    assert (answer["ok"], answer["code"]) == (False, "unknown_event")
    assert socket.emit("read", {"room": 1, "seq": 0})["ok"], "the connection goes on"


@pytest.mark.parametrize("event", ["join", "leave", "message", "edit", "delete", "read", "unread", "resume"])
@pytest.mark.parametrize("data", [None, "x", 7, [], {}, {"room": "1"}, {"nonsense": 1}])
def test_what_is_no_such_event_is_invalid(socket, event, data):
    answer = socket.emit(event, data)
    assert (answer["ok"], answer["code"]) == (False, "invalid")


def test_after_the_session_ended_nothing_is_answered_but_that(socket, bob):
    end_other_sessions(bob)

    for event, data in (("message", {"room": 1, "text": "x", "key": "k"}), ("resume", {"epoch": "", "streams": {}})):
        assert socket.emit(event, data)["code"] == "unauthorized"


def test_a_fault_of_ours_is_an_error_and_says_nothing_about_it(socket, monkeypatch, general):
    monkeypatch.setattr(chat.ChatNamespace, "on_message", lambda *args: 1 / 0)
    answer = socket.emit("message", {"room": general.id, "text": "x", "key": "k"})
    assert (answer["ok"], answer["code"]) == (False, "error")
    assert "division" not in answer["message"]


@pytest.mark.parametrize(
    ("event", "data", "verb"),
    [
        ("message", {"room": 1, "text": "x", "key": "k"}, "send"),
        ("edit", {"message": 1, "text": "x"}, "edit"),
        ("delete", {"message": 1}, "edit"),
        ("read", {"room": 1, "seq": 0}, "read"),
        ("unread", {"room": 1, "seq": 0}, "read"),
        ("resume", {"epoch": "", "streams": {}}, "resume"),
        ("join", {"room": 1}, "room"),
        ("leave", {"room": 1}, "room"),
    ],
)
def test_too_much_at_once_says_when_to_try_again(socket, limits_on, bob, event, data, verb):
    while not limiter.buckets.take((verb, bob.id), limiter.settings.limit(verb)):
        pass

    answer = socket.emit(event, data)
    assert (answer["ok"], answer["code"]) == (False, "rate_limited")
    assert 0 < answer["retry_after"] <= 3


# message


def test_a_message_is_acknowledged_as_others_see_it(socket, live, alice, general):
    watcher = live(alice)

    answer = socket.emit("message", {"room": general.id, "text": "Hi", "key": "k", "thread": None, "attachments": []})
    assert answer == {"ok": True, "message": present(said(general)[-1]).to_json()}
    [frame] = watcher.received("message")
    assert (frame["message"], frame["change"], frame["seq"]) == (answer["message"], "posted", head(general))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"text": ""}, ("invalid", "text")),
        ({"text": "x" * 20_001}, ("invalid", "text")),
        ({"key": ""}, ("invalid", "key")),
        ({"key": "x" * 65}, ("invalid", "key")),
        ({"room": 999}, ("not_found", "room")),
        ({"room": 2**53 - 1}, ("not_found", "room")),
        ({"room": 0}, ("not_found", "room")),
        ({"thread": 1}, ("invalid", "thread")),
    ],
)
def test_a_message_that_cannot_be_sent(socket, general, data, expected):
    answer = socket.emit("message", {"room": general.id, "text": "Hi", "key": "k"} | data)
    assert refusal(answer) == (False, *expected)
    assert said(general) == []


def test_the_same_key_with_other_words_is_a_conflict(socket, general):
    socket.emit("message", {"room": general.id, "text": "Hi", "key": "k"})
    answer = socket.emit("message", {"room": general.id, "text": "Ho", "key": "k"})
    assert refusal(answer) == (False, "conflict", "key")


def test_who_may_not_write_is_told_why(live, carol, general):
    answer = live(carol).emit("message", {"room": general.id, "text": "Hi", "key": "k"})
    assert (answer["code"], answer["message"]) == ("forbidden", "Join #general to write here.")


def test_a_retry_after_being_removed_gets_the_first_answer(live, alice, bob, secret):
    socket, data = live(bob), {"room": secret.id, "text": "Hi", "key": "k"}
    first = socket.emit("message", data)
    remove_member(alice, secret, bob)

    assert socket.emit("message", data) == first
    assert socket.emit("message", data | {"key": "other"})["code"] == "not_found"
    assert socket.emit("message", data | {"text": "other"})["code"] == "not_found"


# edit, delete


def test_an_edit_is_acknowledged_and_seen(socket, live, alice, bob, general):
    message, watcher = say(bob, general, "Frist"), live(alice)

    answer = socket.emit("edit", {"message": message.id, "text": "First", "rev": 1})
    assert (answer["message"]["text"], answer["message"]["rev"], answer["message"]["v"]) == ("First", 2, head(general))
    assert watcher.frames() == [("message", "edited", "First")]


def test_an_edit_of_an_older_text_brings_the_present_one(socket, bob, general):
    message = say(bob, general, "Frist")
    edit_message(bob, message, "First")

    answer = socket.emit("edit", {"message": message.id, "text": "Fyrst", "rev": 1})
    assert refusal(answer) == (False, "conflict", "rev")
    assert (answer["current"]["text"], answer["current"]["rev"]) == ("First", 2)
    assert socket.emit("edit", {"message": message.id, "text": "First", "rev": 1})["ok"], "it says that already"


def test_a_deletion_is_acknowledged_and_seen(socket, live, alice, bob, general):
    message, watcher = say(bob, general, "Oops"), live(alice)

    answer = socket.emit("delete", {"message": message.id})
    assert answer["message"]["deleted_at"] and answer["message"]["text"] == ""
    assert socket.emit("delete", {"message": message.id}) == answer
    assert watcher.frames() == [("message", "deleted", "")]


def test_what_others_wrote_stays(socket, alice, general, secret):
    message, hidden = say(alice, general, "Hers"), say(alice, secret, "Ours")

    assert refusal(socket.emit("edit", {"message": message.id, "text": "x"})) == (False, "forbidden", None)
    assert refusal(socket.emit("delete", {"message": message.id})) == (False, "forbidden", None)
    assert refusal(socket.emit("edit", {"message": hidden.id, "text": "x"})) == (False, "forbidden", None)
    for number in (0, 999, 2**53 - 1):
        assert refusal(socket.emit("edit", {"message": number, "text": "x"})) == (False, "not_found", "message")
        assert refusal(socket.emit("delete", {"message": number})) == (False, "not_found", "message")


# join, leave


def test_joining_subscribes_and_says_where_the_room_stands(live, alice, carol, general):
    socket = live(carol)
    answer = socket.emit("join", {"room": general.id})

    assert answer == {"ok": True, "room": general.id, "head": head(general)}
    assert socket.received("subscribed") == [{"stream": general.stream, "head": head(general)}]
    assert socket.emit("join", {"room": general.id}) == answer, "a member already"
    say(alice, general, "Welcome")
    assert socket.frames() == [("message", "posted", "Welcome")]


def test_leaving_ends_the_stream(socket, alice, bob, general):
    assert socket.emit("leave", {"room": general.id}) == {"ok": True}
    say(alice, general, "Gone?")

    assert membership_of(bob, general).role is None
    assert socket.frames() == []
    assert refusal(socket.emit("leave", {"room": general.id})) == (False, "forbidden", None)


def test_what_cannot_be_joined_or_left(live, alice, carol, general, secret):
    archive_room(alice, general)
    socket = live(carol)
    assert refusal(socket.emit("join", {"room": general.id})) == (False, "forbidden", None)
    assert refusal(socket.emit("join", {"room": secret.id})) == (False, "not_found", "room")
    assert refusal(socket.emit("leave", {"room": secret.id})) == (False, "not_found", "room")
    assert refusal(live(alice).emit("leave", {"room": secret.id}))[1] == "conflict"
    restore_room(alice, general)


# read, unread


def test_positions_are_acknowledged_with_their_number(socket, alice, bob, general):
    message = say(alice, general, "1")

    answer = socket.emit("read", {"room": general.id, "seq": 2**53 - 1})
    assert answer == {"ok": True, "seq": message.seq, "v": position_of(bob.id, general.id).v}
    assert socket.emit("read", {"room": general.id, "seq": 0}) == answer
    back = socket.emit("unread", {"room": general.id, "seq": message.seq})
    assert (back["seq"], back["v"]) == (message.seq - 1, answer["v"] + 1)


def test_ones_other_windows_follow(socket, live, alice, bob, general):
    other, message = live(bob), say(alice, general, "@bob")
    socket.emit("read", {"room": general.id, "seq": message.seq})

    [frame] = other.received("me")
    assert (frame["position"], frame["unread"], frame["mentions"], frame["at"]) == (message.seq, 0, 0, message.seq)


@pytest.mark.parametrize("event", ["read", "unread"])
def test_nobody_reads_in_rooms_they_are_not_in(live, bob, carol, general, secret, event):
    socket = live(carol)
    for room in (general.id, secret.id, 999):
        assert refusal(socket.emit(event, {"room": room, "seq": 1})) == (False, "not_found", "room")


# Who gets what


def test_every_window_of_every_member_gets_each_frame_once(live, alice, bob, general):
    windows = [live(person, general) for person in (alice, bob, bob)]
    say(alice, general, "1")

    assert [window.frames() for window in windows] == [[("message", "posted", "1")]] * 3


def test_frames_come_in_the_order_of_their_numbers(socket, alice, bob, general):
    for n in range(5):
        say((alice, bob)[n % 2], general, str(n))

    frames = socket.received("message")
    assert [frame["seq"] for frame in frames] == list(range(head(general) - 4, head(general) + 1))


def test_a_changed_name_or_picture_reaches_everyone(live, alice, carol):
    watcher = live(carol)
    update_profile(alice, name="Alice B", username="alice", bio="", time_zone="UTC")

    [frame] = watcher.received("site")
    assert (frame["change"], frame["user"]["id"], frame["user"]["name"]) == ("person", alice.id, "Alice B")
    assert frame["user"]["v"] == frame["seq"]


def test_what_is_refused_is_told_to_nobody(socket, live, alice, bob, general):
    watcher = live(alice)
    socket.emit("message", {"room": general.id, "text": "", "key": "k"})
    socket.emit("edit", {"message": 999, "text": "x"})
    leave_room(bob, general)
    socket.emit("message", {"room": general.id, "text": "x", "key": "k2"})

    assert [change for _, change, _ in watcher.frames()] == ["left"]


def test_who_was_signed_out_elsewhere_posts_nothing_more_although_nobody_was_told(live, bob, general, app):
    """Sessions are kept from one message to the next; under the lock it shows that one has ended meanwhile."""
    client = live(bob)
    assert client.emit("message", {"room": general.id, "text": "one", "key": "1"})["ok"]
    assert client.emit("message", {"room": general.id, "text": "two", "key": "2"})["ok"]
    assert app.extensions["live"].sessions_at_hand == 1

    wiring.attach(SimpleNamespace(capture=lambda *_: None, wake=lambda *_: None))
    end_other_sessions(bob)
    wiring.attach()
    answer = client.emit("message", {"room": general.id, "text": "three", "key": "3"})

    assert (answer["ok"], answer["code"]) == (False, "unauthorized")
    assert [message.text for message in newest(general)[0]] == ["one", "two"]
