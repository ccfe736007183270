"""The rules of the delivery model, driven against real server processes: whatever happens, every screen ends equal to a
fresh page, in order and once, and nobody sees what is no longer theirs.

Two processes serve one community; the test's own process is a third, whose commits the others find in the log. People
compose, edit, delete, read, come and go; answers are lost, connections drop, sessions end elsewhere, logs are pruned
and processes are killed. PARLEY_PROGRAMS says how many programs are tried (60, with PROOFS=long 2,000: each costs half
a second of processor and more), PARLEY_STEPS how long they are (50). `make faults ARGS="--only R20"` tries 2,000.
"""

import http.client
import os
import shutil
import time
import uuid
from collections import defaultdict
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from sqlalchemy import delete, select, update

from chat.accounts.actions import create_user, update_profile
from chat.accounts.actions.sessions import begin_session, end_session
from chat.accounts.passwords import hash_password
from chat.accounts.queries import live_session
from chat.accounts.signed_in import cookie_name
from chat.core.db import db
from chat.core.errors import ChatError
from chat.core.transaction import transaction
from chat.messages.actions import delete_message, edit_message, post_message
from chat.messages.models import Message
from chat.rooms.actions import (
    add_member,
    change_room,
    create_room,
    leave_room,
    mark_read,
    mark_unread,
    remove_member,
    set_role,
)
from chat.rooms.models import Membership, Room
from chat.streams import log
from chat.streams.models import Entry, Stream
from tests.factories import person, room, say
from tests.length import of
from tests.system.page import Page
from tests.system.server import Server, wait_until
from tests.system.tab import Tab as PlainTab
from tests.system.wire import Gone

OWNER, PEOPLE = "dee", ("ann", "ben", "cas")
TABS = {"a1": "ann", "a2": "ann", "b1": "ben", "c1": "cas"}
ROOMS = ("hidden", "open")
PROGRAMS, STEPS = int(os.environ.get("PARLEY_PROGRAMS", of(60, 2000))), int(os.environ.get("PARLEY_STEPS", 50))


class RolledBack(Exception):
    pass


class Tab(PlainTab):
    """A tab that asks for a page again as a browser does: it may still be as it was. All tabs share what they have."""

    had = {}

    def page(self, path):
        for server in self.servers:
            with suppress(OSError, http.client.HTTPException):
                return self._page_of(server, path)
        raise AssertionError("no server answers")

    def _page_of(self, server, path):
        etag, html = self.had.get((server.folder, self.username, path), (None, None))
        answer, body = ask(server, path, {"Cookie": self.cookie, **({"If-None-Match": etag} if etag else {})})
        if answer.status == 304:
            return Page(html)
        if answer.status != 200:
            assert answer.status in (303, 404), answer.status
            return None
        self.had[server.folder, self.username, path] = answer.headers["ETag"], body
        return Page(body)


def ask(server, path, headers):
    """(answer, body) over a connection that is kept; once more over a new one, when the server has ended it."""
    for _ in range(2):
        kept = connections.get(server.port)
        connection = kept or http.client.HTTPConnection("localhost", server.port, timeout=10)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            body = answer.read().decode()
        except (OSError, http.client.HTTPException):
            connection.close()
            connections.pop(server.port, None)
            if not kept:
                raise
        else:
            connections[server.port] = connection
            return answer, body


connections = {}


class Delivery(RuleBasedStateMachine):
    community, engine, kills_left, cookies = (), None, 2, {}

    tabs_, people_ = st.sampled_from(sorted(TABS)), st.sampled_from(PEOPLE)
    rooms_, processes = st.sampled_from(ROOMS), st.integers(0, 1)

    def __init__(self):
        super().__init__()
        self.tabs, self.rooms, self.outboxes = {}, {}, {name: [] for name in TABS}
        self.flying, self.acked, self.refused = defaultdict(dict), set(), set()
        self.composed, self.signed_out, self.moved_back = 0, {}, set()

    # ---- how the test looks and acts ---------------------------------------------------------------------------------

    def act(self, work):
        """Run `work()` in the test's own process."""
        with self.community[0].app.app_context():
            return work()

    def attempt(self, work):
        """The same; what is on its way over a socket may come first, and then this is refused."""
        with suppress(ChatError):
            self.act(work)

    def room(self, name):
        return db.session.get(Room, self.rooms[name])

    def is_member(self, name, username):
        membership = db.session.get(Membership, (self.rooms[name], person(username).id))
        return bool(membership and membership.role)

    def membership(self, room, user):
        """(role, the number it has it since). Asked for every frame, so without a session."""
        found = select(Membership.role, Membership.v).where(Membership.room_id == room, Membership.user_id == user)
        with self.engine.connect() as connection:
            return connection.execute(found).one()

    def messages(self):
        found = select(Message).where(Message.room_id.in_(self.rooms.values())).order_by(Message.id)
        return db.session.scalars(found).all()

    def heads(self):
        return dict(db.session.execute(select(Stream.name, Stream.head)).all())

    def floors(self):
        return dict(db.session.execute(select(Stream.name, Stream.floor)).all())

    @initialize(where=st.tuples(*[st.integers(0, 1)] * len(TABS)))
    def begin(self, where):
        Tab.had.clear()
        self.act(self.make_rooms)
        for (name, username), process in zip(TABS.items(), where, strict=True):
            cookie = self.cookies.pop(name, None) or self.sign_in(username)
            self.tabs[name] = tab = Tab(self.community, username, on_frame=self.check, cookie=cookie)
            tab.on_acknowledged = lambda number, answer, name=name: self.acknowledged(name, number, answer)
            self.connect(name, process)

    def make_rooms(self):
        with transaction():
            for name in ROOMS:
                kind = "private" if name == "hidden" else "public"
                made = create_room(person(OWNER), f"{name}-{uuid.uuid4().hex[:10]}", kind=kind)
                self.rooms[name] = made.id
                for username in PEOPLE if name == "hidden" else PEOPLE[:2]:
                    add_member(person(OWNER), made, person(username))

    def sign_in(self, username):
        return self.act(lambda: f"{cookie_name()}={begin_session(person(username))}")

    # ---- promises that each frame is held against --------------------------------------------------------------------

    def check(self, tab, event, payload):
        """P6: whoever was removed or signed out gets nothing that is newer. Asked when a frame is read: if they are out
        now, everything that was ever sent to them was older."""
        name, newest = payload["stream"], max(payload["seq"], version(event, payload))
        if tab.cookie in self.signed_out:
            _, heads = self.signed_out[tab.cookie]
            assert newest <= heads.get(name, 0), (
                f"P6 {tab.username} was signed out at {heads.get(name)} and got {payload}"
            )
        if name.startswith("room:"):
            role, since = self.membership(int(name[5:]), tab.me)
            assert role or newest < since, f"P6 {tab.username} was removed at {since} and got {payload}"
        if event == "me" and payload["change"] == "read" and (held := tab.positions.get(payload["room"])):
            backwards = payload["v"] > held[1] and payload["position"] < held[0]
            assert not backwards or (tab.me, payload["room"]) in self.moved_back, f"P10 {held} to {payload}"

    # ---- what people do ----------------------------------------------------------------------------------------------

    @rule(c=tabs_, name=rooms_, send=st.booleans())
    def compose(self, c, name, send):
        self.composed += 1
        key = f"{c}-{self.composed}-{uuid.uuid4()}"
        self.outboxes[c].append(
            {"room": self.rooms[name], "text": f"{self.composed} from {c}", "key": key, "n": self.composed}
        )
        if send:
            self.send(c, False)

    @rule(c=tabs_, lost=st.booleans())
    def send(self, c, lost):
        """The outbox sends its oldest message, unless one is on its way. `lost`: the connection drops before the
        answer."""
        tab = self.tabs[c]
        if self.outboxes[c] and tab.connected and not self.flying[c]:
            item = self.outboxes[c][0]
            number = tab.emit("message", {name: item[name] for name in ("room", "text", "key")})
            if lost:
                self.drop(c)
            elif number is not None:
                self.flying[c] = {number: item}

    def acknowledged(self, c, number, answer):
        item = self.flying[c].pop(number, None)
        if item is None:
            assert answer["ok"] or answer["code"] in ("not_found", "forbidden", "conflict", "busy", "unauthorized"), (
                answer
            )
        elif answer["ok"]:
            self.outboxes[c].remove(item)
            self.acked.add(item["key"])
        elif answer["code"] not in ("busy", "rate_limited", "error", "unauthorized"):
            self.outboxes[c].remove(item)
            self.refused.add(item["key"])

    @rule(i=st.integers(0, 30), what=st.sampled_from(["edit", "edit", "delete"]), by_socket=st.booleans())
    def change(self, i, what, by_socket):
        def work():
            found = [m for m in self.messages() if not m.deleted_at]
            if not found:
                return
            message = found[i % len(found)]
            c = next(c for c in TABS if message.key.startswith(c))
            if not self.is_member(next(n for n in ROOMS if self.rooms[n] == message.room_id), TABS[c]):
                return
            text = f"{message.text}!"
            if by_socket and self.tabs[c].connected:
                self.tabs[c].emit(what, {"message": message.id, **({"text": text} if what == "edit" else {})})
            elif what == "edit":
                edit_message(message.author, message, text)
            else:
                delete_message(message.author, message)

        self.attempt(work)

    @rule(name=rooms_, username=people_)
    def join_or_remove(self, name, username):
        self.attempt(lambda: self.toggle(name, username))

    def toggle(self, name, username):
        action = remove_member if self.is_member(name, username) else add_member
        action(person(OWNER), self.room(name), person(username))

    @rule(name=rooms_, username=people_)
    def there_and_back(self, name, username):
        """Removed and added again, or added and removed, before anyone has heard of it."""
        self.attempt(lambda: [self.toggle(name, username), self.toggle(name, username)])

    @rule(c=tabs_, come=st.booleans())
    def join_or_leave(self, c, come):
        """By oneself, over the socket."""
        self.tabs[c].emit("join" if come else "leave", {"room": self.rooms["open"]})

    @rule(name=rooms_, username=people_)
    def edited_after_removal(self, name, username):
        """Somebody writes, a member is removed, the text is edited: all before the servers have heard of it."""

        def work():
            authors = [c for c in TABS if TABS[c] != username and self.is_member(name, TABS[c])]
            if authors and self.is_member(name, username):
                author = person(TABS[authors[0]])
                message = say(author, self.room(name), "before", key=f"{authors[0]}-0-{uuid.uuid4()}")
                remove_member(person(OWNER), self.room(name), person(username))
                edit_message(author, message, "after")

        self.attempt(work)

    @rule(c=tabs_, name=rooms_, back=st.integers(0, 4), unread=st.booleans(), elsewhere=st.booleans())
    def read(self, c, name, back, unread, elsewhere):
        tab, number = self.tabs[c], self.rooms[name]

        def work():
            if self.is_member(name, tab.username):
                seq = max(0, log.heads([f"room:{number}"])[f"room:{number}"] - back)
                if unread:
                    self.moved_back.add((tab.me, number))
                if elsewhere:
                    (mark_unread if unread else mark_read)(person(tab.username), self.room(name), seq)
                else:
                    tab.emit("unread" if unread else "read", {"room": number, "seq": seq})

        self.attempt(work)

    @rule(username=people_)
    def rename(self, username):
        self.attempt(
            lambda: update_profile(
                person(username), name=f"{username} {self.composed}", username=username, bio="", time_zone="UTC"
            )
        )
        self.composed += 1

    @rule(name=rooms_, role=st.sampled_from(["owner", "member", None]), username=people_)
    def change_the_room(self, name, role, username):
        def work():
            if role is None:
                topic = f"topic {self.composed}"
                change_room(person(OWNER), self.room(name), name=self.room(name).name, topic=topic, description="")
            elif self.is_member(name, username):
                set_role(person(OWNER), self.room(name), person(username), role)

        self.attempt(work)
        self.composed += 1

    @rule(name=rooms_)
    def rolled_back(self, name):
        """A transaction fails after it has taken its number: the number is given back."""

        def work():
            try:
                with transaction():
                    post_message(person(OWNER), self.room(name), "never", key=str(uuid.uuid4()))
                    raise RolledBack
            except RolledBack:
                pass

        self.attempt(work)

    @rule(c=tabs_)
    def sign_out(self, c):
        """From another process: the session ends, whoever holds the connection."""
        cookie = self.tabs[c].cookie

        def work():
            session = live_session(cookie.partition("=")[2])
            if session:
                end_session(session.user, session)
                self.signed_out[cookie] = (time.monotonic(), self.heads())

        self.attempt(work)

    # ---- what happens to connections, processes and the log ----------------------------------------------------------

    @rule(c=tabs_)
    def drop(self, c):
        self.tabs[c].disconnect()
        self.flying[c] = {}

    @rule(c=tabs_, process=processes)
    def connect(self, c, process):
        tab = self.tabs[c]
        if tab.connected:
            return
        self.flying[c] = {}
        try:
            tab.connect(self.community[process])
        except Gone as refusal:
            assert tab.cookie in self.signed_out, f"P5 {c} was refused: {refusal.reason}"
            assert refusal.reason == {"message": "unauthorized", "data": {"code": "unauthorized"}}
            tab.sign_in(self.sign_in(tab.username))
            tab.connect(self.community[process])

    @rule(c=tabs_, most=st.integers(1, 8))
    def receive(self, c, most):
        self.tabs[c].read(most=most)

    @rule()
    def flow(self):
        for tab in self.tabs.values():
            tab.read()

    @rule(c=tabs_, name=rooms_)
    def open_again(self, c, name):
        if self.rooms[name] in self.tabs[c].rooms:
            self.tabs[c].load_room(self.rooms[name])

    @rule(username=people_, name=st.sampled_from([*ROOMS, "user", "site"]), keep=st.integers(0, 4))
    def prune(self, username, name, keep):
        def work():
            stream = (
                f"user:{person(username).id}"
                if name == "user"
                else "site"
                if name == "site"
                else f"room:{self.rooms[name]}"
            )
            with transaction():
                log.lock(stream)
                floor = max(0, log.heads([stream])[stream] - keep)
                db.session.execute(
                    update(Stream).where(Stream.name == stream, Stream.floor < floor).values(floor=floor)
                )
                db.session.execute(delete(Entry).where(Entry.stream == stream, Entry.seq <= floor))

        self.act(work)

    @rule(process=processes, really=st.integers(0, 9))
    def kill(self, process, really):
        """kill -9, now and then: starting again takes seconds. At other times its connections are cut, which looks the
        same."""
        server = self.community[process]
        if not really and Delivery.kills_left:
            Delivery.kills_left -= 1
            server.kill()
            server.start()
        for c, tab in self.tabs.items():
            if tab.connected and tab.wire.server is server:
                self.drop(c)

    # ---- the end -----------------------------------------------------------------------------------------------------

    def teardown(self):
        if self.tabs:
            try:
                self.settle("P3")
                for _ in range(2):
                    for i, c in enumerate(TABS):
                        self.connect(c, i % 2)
                self.empty_outboxes()
                self.settle("P5")
                self.act(self.stored_once_and_in_order)
            finally:
                for name, tab in self.tabs.items():
                    tab.disconnect()
                    if tab.cookie not in self.signed_out:
                        self.cookies[name] = tab.cookie
                self.act(self.clear_away)

    def settle(self, promise):
        """Everybody reads until the screens show all that is in the log, and then every screen equals a fresh page.
        Three seconds are promised; the rest is patience with a busy machine."""
        heads, now = None, self.act(self.heads)
        while now != heads:  # what was under way when a connection dropped may still have come in between
            heads = now
            behind = lambda heads=heads: f"{promise}: {[self.behind(tab, heads) for tab in self.tabs.values()]}"  # noqa: E731
            wait_until(lambda heads=heads: self.all_quiet(heads), seconds=20, what=behind)
            differences = list(self.differences())
            now = self.act(self.heads)
        assert not any(differences), f"{promise} {differences}"

    def all_quiet(self, heads):
        read = [tab.read() for tab in self.tabs.values()]
        connected = [tab for tab in self.tabs.values() if tab.connected]
        return not any(read) and all(tab.is_up_to(heads) and tab.cookie not in self.signed_out for tab in connected)

    def differences(self):
        """What is on screens and not on the pages that each person would get now, or the other way round."""
        floors, fresh = self.act(self.floors), {}
        for tab in self.tabs.values():
            if tab.connected:
                fresh.setdefault(tab.username, None)
                fresh[tab.username] = fresh[tab.username] or Tab(self.community, tab.username, cookie=tab.cookie)
                yield tab.difference(fresh[tab.username], floors)

    def behind(self, tab, heads):
        late = {name: (cursor, heads.get(name)) for name, cursor in tab.cursors.items() if cursor < heads.get(name, 0)}
        return tab.username, tab.connected, tab.asked, late, tab.cookie in self.signed_out

    def empty_outboxes(self):
        def empty():
            for c, tab in self.tabs.items():
                tab.read()
                self.connect(c, 0)
                self.send(c, False)
            return not any(self.outboxes.values())

        wait_until(empty, what="the outboxes to empty")

    def stored_once_and_in_order(self):
        stored = defaultdict(list)
        for message in self.messages():
            stored[message.key].append(message)
        assert all(len(same) == 1 for same in stored.values()), "P2 stored twice"
        assert self.acked <= set(stored), "P1 acknowledged and not stored"
        assert not self.refused & set(stored), "refused and stored"
        by_sender = defaultdict(list)
        for message in sorted(self.messages(), key=lambda m: m.seq):
            c, n, _ = message.key.split("-", 2)
            if n != "0":
                by_sender[c, message.room_id].append(int(n))
        assert all(numbers == sorted(numbers) for numbers in by_sender.values()), f"P4 {by_sender}"

    def clear_away(self):
        with transaction():
            for name in ROOMS:
                for username in PEOPLE:
                    if self.is_member(name, username):
                        remove_member(person(OWNER), self.room(name), person(username))


def version(event, payload):
    """How new the content of a frame is."""
    about = payload.get({"message": "message", "room": "room", "site": "user"}.get(event), payload)
    return about.get("v", 0) if isinstance(about, dict) else 0


def move_in():
    """dee, who owns the rooms, and those who use them. They are in no other room."""
    hashed = hash_password("four odd tide gauges")
    for username in (OWNER, *PEOPLE):
        if person(username) is None:
            create_user(name=username.title(), username=username, email=f"{username}@example.org", password_hash=hashed)
            leave_room(person(username), room("general"))


def try_programs(community, share=1, *, programs=PROGRAMS, steps=STEPS):
    """Run `programs` / `share` programs against these two servers."""
    community[0].act(move_in)
    Delivery.community, Delivery.kills_left, Delivery.cookies = community, 2 + programs // 50, {}
    Delivery.engine = community[0].act(lambda: db.engine)
    run_state_machine_as_test(
        Delivery,
        settings=settings(
            max_examples=max(1, programs // share),
            stateful_step_count=steps,
            deadline=None,
            database=None,
            print_blob=False,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink] if "PARLEY_SHRINK" in os.environ else [Phase.generate],
        ),
    )


@pytest.fixture(scope="module")
def community(founded, tmp_path_factory, queue):
    """Two processes that look into the log more often than once a second: most of a program would be waiting for it."""
    folder = tmp_path_factory.mktemp("delivery") / "data"
    shutil.copytree(founded, folder)
    faults = ",".join(filter(None, (queue.get("faults"), "fast_poll=0.1")))
    servers = [Server(folder, **queue | {"faults": faults}).begin() for _ in range(2)]
    for server in servers:
        server.wait()
    yield servers
    for server in servers:
        server.close()


def test_whatever_happens_every_screen_ends_equal_to_a_fresh_page(community):
    try_programs(community)
