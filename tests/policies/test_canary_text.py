"""Words planted in a private room come out nowhere else: whoever is not in it is shown everything there is to see.

PLACES lists where is looked. Each word is one that nothing else says; a member finds every one of them, so that the
sweep is known to see what there is.
"""

import logging
import uuid

import pytest

from chat.accounts.actions import assign_role, create_user
from chat.admin.models import AuditEntry
from chat.core.db import db
from chat.core.jobs import Job
from chat.messages.actions import delete_message, edit_message
from chat.realtime import wire
from chat.realtime.json import dumps
from chat.rooms.actions import add_member, change_room, create_room, join_room, remove_member, set_role
from chat.streams.models import Entry
from tests.assertions import LiveClient
from tests.events import EventClient
from tests.factories import say

WORDS = {
    "name": "zq-kestrel-name", "name before": "zq-osprey-name", "topic": "zq kestrel topic",
    "description": "zqdescribed", "text": "zqspoken", "text before an edit": "zqbefore",
    "text of a deleted message": "zqdeleted",
    "code": "zqcode", "address": "zqlink.example",
}  # fmt: skip

PLACES = [
    "every page", "every page's headers", "every form", "every form's headers", "every event's answer",
    "every event's answer as a request", "frames of /chat", "frames of /presence", "the event stream", "resume of all",
    "resume of that room", "search of rooms", "search of people", "a name that is taken", "links to rooms in texts",
    "a page of somebody in it", "unread and mention counts", "ETags", "the size of a refusal", "error pages",
    "the log", "the figures of the server", "the audit log", "the entries of the streams", "jobs",
    "hints to other processes",
]  # fmt: skip

ONLOOKERS = ("outsider", "guest", "moderator", "administrator", "owner", "removed", "nobody")


@pytest.fixture
def people(app, ada, alice, bob, carol, robot, general):
    def user(name, role="member"):
        return create_user(name=name, username=name.lower(), email=f"{name}@example.org", password_hash="", role=role)

    found = {
        "outsider": carol, "guest": user("Gus", "guest"), "moderator": user("Moe"), "administrator": user("Adi"),
        "owner": ada, "removed": user("Rem"), "nobody": None,
    }  # fmt: skip
    assign_role(found["moderator"], "moderator")
    assign_role(found["administrator"], "admin")
    lobby = create_room(alice, "lobby", kind="private")  # where the guest is, with alice and bob
    for person in (found["guest"], bob):
        add_member(alice, lobby, person)
    return found


@pytest.fixture
def cellar(people, alice, bob):
    """The private room: alice's, with bob; `removed` was in it before anything was planted."""
    room = create_room(alice, "cellar", kind="private")
    add_member(alice, room, bob)
    add_member(alice, room, people["removed"])
    remove_member(alice, room, people["removed"])
    return room


def plant(room, alice, bob):
    """Everything that can be said in a room, with a word of its own in each place. Returns the messages."""
    for name in (WORDS["name before"], WORDS["name"]):
        change_room(alice, room, name=name, topic=WORDS["topic"], description=WORDS["description"])
    text = f"{WORDS['text']} https://{WORDS['address']} `{WORDS['code']}` @carol @gus @ada @room"
    spoken = say(alice, room, text)
    edited = say(bob, room, WORDS["text before an edit"])
    edit_message(bob, edited, f"{WORDS['text']} again")
    deleted = say(bob, room, WORDS["text of a deleted message"])
    kept = say(bob, room, f"{WORDS['text before an edit']} stands here, {WORDS['text of a deleted message']}, too")
    delete_message(bob, deleted)
    set_role(alice, room, bob, "moderator")
    return spoken, edited, deleted, kept


class Onlooker:
    """Somebody who looks everywhere. `saw` is {place: [texts]}."""

    def __init__(self, app, user, browser):
        self.app, self.user, self.browser, self.saw = app, user, browser, {}
        self.window = LiveClient(app, user) if user else None
        self.stream = EventClient(browser, "?presence=desk") if user else None

    def note(self, place, text):
        assert place in PLACES
        self.saw.setdefault(place, []).append(text if isinstance(text, str) else dumps(text))

    def look(self, room, messages):
        if self.window:
            self.note("frames of /chat", [list(one) for one in self.window.received()])
            self.note("frames of /presence", [list(one) for one in self.window.received(namespace="/presence")])
            self.note("the event stream", [list(one) for one in self.stream.received()])
            self.note("the event stream", self.stream.id)
        self._every_route(room, messages)
        self._every_event(room, messages)
        if self.window:
            self._side_doors(room)

    def _every_route(self, room, messages):
        for rule in self.app.url_map.iter_rules():
            if rule.rule in ("/logout", "/api/v1/events") or "close" in rule.rule:
                continue
            for path in {fill(rule, room, message) for message in messages}:
                if "GET" in rule.methods:
                    self._take("page", self.browser.get(path))
                if "POST" in rule.methods and rule.endpoint != "api.do":
                    self._take("form", self.browser.post(path, data={"seq": "2", "rev": "1", "role": "member"}))

    def _take(self, what, answer):
        self.note(f"every {what}", answer.text if answer.mimetype != "application/zip" else "")
        self.note(f"every {what}'s headers", str(answer.headers))
        if answer.status_code >= 400:
            self.note("error pages", answer.text)
        answer.close()

    def _every_event(self, room, messages):
        for namespace, events in wire.CLIENT.items():
            for name, event in events.items():
                for message in messages:
                    told = {"room": room.id, "message": message.id, "seq": 1, "key": str(uuid.uuid4())}
                    told |= {"streams": {room.stream: 1}, "epoch": self.app.extensions["live"].pump.epoch}
                    data = {k: told.get(k, v) for k, v in event.example.items()}
                    if self.window:
                        self.note("every event's answer", self.window.emit(name, data, namespace=namespace))
                    answer = self.browser.post(f"/api/v1/do/{name}", json=data)
                    self.note("every event's answer as a request", answer.text)

    def _side_doors(self, room):
        epoch, get = self.app.extensions["live"].pump.epoch, self.browser.get
        everything = {"epoch": epoch, "streams": {"site": 1, f"user:{self.user.id}": 0}, "all": True}
        self.note("resume of all", self.window.emit("resume", everything))
        of_room = {"epoch": epoch, "streams": {room.stream: None}}
        self.note("resume of that room", self.window.emit("resume", of_room))
        for q in ("kestrel", "topic", "described", "zq"):
            self.note("search of rooms", get(f"/rooms?q={q}").text)
            self.note("search of people", get(f"/people?q={q}").text)
        self.note("a page of somebody in it", get("/people/alice").text)
        self.note("a page of somebody in it", get("/people/bob").text)


def fill(rule, room, message):
    """The path of a route, as far as it can be about that room."""
    given = {"room_id": room.id, "message_id": message.id, "user_id": 3, "id": 1, "username": "alice"}
    path = rule.rule
    for argument in rule.arguments:
        for converter in ("int:", "path:", ""):
            path = path.replace(f"<{converter}{argument}>", str(given.get(argument, "none")))
    return path


@pytest.mark.parametrize("who", ONLOOKERS)
def test_nobody_outside_finds_a_word_of_it_anywhere(app, sign_in, client, people, cellar, alice, bob, caplog, who):
    caplog.set_level(logging.DEBUG)
    user = people[who]
    onlooker = Onlooker(app, user, sign_in(user) if user else client)

    messages = plant(cellar, alice, bob)
    onlooker.look(cellar, messages)

    onlooker.note("the log", "\n".join(record.getMessage() for record in caplog.records))
    if onlooker.stream:
        onlooker.stream.close()
    found = {
        place: word for place, texts in onlooker.saw.items() for word in WORDS.values() if word in "\n".join(texts)
    }
    assert found == {}
    assert len(onlooker.saw) >= (14 if user else 6)


def test_whoever_is_in_it_finds_every_word(app, sign_in, people, cellar, alice, bob):
    member = Onlooker(app, bob, sign_in(bob))

    messages = plant(cellar, alice, bob)
    member.look(cellar, messages[:1])

    saw = "\n".join(text for texts in member.saw.values() for text in texts)
    member.stream.close()
    assert [name for name, word in WORDS.items() if word not in saw] == []


def test_its_name_is_free_and_links_nowhere(app, sign_in, people, cellar, alice, bob, carol):
    plant(cellar, alice, bob)

    page = sign_in(carol).post("/rooms/new", data={"name": WORDS["name"], "kind": "public"})
    assert page.status_code == 303  # "a name that is taken" would tell
    with_link = say(
        carol, db.session.get(type(cellar), int(page.location.rpartition("/")[2])), f"#{cellar.name} #cellar"
    )
    assert cellar.path + '"' not in with_link.html  # the name leads to the room of carol's own, and no further


def test_being_named_there_counts_nowhere_else_and_moves_no_etag(
    app, sign_in, people, cellar, alice, bob, carol, general
):
    join_room(carol, general)
    browser = sign_in(carol)
    front, page = browser.get("/").text, browser.get(general.path)

    plant(cellar, alice, bob)

    assert browser.get("/").text == front
    again = browser.get(general.path, headers={"If-None-Match": page.headers["ETag"]})
    assert again.status_code == 304


def test_a_refusal_is_as_long_as_that_of_what_never_was(app, sign_in, people, cellar, alice, bob, carol):
    plant(cellar, alice, bob)
    browser, never = sign_in(carol), 10 ** len(str(cellar.id)) - 1

    browser.get("/")  # the first page of a browser brings it a cookie
    there, nowhere = browser.get(cellar.path), browser.get(f"/rooms/{never}")

    assert (there.status_code, nowhere.status_code) == (404, 404)
    assert len(there.data) == len(nowhere.data)
    assert {k: v for k, v in there.headers.items() if k != "Date"} == dict(nowhere.headers)


def test_what_runs_the_server_sees_none_of_it_either(app, sign_in, people, ada, cellar, alice, bob, monkeypatch):
    hints, bus = [], app.extensions["live"].bus
    monkeypatch.setattr(bus, "hint", lambda *told: hints.append(told))
    monkeypatch.setattr(bus, "say", lambda *told: hints.append(told))

    plant(cellar, alice, bob)

    places = {
        "the figures of the server": sign_in(ada).get("/metrics").text,
        "the audit log": rows(AuditEntry),
        "the entries of the streams": rows(Entry),
        "jobs": rows(Job),
        "hints to other processes": str(hints),
    }
    assert hints
    assert {place: word for place, text in places.items() for word in WORDS.values() if word in text} == {}


def rows(model):
    db.session.rollback()
    return "\n".join(str(tuple(row)) for row in db.session.execute(db.select(*model.__table__.columns)))
