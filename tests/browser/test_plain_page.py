"""The page of docs/protocol.md that needs no library, in a browser, from an origin of its own beside Parley's."""

import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import expect

from chat.accounts.actions.sessions import end_other_sessions
from tests.browser.window import WITHOUT_NETWORK
from tests.factories import person
from tests.system.server import free_port

PORT = free_port()
SETTINGS = {"ALLOWED_ORIGINS": f"http://localhost:{PORT}"}
PAGE = (Path(__file__).parents[2] / "docs/protocol.md").read_text()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def open_page(tmp_path, server, open_window):
    """open_page("alice", room) → a Window with the page of the document, which has connected."""
    [page] = re.findall(r"^```html\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "follow.html").write_text(page)
    web = ThreadingHTTPServer(("127.0.0.1", PORT), partial(Quiet, directory=tmp_path))
    threading.Thread(target=web.serve_forever, daemon=True).start()

    def open_page(username, room):
        window = open_window(username)
        window.expects(r"favicon|status of 404")  # the page has none
        window.visit(f"http://localhost:{PORT}/follow.html?base={server.url}&room={room.id}")
        expect(window.find("#state")).to_be_empty()
        return window

    yield open_page
    web.shutdown()
    web.server_close()


def said(window):
    return window.find("#said li")


def test_it_shows_what_is_said_and_says_what_is_written(open_page, open_window, room):
    alice, bob = open_page("alice", room), open_window("bob", room).live()

    bob.say("Is this thing on?")
    expect(said(alice)).to_have_text(["Bob: Is this thing on?"])
    alice.say("It <b>is</b>.", "Over.")

    bob.sees("It <b>is</b>.", "Over.")
    expect(said(alice)).to_have_text(["Bob: Is this thing on?", "Alice: It <b>is</b>.", "Alice: Over."])
    assert room.texts() == ["Is this thing on?", "It <b>is</b>.", "Over."]


def test_it_loses_nothing_while_it_has_no_connection(open_page, room):
    alice = open_page("alice", room)
    room.say("bob", "Before")
    expect(said(alice)).to_have_text(["Bob: Before"])
    alice.go_offline()
    alice.say("Waits")
    room.say("bob", "Meanwhile")

    alice.come_back()

    alice.until(lambda: "Waits" in room.texts(), "the message to be stored")
    expect(said(alice)).to_have_text(["Bob: Before", "Bob: Meanwhile", "Alice: Waits"])
    assert room.texts() == ["Before", "Meanwhile", "Waits"]


def test_it_comes_back_after_a_restart_and_says_when_the_session_has_ended(open_page, server, room):
    alice = open_page("alice", room).expects(WITHOUT_NETWORK, r"Unexpected response code: 503")
    server.restart()
    expect(alice.find("#state")).to_be_empty(timeout=30_000)
    room.say("bob", "After the restart")
    expect(said(alice)).to_have_text(["Bob: After the restart"])

    server.act(end_other_sessions, lambda: person("alice"))

    expect(alice.find("#state")).to_have_text("Signed out.")
