"""The two official clients against a real server, field for field as docs/protocol.md says."""

import uuid

import pytest

from chat.rooms.actions import remove_member
from tests.factories import person
from tests.system.conftest import find_room, new_room
from tests.system.official import JavaScriptClient
from tests.system.server import Client

MESSAGE = {
    "id", "room", "seq", "v", "rev", "key", "author", "text", "html", "created_at", "edited_at", "deleted_at", "thread",
    "reactions", "attachments", "reply_to", "mentions", "mentions_room", "pinned",
}  # fmt: skip
AUTHOR = {"id", "name", "avatar_url", "bot", "v"}


@pytest.fixture
def key():
    """A key that nobody has used."""
    return str(uuid.uuid4())


@pytest.fixture(params=[Client, JavaScriptClient], ids=["python", "javascript"])
def connect(request, server):
    """connect(username) → that official client, connected as this person."""
    clients = []

    def connect(username, **options):
        clients.append(request.param(server, username, **options))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def test_what_one_says_the_other_sees(connect, room, key):
    alice, bob = connect("alice"), connect("bob")
    assert {"proto", "epoch", "user", "streams", "server_time", "limits"} == set(alice.hello)
    assert f"room:{room}" in alice.hello["streams"] and f"room:{room}" in bob.hello["streams"]

    answer = alice.emit("message", {"room": room, "text": "Is *this* thing on?", "key": key})

    message = answer["message"]
    assert set(answer) == {"ok", "message"} and answer["ok"] is True
    assert set(message) == MESSAGE and set(message["author"]) == AUTHOR
    assert (message["room"], message["text"], message["key"], message["rev"]) == (room, "Is *this* thing on?", key, 1)
    assert message["html"] == "<p>Is <em>this</em> thing on?</p>"
    frame = bob.wait_for("message", lambda p: p["stream"] == f"room:{room}")
    assert set(frame) == {"stream", "seq", "change", "message", "html"}
    assert (frame["change"], frame["seq"], frame["message"]) == ("posted", message["seq"], message)
    assert message["v"] == message["seq"] and f'id="message-{message["id"]}"' in frame["html"]


def test_join_post_edit_delete_and_resume(connect, server, key):
    room = new_room(server, kind="public", members=())
    name = f"room:{room}"
    alice, carol = connect("alice"), connect("carol")
    assert alice.hello and name not in carol.hello["streams"]

    joined = carol.emit("join", {"room": room})
    assert joined == {"ok": True, "room": room, "head": joined["head"]}
    member = alice.wait_for("member", lambda p: p["stream"] == name and p["change"] == "joined")
    assert set(member) == {"stream", "seq", "change", "user", "role", "v", "by", "html"}
    assert (member["user"]["name"], member["role"], member["v"], member["seq"]) == (
        "Carol",
        "member",
        member["seq"],
        joined["head"],
    )
    mine = carol.wait_for("me", lambda p: p["change"] == "room_added" and p["room"]["id"] == room)
    assert set(mine) == {"stream", "seq", "change", "room"} and set(mine["room"]) == {"id", "member", "v", "html"}
    assert carol.wait_for("subscribed", lambda p: p["stream"] == name) == {"stream": name, "head": joined["head"]}

    posted = carol.emit("message", {"room": room, "text": "one", "key": key})["message"]
    again = carol.emit("message", {"room": room, "text": "one", "key": key})["message"]
    other = carol.emit("message", {"room": room, "text": "two", "key": key})
    assert again == posted and (other["ok"], other["code"]) == (False, "conflict")

    edited = carol.emit("edit", {"message": posted["id"], "text": "three", "rev": 1})["message"]
    stale = carol.emit("edit", {"message": posted["id"], "text": "four", "rev": 1})
    same = carol.emit("edit", {"message": posted["id"], "text": "three", "rev": 1})
    assert (edited["rev"], edited["v"], edited["seq"], edited["text"]) == (2, posted["seq"] + 1, posted["seq"], "three")
    assert edited["edited_at"] and stale["code"] == "conflict" and same == {"ok": True, "message": edited}

    deleted = carol.emit("delete", {"message": posted["id"]})["message"]
    assert (deleted["text"], deleted["html"], deleted["attachments"], deleted["seq"]) == ("", "", [], posted["seq"])
    assert deleted["deleted_at"] and deleted["v"] == posted["seq"] + 2

    frames = [
        alice.wait_for("message", lambda p, v=v: p["stream"] == name and p["seq"] == v)
        for v in (posted["seq"], edited["v"], deleted["v"])
    ]
    assert [f["change"] for f in frames] == ["posted", "edited", "deleted"]
    assert [f["message"] for f in frames] == [posted, edited, deleted]

    asked = {"epoch": alice.hello["epoch"], "streams": {name: posted["seq"] - 1}, "all": True}
    answer = alice.emit("resume", asked)
    assert set(answer) == {"ok", "epoch", "streams"} and answer["epoch"] == alice.hello["epoch"]
    part = answer["streams"][name]
    assert set(part) == {"head", "frames", "upto", "more", "unread", "mentions", "read"}
    assert (part["head"], part["upto"], part["more"], part["unread"]) == (deleted["v"], deleted["v"], False, 0)
    assert [(event, payload["seq"], payload["message"]["text"]) for event, payload in part["frames"]] == [
        ("message", posted["seq"], ""), ("message", edited["v"], ""), ("message", deleted["v"], ""),
    ]  # fmt: skip
    assert part["frames"][-1] == ["message", frames[-1]]

    head = deleted["v"]
    read = alice.emit("read", {"room": room, "seq": head + 99})
    assert set(read) == {"ok", "seq", "v"} and read["seq"] == head
    moved = alice.wait_for("me", lambda p: p["change"] == "read" and p["room"] == room)
    assert moved == {
        "stream": alice_stream(alice),
        "seq": read["v"],
        "change": "read",
        "room": room,
        "position": head,
        "v": read["v"],
        "unread": 0,
        "mentions": 0,
        "at": head,
    }
    assert alice.emit("read", {"room": room, "seq": 1})["seq"] == head, "read never moves back"
    assert alice.emit("unread", {"room": room, "seq": posted["seq"]})["seq"] == posted["seq"] - 1

    assert carol.emit("leave", {"room": room}) == {"ok": True}
    left = alice.wait_for("member", lambda p: p["stream"] == name and p["change"] == "left")
    assert left["role"] is None and left["user"]["name"] == "Carol"
    gone = carol.wait_for("me", lambda p: p["change"] == "room_removed" and p["room"]["id"] == room)
    assert set(gone["room"]) == {"id", "member", "v"} and gone["room"]["member"] is False
    assert not [p for p in carol.received("member") if p["stream"] == name and p["change"] == "left"]


def alice_stream(client):
    return f"user:{client.hello['user']}"


def test_what_one_may_not_or_cannot_is_answered_with_a_code(connect, server, room, key):
    carol = connect("carol")
    for event, payload, code in (
        ("message", {"room": room, "text": "hi", "key": key}, "not_found"),
        ("message", {"room": 999_999, "text": "hi", "key": key}, "not_found"),
        ("join", {"room": room}, "not_found"),
        ("message", {"room": str(room), "text": "hi", "key": key}, "invalid"),
        ("message", {"room": room, "text": "hi", "key": key, "colour": "red"}, "invalid"),
        ("message", {"room": room, "text": "hi"}, "invalid"),
        ("message", "hi", "invalid"),
        ("resume", {"epoch": "x", "streams": {"site": -1}}, "invalid"),
        ("react", {"message": 1, "emoji": "+1", "on": True}, "unknown_event"),
        ("pin", {"message": 1, "on": True}, "unknown_event"),
        ("message", {"room": find_room(server, "general"), "text": "hi", "key": key}, "forbidden"),
    ):
        answer = carol.emit(event, payload)
        assert (answer["ok"], answer["code"]) == (False, code), (event, payload, answer)
        assert answer["message"]


def test_typing_reaches_those_who_have_the_room_open(connect, room):
    alice, bob = connect("alice"), connect("bob")
    assert alice.hello and bob.hello
    assert bob.emit("here", {"active": True, "room": room}, namespace="/presence") == {"ok": True}

    assert alice.emit("typing", {"room": room, "on": True}, namespace="/presence") == {"ok": True}

    assert bob.wait_for("typing") == {"room": room, "user": alice.hello["user"], "on": True}
    assert bob.wait_for("presence", lambda p: p["user"] == alice.hello["user"])["state"] == "online"
    assert not alice.received("typing")


def test_who_is_removed_elsewhere_is_told_and_hears_no_more(connect, server, room, key):
    alice, bob = connect("alice"), connect("bob")
    assert alice.hello and bob.hello

    server.act(remove_member, lambda: person("alice"), lambda: find_room(server, room), lambda: person("bob"))

    gone = bob.wait_for("me", lambda p: p["change"] == "room_removed" and p["room"]["id"] == room)
    assert gone["room"]["member"] is False
    alice.emit("message", {"room": room, "text": "bob is out", "key": key})
    alice.wait_for("message", lambda p: p["stream"] == f"room:{room}")
    assert not [p for p in bob.received("message") if p["stream"] == f"room:{room}"]


def test_the_javascript_client_is_refused_with_a_code(server):
    client = JavaScriptClient(server, "alice", cookie="parley_session=nonsense", namespaces=["/chat"])

    refusal = client.wait_for("connect_error")

    assert refusal == {"namespace": "/chat", "message": "unauthorized", "data": {"code": "unauthorized"}}
    client.close()
