"""For outsiders a private room does not exist: every address answers as one where no room ever was, to the byte."""

import re

import pytest

from chat.rooms.actions import add_member, remove_member
from tests.factories import say

NOWHERE = 987654

ROUTES = [
    ("GET", "/rooms/{room}"),
    ("GET", "/rooms/{room}?around=3"),
    ("GET", "/rooms/{room}/timeline"),
    ("GET", "/rooms/{room}/members"),
    ("GET", "/rooms/{room}/settings"),
    ("GET", "/rooms/{room}/messages/{message}"),
    ("GET", "/messages/{message}/edit"),
    ("GET", "/messages/{message}/delete"),
    ("GET", "/messages/{message}/history"),
    ("GET", "/rooms/{room}/retention"),
    ("POST", "/rooms/{room}/retention"),
    ("POST", "/rooms/{room}/legal-hold"),
    ("POST", "/admin/rooms/{room}/archive"),
    ("POST", "/admin/rooms/{room}/restore"),
    ("GET", "/messages/{message}/report"),
    ("POST", "/messages/{message}/report"),
    ("POST", "/rooms/{room}/messages"),
    ("POST", "/rooms/{room}/join"),
    ("POST", "/rooms/{room}/leave"),
    ("POST", "/rooms/{room}/members"),
    ("POST", "/rooms/{room}/members/{person}/remove"),
    ("POST", "/rooms/{room}/members/{person}/role"),
    ("POST", "/rooms/{room}/settings"),
    ("POST", "/rooms/{room}/pace"),
    ("POST", "/rooms/{room}/archive"),
    ("POST", "/rooms/{room}/restore"),
    ("POST", "/rooms/{room}/guest-link"),
    ("POST", "/rooms/{room}/read"),
    ("POST", "/rooms/{room}/unread"),
    ("POST", "/messages/{message}/edit"),
    ("POST", "/messages/{message}/delete"),
    ("GET", "/api/v1/rooms/{room}"),
    ("GET", "/api/v1/rooms/{room}/members"),
    ("GET", "/api/v1/rooms/{room}/messages"),
    ("POST", "/api/v1/rooms/{room}/messages"),
    ("POST", "/api/v1/rooms/{room}/join"),
    ("POST", "/api/v1/rooms/{room}/leave"),
    ("GET", "/api/v1/messages/{message}"),
    ("PATCH", "/api/v1/messages/{message}"),
    ("DELETE", "/api/v1/messages/{message}"),
]
FORM = {"text": "Hi", "person": "carol", "name": "x", "role": "owner", "seq": "1", "rev": "1"}


def test_every_address_with_a_room_or_message_in_it_is_among_these(app):
    rules = {
        (method, re.sub(r"<int:(\w+?)_id>", r"{\1}", rule.rule).replace("{user}", "{person}"))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if "room_id" in rule.arguments or "message_id" in rule.arguments
    }
    assert rules == {(method, path.partition("?")[0]) for method, path in ROUTES}


@pytest.mark.parametrize("who", ["carol", "ada", "robot"])
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_an_outsider_gets_the_answer_of_a_room_that_never_was(request, sign_in, alice, bob, robot, secret, who, accept):
    message = say(alice, secret, "Ours @carol")
    add_member(alice, secret, robot)
    remove_member(alice, secret, robot)  # was inside once
    browser = sign_in(request.getfixturevalue(who))
    browser.get("/")  # the first answer of all sets a cookie

    def answer(method, path, *, room, message):
        path = path.format(room=room, message=message, person=bob.id)
        sent = {"json": {"text": "Hi"}} if path.startswith("/api/") else {"data": FORM}
        sent = sent if method in ("POST", "PATCH") else {}
        response = browser.open(path, method=method, headers={"Accept": accept}, **sent)
        body = response.text.replace(path.partition("?")[0], "PATH")
        body = re.sub(r'(csrf[-_]token"[^>]*(?:content|value)=")[^"]+', r"\1TOKEN", body)
        return response.status_code, body, sorted(response.headers.keys())

    for method, path in ROUTES:
        there = answer(method, path, room=secret.id, message=message.id)
        nowhere = answer(method, path, room=NOWHERE, message=NOWHERE)
        assert there == nowhere, (method, path)
        assert there[0] == 404


@pytest.mark.parametrize("who", ["carol", "ada"])
def test_no_page_tells_of_it(request, sign_in, live, alice, bob, secret, who):
    say(alice, secret, "Ours")
    person = request.getfixturevalue(who)
    browser, socket = sign_in(person), live(person)

    for path in ("/", "/rooms", "/rooms?q=secret", "/people", "/people/bob", "/people/alice", "/rooms/new"):
        assert "secret" not in browser.get(path).text.replace('name="q" value="secret"', "").replace("“secret”", ""), (
            path
        )
    assert secret.stream not in socket.hello["streams"]


def test_no_socket_event_tells_of_it(live, alice, bob, carol, secret):
    message, socket = say(alice, secret, "Ours"), live(carol)
    events = [
        ("join", {"room": 0}),
        ("leave", {"room": 0}),
        ("message", {"room": 0, "text": "Hi", "key": "k"}),
        ("read", {"room": 0, "seq": 1}),
        ("unread", {"room": 0, "seq": 1}),
        ("edit", {"message": 0, "text": "Mine"}),
        ("delete", {"message": 0}),
    ]

    for event, data in events:
        there, nowhere = (
            socket.emit(event, data | {name: number for name, number in numbers.items() if name in data})
            for numbers in ({"room": secret.id, "message": message.id}, {"room": NOWHERE, "message": NOWHERE})
        )
        assert there == nowhere
        assert there["code"] == "not_found"
    for event, data in (("typing", {"on": True}), ("here", {"active": True})):
        there = socket.emit(event, data | {"room": secret.id}, namespace="/presence")
        assert there == socket.emit(event, data | {"room": NOWHERE}, namespace="/presence")
        assert there["code"] == "not_found"
    answer = socket.emit(
        "resume", {"epoch": socket.hello["epoch"], "streams": {secret.stream: 1, f"room:{NOWHERE}": 1}}
    )
    assert answer["streams"] == {secret.stream: {"gone": True}, f"room:{NOWHERE}": {"gone": True}}
    assert socket.frames() == []
