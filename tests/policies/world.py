"""A community with every kind of actor and room in it, and a way back to how it was.

One application and one database for all cells: what a cell changed is put back from a copy in memory, in a millisecond.
"""

import io
import sqlite3
import uuid
from datetime import timedelta
from types import SimpleNamespace

from PIL import Image

from chat import create_app
from chat.accounts import jwt
from chat.accounts.actions import create_invite, create_user
from chat.accounts.actions.sessions import begin_session, end_session
from chat.accounts.avatars import KIND, SUFFIX
from chat.accounts.credentials import PROGRAM, TOKEN, named_by, new_sid, new_token, sid_of, token_hash
from chat.accounts.models import Passkey, Session
from chat.accounts.passwords import hash_password
from chat.accounts.queries import live_session
from chat.accounts.signed_in import cookie_name
from chat.admin.models import Export, Report
from chat.core import storage
from chat.core.assets import stylesheet
from chat.core.clock import now
from chat.core.db import db
from chat.core.transaction import transaction
from chat.realtime.json import dumps, loads
from chat.rooms.actions import add_member, archive_room, create_room, leave_room, remove_member, set_role
from chat.rooms.queries import membership_of, public_room_named
from chat.site.queries import the_site
from tests.assertions import LiveClient
from tests.events import EventClient, Events
from tests.factories import PASSWORD, person, say
from tests.policies.matrix import ACTORS, KINDS

NEVER = 9_999_991  # the id of what never was

ROLE_HERE = {"G": "guest", "S": "moderator", "A": "admin", "O": "owner", "B": "bot"}
IN_THE_ROOM = {"GR": "member", "MR": "member", "MO": "moderator", "RO": "owner", "SR": "member", "AR": "member",
               "OR": "member", "BR": "member", "BN": "member", "RV": "member"}  # fmt: skip
WERE_IN_THE_ROOM = {"GF": "member", "FM": "member", "FO": "owner"}
ANSWERS = {"unauthorized": "L", "forbidden": "F", "not_found": "N", "invalid": "I", "conflict": "C"}


# What programs show: (the kind of session, its scopes; None: all of them).
SHOWN = {
    "a token": (TOKEN, "read write"),
    "a token to read": (TOKEN, "read"),
    "a token to write": (TOKEN, "write"),
    "an access token": (PROGRAM, None),
}
ENDS_AT_THE_DOOR = ("/setup", "/logout", "/login/cancel")  # for everybody


def role_of(actor):
    return "member" if actor in ("AN", "BN", "RO") else ROLE_HERE.get(actor[0], "member")


class World:
    """rooms   {kind: what is in it: ids by the names that tests/policies/ways.py uses}
    tokens   {actor: the value of their cookie}
    bearers  {(actor, what a program of theirs shows): its value}; see SHOWN
    """

    def __init__(self, settings):
        self.app = create_app(settings, spawn=lambda function, *args: function(*args))
        self.app.testing = True
        self.app.config["WTF_CSRF_ENABLED"] = False
        self.live = self.app.extensions["live"]
        self.rooms, self.people, self.tokens, self.bearers, self.sockets = {}, {}, {}, {}, {}
        with self.app.app_context():
            self._populate()
            self.epoch, self.cookie = the_site().epoch, cookie_name()
            self.live.pump.begin_now()
            self.access = self.live.pump.access
            path = db.engine.url.database
            db.session.remove()
        self.file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.kept = sqlite3.connect(":memory:", check_same_thread=False)
        self.file.backup(self.kept)
        self.version = self._version()

    def close(self):
        self.hang_up()
        self.file.close()
        self.kept.close()
        with self.app.app_context():
            db.session.remove()
            db.engine.dispose()

    # ---- what there is ----------------------------------------------------------------------------------------------

    def _populate(self):
        hashed = hash_password(PASSWORD)

        def user(username, role):
            return create_user(
                name=username.upper(), username=username, email=f"{username}@example.org", password_hash=hashed,
                role=role,
            )  # fmt: skip

        users = {actor: user(f"the-{actor.lower()}", role_of(actor)) for actor in ACTORS if actor != "AN"}
        for username, role in (("mia", "member"), ("mona", "member"), ("newt", "member"), ("adam", "admin")):
            self.people[username] = user(username, role)
        self.people["stan"] = user("stan", "member")
        say(self.people["adam"], public_room_named("general"), "Said by adam")
        self._leave_general([*users.values(), *self.people.values()])
        for kind in KINDS:
            self.rooms[kind] = self._room(kind, users)
        self.ids = self._things(users)
        for actor, someone in users.items():
            self.tokens[actor] = begin_session(someone, address="127.0.0.1", user_agent="tests")
        end_session(users["RV"], live_session(self.tokens["RV"]))
        self._let_programs_in(users)
        with transaction():
            users["BN"].deactivated_at = now()
        self.users = {actor: someone.id for actor, someone in users.items()}

    def _let_programs_in(self, users):
        """Tokens of everybody, also of those who could not make one now: somebody may have had it before."""
        moment = now()
        for actor, someone in users.items():
            for shown, (kind, scopes) in SHOWN.items():
                value = new_token()
                session = Session(
                    kind=kind, name=shown, scopes=scopes, user_id=someone.id, created_at=moment, seen_at=moment,
                    token_hash=token_hash(value) if kind == TOKEN else named_by(new_sid()),
                    expires_at=moment + timedelta(days=7),
                )  # fmt: skip
                with transaction():
                    db.session.add(session)
                if kind == PROGRAM:
                    value = jwt.issue(sid_of(session), someone.id, the_site().epoch)
                self.bearers[actor, shown] = value
                if actor == "RV":
                    end_session(someone, session)

    def _leave_general(self, users):
        """Nobody of this world is in a room that all are in: guests would know everybody by it."""
        general = public_room_named("general")
        for user in users:
            if (found := membership_of(user, general)) and found.role:
                leave_room(user, general)

    def _room(self, kind, users):
        alice = person("alice")
        name = kind.replace(" ", "-")
        room = create_room(alice, name, kind="private" if "private" in kind else "public")
        inside = IN_THE_ROOM | WERE_IN_THE_ROOM
        for actor, role in inside.items():
            add_member(alice, room, users[actor])
            if role != "member":
                set_role(alice, room, users[actor], role)
        for username, role in (("mia", "member"), ("mona", "moderator"), ("newt", "member")):
            add_member(alice, room, self.people[username])
            if role != "member":
                set_role(alice, room, self.people[username], role)
        own = {actor: say(users[actor], room, f"Said by {actor}").id for actor in inside}
        foreign = say(self.people["mia"], room, "Said by mia").id
        for actor in WERE_IN_THE_ROOM:
            remove_member(alice, room, users[actor])
        remove_member(alice, room, self.people["newt"])
        if "archived" in kind:
            archive_room(alice, room)
        return SimpleNamespace(
            room=room.id, own_of=own, foreign=foreign, name=name,
            member=self.people["mia"].id, moderator=self.people["mona"].id,
        )  # fmt: skip

    def _things(self, users):
        """What there is of everybody's own, {actor: {name: id}}, and of others."""
        alice, picture = person("alice"), io.BytesIO()
        Image.new("RGB", (8, 8), "teal").save(picture, "PNG")
        self.picture = picture.getvalue()
        avatar = storage.save(KIND, b"RIFF", SUFFIX)
        code = create_invite(alice).code
        foreign_invite = create_invite(alice).id
        foreign_session = live_session(begin_session(alice)).id
        css = stylesheet().removeprefix("/static/")
        common = {
            "avatar": avatar, "code": code, "foreign_invite": foreign_invite, "foreign_session": foreign_session,
            "mia": "mia", "stan": "stan", "adam": "adam", "private": self.rooms["private"].room, "css": css,
        }  # fmt: skip
        with transaction():
            passkey = Passkey(
                user_id=alice.id, credential_id="one", public_key="key", name="Hers", created_at=now()
            )  # fmt: skip
            export = Export(
                user_id=alice.id, created_by_id=alice.id, created_at=now(), ready_at=now(),
                expires_at=now() + timedelta(days=1), blob=storage.save("exports", b"PK", ".zip"), size_bytes=2,
            )  # fmt: skip
            report = Report(
                message_id=self.rooms["public"].foreign, reporter_id=alice.id, reason="Rude", text="Said by mia",
                created_at=now(),
            )  # fmt: skip
            db.session.add_all([passkey, export, report])
        common |= {"foreign_passkey": passkey.id, "foreign_export": export.id, "foreign_report": report.id}
        common |= dict.fromkeys(("foreign_removal", "foreign_identity", "foreign_job"), NEVER)
        common |= {"public": self.rooms["public"].room}
        own = {}
        for actor in ACTORS:
            own[actor] = {**common, "me": f"the-{actor.lower()}", "own_invite": NEVER, "own_session": NEVER}
            if actor == "AN":
                continue
            own[actor]["own_session"] = live_session(begin_session(users[actor])).id
            if users[actor].role not in ("guest", "bot"):
                own[actor]["own_invite"] = create_invite(users[actor]).id
        return own

    def things(self, actor, kind=None, *, never=False):
        """What the names in a way's path and fields stand for; never: things that never were in their place."""
        found = {**self.ids[actor], "key": str(uuid.uuid4()), "epoch": self.epoch}
        if kind is not None:
            room = self.rooms[kind]
            found |= vars(room) | {"own": room.own_of.get(actor, NEVER)}
            if never:
                found |= dict.fromkeys(("room", "own", "foreign"), NEVER)
            found["streams"] = {f"room:{found['room']}": None}
        elif never:
            ids = [name for name in found if name.startswith(("own_", "foreign_"))]
            found |= dict.fromkeys(ids, NEVER) | dict.fromkeys(("mia", "stan", "adam"), "never")
        return found

    # ---- the ways in ------------------------------------------------------------------------------------------------

    def take(self, way, actor, things, *, shown=None):
        """Go this way as this actor: (letter of the matrix, what was answered as text).

        shown   one of SHOWN, for a program of theirs
        """
        fields = {name: filled(value, things) for name, value in way.fields.items()}
        if way.how == "socket":
            return self._by_socket(way.where, actor, fields, shown)
        path = way.where if way.how == "do" else filled(way.where, things)
        browser = self.app.test_client()
        if shown:
            browser.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {self.bearers[actor, shown]}"
        elif actor in self.tokens:
            browser.set_cookie(self.cookie, self.tokens[actor])
        if way.how == "do":
            answer = browser.post(f"/api/v1/do/{path}", data=dumps(fields), content_type="application/json")
            return letter_of_event(answer.json), answer.text
        if way.how == "sse":
            return self._by_stream(browser, path)
        if path.startswith("/api/v1/") and way.how != "sse":
            method = {"method": way.how} | ({"json": fields} if way.how in ("POST", "PATCH") else {})
            answer = browser.open(path, **method)
            return letter_of_page(answer, path), answer.text
        if way.how == "POST":
            if "picture" in fields:
                fields["picture"] = (io.BytesIO(self.picture), "me.png")
            answer = browser.post(path, data=fields)
        else:
            answer = browser.get(path)
        with browser.session_transaction() as kept:
            is_refused = any(category == "danger" for category, _ in kept.get("_flashes", ()))
        letter = letter_of_page(answer, path)
        return "F" if letter == "Y" and is_refused else letter, answer.text

    def act(self, function):
        """Do something in the community, as the server would."""
        with self.app.app_context():
            function()
            db.session.remove()

    def socket(self, actor, shown=None):
        """The open window of an actor, or connection of a program of theirs, kept until something changes; None when
        they may not connect."""
        if (actor, shown) not in self.sockets:
            token = self.tokens.get(actor, "x" * 43) if shown is None else None
            with self.app.app_context():
                client = LiveClient(self.app, None, token=token, bearer=shown and self.bearers[actor, shown])
            self.sockets[actor, shown] = client if client.connected else None
        return self.sockets[actor, shown]

    def stream(self, actor):
        """An event stream of an actor, for the caller to close; None when they may have none."""
        browser = self.app.test_client()
        browser.set_cookie(self.cookie, self.tokens.get(actor, "x" * 43))
        try:
            return EventClient(browser)
        except AssertionError:  # refused
            return None

    def id_of(self, username):
        with self.app.app_context():
            return person(username).id

    def _by_socket(self, event, actor, fields, shown):
        client = self.socket(actor, shown)
        if client is None:
            return "L", ""
        namespace = "/presence" if event in ("typing", "here") else "/chat"
        answer = loads(dumps(client.emit(event, fields, namespace=namespace)))
        return letter_of_event(answer), dumps(answer)

    def _by_stream(self, browser, path):
        answer = browser.get(path)
        if answer.status_code != 200:
            return letter_of_page(answer, path), answer.text
        events = Events()
        events.feed(next(answer.iter_encoded()))
        answer.close()
        gone = any(event == "gone" for event, _ in events.seen)
        return "N" if gone else "Y", ""

    # ---- back to how it was -----------------------------------------------------------------------------------------

    def changed(self):
        """Whether anything was stored since the last look at it."""
        return self._version() != self.version

    def _version(self):
        return self.file.execute("PRAGMA data_version").fetchone()[0]

    def restore(self):
        self.hang_up()
        self.kept.backup(self.file)
        self.version = self._version()

    def hang_up(self):
        for client in self.sockets.values():
            if client is not None:
                client.client.disconnect(namespace="/presence")
                client.client.disconnect(namespace="/chat")
        self.sockets = {}
        self.live.pump.follows.clear()
        self.live.pump.access = self.access


def filled(value, things):
    """A way's field with what there is in place of the names."""
    if not isinstance(value, str):
        return value
    if value.startswith("@"):
        return things[value[1:]]
    return value.format(**things) if "{" in value else value


def letter_of_page(answer, path):
    status = answer.status_code
    if status == 303 and answer.location.startswith("/login") and path not in ENDS_AT_THE_DOOR:
        return "L"
    letters = {401: "L", 403: "F", 404: "N", 422: "I"}
    return "Y" if status in (200, 201, 204, 303) else letters.get(status, str(status))


def letter_of_event(answer):
    if answer["ok"]:
        return "N" if {"gone": True} in answer.get("streams", {}).values() else "Y"
    return ANSWERS.get(answer["code"], answer["code"])
