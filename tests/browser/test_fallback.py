"""What people notice where no websocket comes through: nothing."""

import re

import pytest
from playwright.sync_api import expect

from chat.accounts.actions.sessions import end_other_sessions
from chat.rooms.actions import add_member, remove_member
from tests.browser.narrow import NarrowWay
from tests.browser.window import WITHOUT_NETWORK
from tests.factories import person
from tests.system.server import free_port

PORT = free_port()
SETTINGS = {"ALLOWED_ORIGINS": f"http://localhost:{PORT}"}
REFUSED = r"WebSocket connection to \S+ failed: Error during WebSocket handshake: Unexpected response code: 403"
CUT = "ERR_INCOMPLETE_CHUNKED_ENCODING"
CUT_ANSWER = "ERR_CONTENT_LENGTH_MISMATCH"  # of a question that was under way at that moment


@pytest.fixture
def way(server):
    way = NarrowWay(server, PORT)
    yield way
    way.close()


@pytest.fixture
def follow(way, open_window):
    """follow("alice", place) → a Window that follows the server over an event stream."""

    def follow(username, place, **options):
        window = open_window(username, at=way, **options).expects(REFUSED)
        window.streams, window.asked = 0, []
        window.page.on("response", lambda answer: note(window, answer.url, answer.status))
        window.page.on("request", lambda request: window.asked.append(request.url))
        window.visit(place)
        return is_following(window)

    return follow


def note(window, url, status):
    if "/api/v1/events?" in url:
        assert status == 200
        window.streams += 1


def is_following(window, *, after=0):
    """Wait until there is another stream than the first `after`, and all is caught up."""
    window.until(lambda: window.streams > after, "an event stream")
    expect(window.bar).to_be_hidden()
    return window


def test_two_people_talk(follow, open_window, room):
    alice, bob = follow("alice", room), follow("bob", room)
    ada = open_window("bob", room).live()

    alice.say("Is this thing on?")
    bob.sees("Is this thing on?")
    bob.say("It is.", "What about over there?")
    alice.sees("It is.", "What about over there?")
    ada.shows("Is this thing on?", "It is.", "What about over there?")
    ada.say("Here, too")

    for window in (alice, bob):
        window.shows("Is this thing on?", "It is.", "What about over there?", "Here, too")
    assert room.texts() == ["Is this thing on?", "It is.", "What about over there?", "Here, too"]
    assert not any(socket.received for window in (alice, bob) for socket in window.sockets)


def test_a_message_is_changed_and_deleted_before_everybodys_eyes(follow, room):
    alice, bob = follow("alice", room), follow("bob", room)
    alice.say("Frist", "Second")
    bob.sees("Second")

    alice.tool(alice.message("Frist"), "Edit").click()
    alice.find("[data-edit-form] textarea").fill("First")
    alice.find("[data-edit-form] textarea").press("Enter")
    bob.shows("First", "Second")
    alice.tool(alice.message("Second"), "Delete").click()
    alice.dialog.get_by_role("button", name="Delete").click()

    expect(bob.message("Second")).to_have_count(0)
    assert room.texts() == ["First"]


def test_what_is_read_here_is_read_there_and_rooms_come_and_go(follow, make_room):
    room, other = make_room("alice", "bob"), make_room("alice", "bob")
    bob = follow("bob", room)
    other.say("alice", "Over here")
    expect(bob.place(other).locator(".badge")).to_have_text("1 unread")

    bob.place(other).click()
    bob.sees("Over here")
    expect(bob.place(other).locator(".badge")).to_have_text("")
    third = make_room("alice", kind="private")
    third.act(add_member, "alice", "bob")
    third.say("alice", "Welcome")

    expect(bob.place(third).locator(".badge")).to_have_text("1 unread")
    third.act(remove_member, "alice", "bob")
    expect(bob.place(third)).to_have_count(0)
    assert bob.streams == 1, "the same stream all the time"


def test_who_is_here_and_who_is_writing_is_seen_on_both_sides(follow, room):
    members = follow("alice", f"{room}/members")
    dot = members.find(".item", has_text="Bob").locator(".avatar__presence")
    expect(dot).to_have_class(re.compile("--offline"))
    bob, alice = follow("bob", room), follow("alice", room, beside=members)
    expect(dot).not_to_have_class(re.compile("--"))
    line = bob.find("[data-room-target=typing]")

    alice.composer.press_sequentially("Hm")
    expect(line).to_have_text("Alice is writing")
    expect(alice.find("[data-room-target=typing]")).to_be_empty()
    alice.composer.press("Enter")
    bob.sees("Hm")
    expect(line).to_be_empty()

    bob.page.close()
    expect(dot).to_have_class(re.compile("--offline"))


def test_what_is_written_without_a_connection_waits_and_arrives_once_and_in_order(follow, room):
    alice, bob = follow("alice", room), follow("bob", room)
    alice.say("Before")
    bob.sees("Before")

    alice.go_offline()
    alice.say("one", "two", "three")
    expect(alice.bar).to_contain_text("Offline.")
    expect(alice.find(".message--pending")).to_have_count(3)
    bob.say("Where are you?")
    bob.sees("Where are you?")
    alice.come_back()

    is_following(alice, after=1)
    bob.shows("Before", "Where are you?", "one", "two", "three")
    alice.sees("Where are you?", "one", "two", "three")
    assert room.texts() == ["Before", "Where are you?", "one", "two", "three"]
    caught_up = alice.order()
    alice.page.reload()
    alice.sees("three")
    assert alice.order() == caught_up


def test_a_message_whose_answer_was_lost_is_stored_once(follow, way, room):
    alice, bob = follow("alice", room), follow("bob", room)
    for window in (alice, bob):
        window.expects(CUT, CUT_ANSWER, WITHOUT_NETWORK)
    way.swallows = b"POST /api/v1/do/message"

    alice.say("Only once")
    alice.until(lambda: way.swallowed, "the message to be sent and not answered")
    way.cut()
    alice.say("And this")

    for window in (alice, bob):
        window.sees("Only once", "And this")
        expect(window.find(".message--pending")).to_have_count(0)
        assert window.streams > 1
    assert room.texts() == ["Only once", "And this"]
    # Once or twice for the first: its frame may come before its second try.
    assert len([url for url in alice.asked if url.endswith("/do/message")]) >= 2


def test_a_stream_that_is_cut_is_opened_again_and_misses_nothing(follow, way, room):
    bob = follow("bob", room).expects(CUT, CUT_ANSWER, WITHOUT_NETWORK)
    for n in range(5):
        streams = bob.streams
        way.cut()
        room.say("alice", f"while it was cut {n}")
        is_following(bob, after=streams)

    bob.shows(*(f"while it was cut {n}" for n in range(5)))


def test_the_websocket_is_taken_as_soon_as_it_comes_through(follow, way, room):
    bob = follow("bob", room)
    way.refuses = False

    bob.page.evaluate("dispatchEvent(new Event('online'))")

    bob.live()
    room.say("alice", "Over the websocket")
    bob.sees("Over the websocket")
    assert any("Over the websocket" in frame for frame in bob.sockets[-1].received)


def test_where_a_websocket_hangs_the_stream_is_there_in_seconds(way, open_window, room):
    way.refuses = "silently"
    bob = open_window("bob", at=way).expects("WebSocket")
    with bob.page.expect_response(lambda answer: "/api/v1/events?" in answer.url, timeout=15_000):
        bob.visit(room)

    expect(bob.bar).to_be_hidden()
    room.say("alice", "You hear me")
    bob.sees("You hear me")


def test_a_network_that_loses_everything_is_noticed_and_left_for_what_comes_after_it(way, open_window, room):
    way.refuses = False
    bob = open_window("bob", room, at=way).expects("WebSocket", "healthz").live()
    way.deaf = True

    bob.say("Who hears me?")

    expect(bob.bar).to_contain_text("Offline.", timeout=15_000)
    way.deaf = False
    expect(bob.bar).to_be_hidden(timeout=10_000)
    expect(bob.find(".message--pending")).to_have_count(0)
    assert room.texts() == ["Who hears me?"]
    room.say("alice", "We do")
    bob.sees("We do")
    assert any("We do" in frame for frame in bob.sockets[-1].received)


def test_whoever_is_signed_out_elsewhere_lands_at_the_door(follow, room):
    bob = follow("bob", room).expects(r"status of 401")  # what is under way at that moment is refused

    room.server.act(end_other_sessions, lambda: person("bob"))

    expect(bob.page).to_have_url(re.compile(r"/login\?next="))


def test_an_ordinary_window_loads_nothing_of_it(open_window, room):
    alice = open_window("alice")
    asked = []
    alice.page.on("request", lambda request: asked.append(request.url))

    alice.visit(room).live()

    assert asked
    assert not [url for url in asked if "event_line" in url or "/api/" in url]
