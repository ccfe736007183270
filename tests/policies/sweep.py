"""What the sweep for private text plants, where it looks, and who looks.

PLACES is the list: each place, and which sweep has to look there. A sweep that has not looked at a place of its own at
least once fails, see `Looks.missing`.
"""

import io
import uuid
import zipfile
from itertools import chain

from flask import current_app

from chat.accounts.actions import make_token
from chat.admin.models import Export
from chat.admin.moderation.actions import report_message
from chat.core.db import db
from chat.core.jobs import run_due
from chat.messages.actions import delete_message, edit_message
from chat.realtime import wire
from chat.realtime.json import dumps, loads
from chat.rooms.actions import change_room, invite_to_rooms, set_role
from tests.assertions import LiveClient
from tests.events import EventClient
from tests.factories import PASSWORD, say

WORDS = {
    "name": "zq-kestrel-name", "name before": "zq-osprey-name", "topic": "zq kestrel topic",
    "description": "zqdescribed", "text": "zqspoken", "text before an edit": "zqbefore",
    "text of a deleted message": "zqdeleted",
    "code": "zqcode", "address": "zqlink.example",
    "text after it was reported": "zqafterwards",
}  # fmt: skip

# What somebody in the room hands to those who decide about reports, and to nobody else.
REPORTED = {"reported text": "zqreported", "reason of a report": "zqreason"}
DECIDE = ("moderator", "administrator", "owner")

ADMINISTER = ("administrator", "owner")

PLACES = {
    # every onlooker
    "every page": "all", "headers of every page": "all", "every form": "all", "headers of every form": "all",
    "every form, malformed": "all", "headers of every form, malformed": "all", "every other method": "all",
    "headers of every other method": "all", "JSON": "all", "headers of JSON": "all", "JSON, malformed": "all",
    "headers of JSON, malformed": "all", "every event as a request": "all",
    "every event as a request, malformed": "all", "refusals": "all", "the log": "all",
    # whoever has an account, with a browser or with a program
    "every event": "with an account", "every event, malformed": "with an account",
    "frames of /chat": "with an account", "frames of /presence": "with an account",
    "typing over a websocket": "with an account", "presence over a websocket": "with an account",
    "the event stream": "with an account", "an event stream of that room alone": "with an account",
    "typing in an event stream": "with an account", "presence in an event stream": "with an account",
    "resume of all": "with an account", "resume of that room": "with an account",
    # with a browser
    "search of rooms": "with a browser", "search of people": "with a browser",
    "a page of somebody in it": "with a browser", "the file of one's own data": "with a browser",
    "mail": "with a browser", "one's own reports": "with a browser", "notices": "with a browser",
    # who administers
    "export of the audit log": "administrators", "pages of administration": "administrators",
    # what runs the server
    "the figures of the server": "server", "rows of the audit log": "server", "entries of the streams": "server",
    "jobs": "server", "hints to other processes": "server",
    # while things go wrong
    "answers to what fails": "failing actions", "the log of what fails": "failing actions",
    "jobs that failed": "failing jobs", "the log of jobs that fail": "failing jobs",
    "the log of malformed requests": "malformed requests",
    # a real queue
    "messages through Redis": "queue", "commands to Redis": "queue", "what Redis keeps": "queue",
    "the log of a server at debug": "queue",
    # compared with what is shown without the room
    "a name that is taken": "its name", "links to rooms in texts": "its name",
    "unread and mention counts": "being named", "ETags": "being named", "the size of a refusal": "refusals",
}  # fmt: skip


# Which test makes each sweep.
TEXT, QUEUE = "tests/policies/test_canary_text.py", "tests/system/test_canary_on_the_queue.py"
SWEEPS = {
    "all": (TEXT, "test_nobody_outside_finds_a_word_of_it_anywhere"),
    "with an account": (TEXT, "test_nobody_outside_finds_a_word_of_it_anywhere"),
    "with a browser": (TEXT, "test_nobody_outside_finds_a_word_of_it_anywhere"),
    "administrators": (TEXT, "test_nobody_outside_finds_a_word_of_it_anywhere"),
    "server": (TEXT, "test_what_runs_the_server_sees_none_of_it_either"),
    "failing actions": (TEXT, "test_an_error_in_the_middle_of_an_action_tells_nothing_of_what_it_held"),
    "failing jobs": (TEXT, "test_a_job_that_fails_tells_nothing_of_what_it_held"),
    "malformed requests": (TEXT, "test_what_a_member_sends_in_the_wrong_form_is_not_logged"),
    "queue": (QUEUE, "test_no_word_of_it_goes_through_redis"),
    "its name": (TEXT, "test_its_name_is_free_and_links_nowhere"),
    "being named": (TEXT, "test_being_named_there_counts_nowhere_else_and_moves_no_etag"),
    "refusals": (TEXT, "test_a_refusal_is_as_long_as_that_of_what_never_was"),
}


class Looks:
    """What was seen at the places of these sweeps: `saw` is {place: [texts]}."""

    def __init__(self, *sweeps):
        self.saw = {place: [] for place, sweep in PLACES.items() if sweep in sweeps}

    def note(self, place, text):
        """A look at a place, which is on the list."""
        self.saw[place].append(text if isinstance(text, str) else dumps(text))

    @property
    def missing(self):
        """The places at which nobody has looked."""
        return [place for place, texts in self.saw.items() if not texts]

    @property
    def count(self):
        return sum(map(len, self.saw.values()))

    def hits(self, words):
        """{(place, word)}"""
        return {(p, word) for p, texts in self.saw.items() for word in words if any(word in text for text in texts)}


def plant(room, alice, bob):
    """Everything that can be said about and in a room, with a word of its own in each place. Returns the messages."""
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
    reported = say(alice, room, REPORTED["reported text"])
    report_message(bob, reported, REPORTED["reason of a report"])
    edit_message(alice, reported, WORDS["text after it was reported"])
    invite_to_rooms(alice, [room], role="guest", expires_days=7)
    return spoken, edited, deleted, kept


def stir(room, people):
    """What is shown in passing: each of them has the room on the screen, writes, and goes away from the screen."""
    windows = [LiveClient(current_app._get_current_object(), person, room) for person in people]
    for window in windows:
        for on in (True, False, True):
            assert window.emit("typing", {"room": room.id, "on": on}, namespace="/presence") == {"ok": True}
    for window in windows:
        window.emit("here", {"active": False}, namespace="/presence")
    return windows


ENDS = ("/logout", "/settings/close", "/people/<username>/close", "/settings/sessions/end-others", "/api/v1/events",
        "/settings/sessions/<int:id>/end", "/settings/tokens/<int:id>/revoke", "/api/v1/do/<event>")  # fmt: skip
NO_JSON = ["[]", "{", '"zz"', '{"text": 5, "name": [], "kind": {}, "unknown": "zz"}']


class Onlooker(Looks):
    """Somebody who is not in the room and looks everywhere.

    browser   of theirs, signed in as they are: by a cookie, by `bearer`, or not at all
    spares    words in the names of what is not done: of somebody who is in the room, what would end that
    """

    def __init__(self, app, user, browser, *, bearer=None, administers=False, spares=()):
        is_person = user is not None and bearer is None
        super().__init__(
            "all", *["with an account"] * (user is not None), *["with a browser"] * is_person,
            *["administrators"] * (administers and is_person),
        )  # fmt: skip
        self.app, self.user, self.browser, self.bearer = app, user, browser, bearer
        self.is_person, self.administers, self.heard = is_person, administers and is_person, []
        self.streams, self.spares = {}, spares

    def settle(self, room):
        """Be there before anything happens, with as much of the room as one can get."""
        if self.user is None:
            return
        self.window = LiveClient(self.app, self.user, bearer=self.bearer)
        self.window.emit("here", {"active": True, "room": room.id}, namespace="/presence")
        self.streams = {
            "the event stream": EventClient(self.browser, "?presence=desk"),
            "an event stream of that room alone": EventClient(self.browser, f"?presence=desk&rooms={room.id}"),
        }
        self.browser.post("/api/v1/do/here", json={"active": True, "room": room.id, "presence": "desk"})

    def leave(self):
        for stream in self.streams.values():
            stream.close()

    def look(self, room, messages):
        if self.user:
            self._frames(room)
        self._every_event(room, messages)
        if self.user:
            self._resumes(room, messages)
        if self.is_person:
            self._side_doors(room)
        if self.administers:
            self._administration()
        self._every_route(room, messages)
        if self.is_person:
            self._own_data()
        self._every_page_again(room, messages[:1])

    # ---- what comes by itself ---------------------------------------------------------------------------------------

    def _frames(self, room):
        ways = {
            "frames of /chat": self.window.received(),
            "frames of /presence": self.window.received(namespace="/presence"),
            **{place: stream.received() for place, stream in self.streams.items()},
        }
        for place, frames in ways.items():
            self.note(place, [list(frame) for frame in frames])
            self.heard += [(place, *frame) for frame in frames if is_about(room, *frame)]
        self.note("the event stream", self.streams["the event stream"].id or "")
        in_stream = list(chain(*(ways[place] for place in self.streams)))
        for how, frames in (("over a websocket", ways["frames of /presence"]), ("in an event stream", in_stream)):
            self.note(f"typing {how}", [payload for name, payload in frames if name == "typing"])
            if shown := [payload for name, payload in frames if name == "presence"]:  # so that the way is open
                self.note(f"presence {how}", shown)

    def seen_here(self):
        """The ids of the people whose presence was shown."""
        places = ("presence over a websocket", "presence in an event stream")
        return {payload["user"] for place in places for text in self.saw[place] for payload in loads(text)}

    # ---- what answers -----------------------------------------------------------------------------------------------

    def _take(self, what, answer):
        self.note(what, text_of(answer))
        if f"headers of {what}" in PLACES:
            self.note(f"headers of {what}", str(answer.headers))
        if answer.status_code >= 400:
            self.note("refusals", text_of(answer))
        answer.close()

    def _every_route(self, room, messages):
        for rule in self.app.url_map.iter_rules():
            if rule.rule in ENDS or rule.endpoint.startswith(("static", *self.spares)):
                continue
            for path in sorted({fill(rule, room, message) for message in messages}):
                self._every_method(rule, path, room)

    def _every_page_again(self, room, messages):
        """After what they sent has had its consequences, also later ones."""
        run_due()
        for rule in self.app.url_map.iter_rules():
            if "GET" in rule.methods and rule.rule not in ENDS and not rule.endpoint.startswith("static"):
                for message in messages:
                    self._take("every page", self.browser.get(fill(rule, room, message)))

    def _every_method(self, rule, path, room):
        ask = self.browser.open
        if "GET" in rule.methods:
            self._take("every page", ask(path))
        others = [method for method in ("PUT", "PATCH", "DELETE", "POST") if method not in rule.methods]
        self._take("every other method", ask(path, method=others[0], json={"text": "zz"}))
        for method in rule.methods & {"POST", "PATCH", "DELETE"}:
            fields = fields_for(room)
            if rule.rule.startswith("/api/"):
                self._take("JSON", ask(path, method=method, json={"text": "zz"} if "messages" in path else fields))
                for body in NO_JSON:
                    answer = ask(path, method=method, data=body, content_type="application/json")
                    self._take("JSON, malformed", answer)
                continue
            asked = {"Accept": "application/json"}
            self._take("every form", ask(path, method=method, data=fields))
            self._take("every form, malformed", ask(path, method=method, data=dict.fromkeys(fields, "zz\0\ufffd-1")))
            self._take("every form, malformed", ask(path, method=method, headers=asked))

    def _every_event(self, room, messages):
        for namespace, events in wire.CLIENT.items():
            for name, event in events.items():
                if name in self.spares:
                    continue
                for data in chain.from_iterable(self._data_for(event, room, message) for message in messages):
                    self._send("", namespace, name, data)
                for data in ([], {}, {**event.example, "unknown": 1}, dict.fromkeys(event.example, "zz")):
                    self._send(", malformed", namespace, name, data)

    def _data_for(self, event, room, message):
        told = {"room": room.id, "message": message.id, "seq": 1, "key": str(uuid.uuid4())}
        told |= {"streams": {room.stream: message.seq - 1}, "epoch": self.app.extensions["live"].pump.epoch}
        yield {k: told.get(k, v) for k, v in event.example.items()}

    def _send(self, how, namespace, name, data):
        if self.user:
            answer = self.window.emit(name, data, namespace=namespace)
            assert answer.get("code") != "unauthorized", "a look through a door that is shut sees nothing"
            self.note(f"every event{how}", answer)
        self._take(f"every event as a request{how}", self.browser.post(f"/api/v1/do/{name}", json=data))

    def _resumes(self, room, messages):
        epoch = self.app.extensions["live"].pump.epoch
        everything = {"epoch": epoch, "streams": {"site": 1, f"user:{self.user.id}": 0}, "all": True}
        self.note("resume of all", self.window.emit("resume", everything))
        for number in (None, 1, *(message.seq - 1 for message in messages)):
            of_room = {"epoch": epoch, "streams": {room.stream: number}}
            self.note("resume of that room", self.window.emit("resume", of_room))

    def _side_doors(self, room):
        get = self.browser.get
        for q in ("kestrel", "topic", "described", "zq"):
            self.note("search of rooms", get(f"/rooms?q={q}").text)
            self.note("search of people", get(f"/people?q={q}").text)
        for username in ("alice", "bob", "dana"):
            self.note("a page of somebody in it", get(f"/people/{username}").text)
        self.note("one's own reports", get("/reports/mine").text)
        answer = self.browser.post(f"/rooms/{room.id}/join", follow_redirects=True)
        self.note("notices", answer.text)
        with self.browser.session_transaction() as kept:
            self.note("notices", str(dict(kept)))

    def _administration(self):
        for path in ("", "/people", "/rooms", "/invites", "/sign-in", "/settings", "/retention", "/jobs", "/audit"):
            answer = self.browser.get(f"/admin{path}")
            assert answer.status_code == 200, path
            self.note("pages of administration", answer.text)
        for kind in ("csv", "jsonl"):
            answer = self.browser.post("/admin/audit/export", data={"format": kind})
            assert answer.status_code == 200
            self.note("export of the audit log", answer.text)

    def _own_data(self):
        self.browser.post("/confirm", data={"password": PASSWORD})
        self.browser.post("/settings/data/export")
        run_due()
        db.session.rollback()
        mine = db.select(Export).where(Export.created_by_id == self.user.id, Export.ready_at.is_not(None))
        for export in db.session.scalars(mine).all():
            with self.browser.get(f"/settings/data/exports/{export.id}") as answer:
                assert (answer.status_code, answer.mimetype) == (200, "application/zip")
                self.note("the file of one's own data", text_of(answer))


def is_about(room, event, payload):
    """Whether a frame tells of this room, other than that there is no such thing."""
    told = payload if isinstance(payload, dict) else {}
    return event != "gone" and (told.get("room") == room.id or told.get("stream") == room.stream)


def text_of(answer):
    """What an answer says. A zip is unpacked: every name in it, and every file."""
    if answer.mimetype != "application/zip":
        return answer.get_data().decode("utf-8", "replace")
    with zipfile.ZipFile(io.BytesIO(answer.get_data())) as archive:
        assert archive.namelist()
        return "\n".join(f"{name}\n{archive.read(name).decode('utf-8', 'replace')}" for name in archive.namelist())


def fill(rule, room, message):
    """The path of a route, as far as it can be about that room."""
    given = {"room_id": room.id, "message_id": message.id, "user_id": 3, "id": 1, "username": "alice"}
    path = rule.rule
    for argument in rule.arguments:
        for converter in ("int:", "path:", ""):
            path = path.replace(f"<{converter}{argument}>", str(given.get(argument, "none")))
    return path


def fields_for(room):
    """What a form may have asked for, as far as it can be about that room."""
    return {
        "seq": "2", "rev": "1", "role": "member", "text": "zz", "reason": "Because", "room": str(room.id), "days": "30",
        "rooms": str(room.id), "person": "alice", "kind": "private", "topic": "zz", "format": "csv",
        "decision": "dismissed", "hours": "24", "period": "all", "key": str(uuid.uuid4()),
    }  # fmt: skip


def token_of(user):
    """The value of a token for a program of this person's."""
    return make_token(user, "a script", scopes=("read", "write"), days=1)[0]


def rows(model):
    db.session.rollback()
    return "\n".join(str(tuple(row)) for row in db.session.execute(db.select(*model.__table__.columns)))
