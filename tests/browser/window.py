"""A browser window of one person, in the words of what that person does and sees."""

import re
import time
import uuid
from datetime import timedelta

from playwright.sync_api import expect
from sqlalchemy import update

from chat.core.clock import now
from chat.core.db import db
from chat.messages.actions import post_message
from chat.messages.models import Message
from chat.rooms.models import Room as RoomRow
from chat.streams.models import Entry
from tests.factories import person

expect.set_options(timeout=30_000)  # a bound for hangs, also on a busy machine

# What a socket that has caught up has received: both namespaces let it in, and its first question was answered.
WELCOMED = ("40/chat,", "40/presence,", "43/chat,")
# What the page itself gave up, because one went on to another page, is no failure.
GIVEN_UP = "net::ERR_ABORTED"
SOCKET_GIVEN_UP = "WebSocket is closed before the connection is established"
WITHOUT_NETWORK = "ERR_(INTERNET_DISCONNECTED|CONNECTION_|NETWORK_CHANGED|EMPTY_RESPONSE)|WebSocket connection to"


class Room:
    """A room, and what others do in it while nobody looks: by the real actions, from the test's own process."""

    def __init__(self, server, id, name):
        self.server, self.id, self.name, self.path = server, id, name, f"/rooms/{id}"

    def __str__(self):
        return self.path

    def row(self):
        return db.session.get(RoomRow, self.id)

    def say(self, username, *texts, days_ago=0, hours_ago=0):
        """Post as somebody and return the ids. Long ago: what happened before happened then at the latest."""
        ids = []
        with self.server.app.app_context():
            for text in texts:
                ids.append(post_message(person(username), self.row(), text, key=str(uuid.uuid4())).id)
            if days_ago or hours_ago:
                then = now() - timedelta(days=days_ago, hours=hours_ago)
                for table, mine in ((Message, Message.room_id == self.id), (Entry, Entry.stream == f"room:{self.id}")):
                    db.session.execute(update(table).where(mine, table.created_at > then).values(created_at=then))
                db.session.commit()
        return ids

    def act(self, action, username, *args, **options):
        """Run a room's action as somebody: room.act(remove_member, "alice", "bob")."""
        with self.server.app.app_context():
            people = (person(arg) if isinstance(arg, str) else arg for arg in args)
            return action(person(username), self.row(), *people, **options)

    def texts(self):
        """What is stored: the texts of the room in their order, without those deleted."""
        with self.server.app.app_context():
            found = db.session.query(Message).filter_by(room_id=self.id, deleted_at=None).order_by(Message.seq)
            return [message.text for message in found]


class Socket:
    """A websocket of a page, and what it received and sent, as text."""

    def __init__(self, socket):
        self.socket, self.received, self.sent = socket, [], []
        socket.on("framereceived", lambda text: self.received.append(str(text)))
        socket.on("framesent", lambda text: self.sent.append(str(text)))

    @property
    def is_welcome(self):
        return not self.socket.is_closed() and all(any(f.startswith(w) for f in self.received) for w in WELCOMED)


class Window:
    def __init__(self, page, username, server):
        self.page, self.username, self.server, self.context = page, username, server, page.context
        self.sockets, self.expected, self.heard = [], [], []
        page.on("websocket", lambda socket: self.sockets.append(Socket(socket)))
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.heard.append(f"uncaught: {error}"))
        page.on("requestfailed", self._failed)

    def _console(self, line):
        if line.type in ("error", "warning") and SOCKET_GIVEN_UP not in line.text:
            self.heard.append(f"{line.type}: {line.text}")

    def _failed(self, request):
        if request.failure != GIVEN_UP:
            self.heard.append(f"failed: {request.method} {request.url} {request.failure}")

    # ---- what may go wrong

    def expects(self, *patterns):
        """These complaints are part of the test."""
        self.expected += patterns
        return self

    @property
    def troubles(self):
        return [words for words in self.heard if not any(re.search(pattern, words) for pattern in self.expected)]

    # ---- going about

    def visit(self, place):
        self.page.goto(str(place))
        return self

    def live(self):
        """Wait until this window follows the server."""
        self.until(lambda: self.sockets and self.sockets[-1].is_welcome, "the page to be live")
        return self

    def until(self, question, what):
        """Wait for what cannot be seen on the page. A bound for hangs, no measurement."""
        deadline = time.monotonic() + 40
        while not question():
            assert time.monotonic() < deadline, f"{self.username} still waits for {what}"
            self.page.wait_for_timeout(20)  # lets the events of the browser in

    def go_offline(self):
        self.expects(WITHOUT_NETWORK)
        self.context.set_offline(True)

    def come_back(self):
        self.context.set_offline(False)

    # ---- finding

    def find(self, selector, **options):
        return self.page.locator(selector, **options)

    def message(self, text):
        """The message that says exactly this."""
        body = self.find(".message__body", has_text=re.compile(f"^\\s*{re.escape(text)}\\s*$"))
        return self.find(".timeline .message", has=body)

    @property
    def messages(self):
        """Everything that was said and is on screen."""
        return self.find(".timeline .message .message__body")

    @property
    def composer(self):
        return self.find("#text")

    @property
    def bar(self):
        return self.find(".app__bar")

    @property
    def dialog(self):
        return self.find("#confirm")

    @property
    def timeline(self):
        return self.find(".timeline")

    def place(self, room):
        return self.find(f".place[data-room-id='{room.id}']")

    def button(self, name):
        return self.page.get_by_role("button", name=name)

    def link(self, name):
        return self.page.get_by_role("link", name=name)

    # ---- doing

    def write(self, text):
        self.composer.fill(text)
        return self

    def say(self, *texts):
        for text in texts:
            self.composer.fill(text)
            self.composer.press("Enter")
        return self

    def tool(self, message, name):
        """A button of a message, which shows when the pointer is over the message."""
        message.hover()
        return message.get_by_role("toolbar").get_by_label(name)

    # ---- seeing

    def sees(self, *texts):
        """These messages, stored, each once."""
        for text in texts:
            expect(self.message(text)).to_have_count(1)
            expect(self.message(text)).to_have_attribute("data-id", re.compile(r"\d"))
        return self

    def shows(self, *texts):
        """Exactly these messages, in this order."""
        expect(self.messages).to_have_text(list(texts))
        return self

    def order(self):
        """Everything in the timeline with a number, as (number, author, text)."""
        return self.timeline.evaluate(
            """(timeline) => [...timeline.querySelectorAll("[data-seq]")].map((item) => {
              const said = item.querySelector(".message__body")?.textContent.trim() ?? ""
              return [Number(item.dataset.seq), item.dataset.authorId ?? "", said]
            })"""
        )
