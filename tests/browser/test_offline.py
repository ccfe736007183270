"""What happens to people without a connection, and to what they wrote."""

import re

from playwright.sync_api import expect

from chat.accounts.actions.sessions import end_other_sessions
from chat.rooms.actions import archive_room, remove_member
from tests.browser.window import WITHOUT_NETWORK
from tests.factories import person

KEPT = """(count) => new Promise((resolve) => {
  indexedDB.open("parley").onsuccess = ({ target: { result: database } }) => {
    database.transaction("outbox").objectStore("outbox").count().onsuccess = (event) => {
      database.close()
      resolve(event.target.result === count)
    }
  }
})"""


def test_what_is_written_without_a_connection_waits_and_arrives_once_and_in_order(open_window, room):
    alice, bob = open_window("alice", room).live(), open_window("bob", room).live()
    alice.say("Before")
    bob.sees("Before")

    alice.go_offline()
    alice.say("one", "two", "three")

    expect(alice.bar).to_be_visible()
    expect(alice.bar).to_contain_text("Offline.")
    expect(alice.find(".message--pending .message__state")).to_have_text(["Waits for a connection"] * 3)
    bob.shows("Before")
    bob.say("Where are you?")
    bob.sees("Where are you?")
    alice.come_back()

    expect(alice.bar).to_be_hidden()
    bob.shows("Before", "Where are you?", "one", "two", "three")
    alice.sees("Where are you?", "one", "two", "three")
    expect(alice.find(".message--pending")).to_have_count(0)
    assert room.texts() == ["Before", "Where are you?", "one", "two", "three"]
    caught_up = alice.order()
    alice.page.reload()
    alice.sees("three")
    assert alice.order() == caught_up


def test_a_reload_without_a_connection_keeps_what_waits(open_window, room):
    alice = open_window("alice", room).live()
    alice.go_offline()
    alice.say("Do not lose me")
    expect(alice.find(".message--pending")).to_have_count(1)
    alice.page.wait_for_function(KEPT, arg=1)  # shown first, then kept: nobody closes a window within milliseconds
    alice.page.close()

    again = open_window(beside=alice)
    again.expects(WITHOUT_NETWORK)
    alice.come_back()
    again.visit(room)

    again.sees("Do not lose me")
    assert room.texts() == ["Do not lose me"]


def test_two_tabs_show_what_waits_and_one_of_them_sends_it(open_window, room):
    here = open_window("alice", room).live()
    there = open_window(beside=here, place=room).live()
    there.expects(WITHOUT_NETWORK)
    here.go_offline()

    here.say("From the one")
    there.say("From the other")

    for tab in (here, there):
        expect(tab.find(".message--pending .message__body")).to_have_text(["From the one", "From the other"])
    here.come_back()
    for tab in (here, there):
        tab.sees("From the one", "From the other")
        expect(tab.find(".message--pending")).to_have_count(0)
    assert room.texts() == ["From the one", "From the other"]
    sent = [frame for tab in (here, there) for socket in tab.sockets for frame in socket.sent if '["message",' in frame]
    assert len(sent) == 2


def test_a_server_that_is_killed_and_started_again_loses_nothing(open_window, room, server):
    alice, bob = open_window("alice", room).live(), open_window("bob", room).live()
    for window in (alice, bob):
        window.expects(WITHOUT_NETWORK, r"status of 50\d")
    alice.say("Before")
    bob.sees("Before")

    server.kill()
    alice.say("Typed meanwhile")
    expect(alice.bar).to_be_visible()
    expect(bob.bar).to_be_visible()
    bob.say("Me too")
    server.start()

    for window in (alice, bob):
        window.sees("Before", "Typed meanwhile", "Me too")
        expect(window.bar).to_be_hidden()
        expect(window.find(".message--pending")).to_have_count(0)
    assert sorted(room.texts()) == ["Before", "Me too", "Typed meanwhile"]
    assert alice.order() == bob.order()
    shown = bob.order()
    bob.page.reload()
    bob.sees("Typed meanwhile")
    assert bob.order() == shown


def test_a_server_that_restarts_in_order_says_so_and_people_come_back(open_window, room, server):
    alice = open_window("alice", room).live()
    alice.expects(WITHOUT_NETWORK, r"status of 50\d")

    server.stop()
    expect(alice.bar).to_contain_text(re.compile(r"restarting|Offline"))
    server.start()

    expect(alice.bar).to_be_hidden(timeout=30_000)
    alice.say("And on it goes")
    alice.sees("And on it goes")


def test_whoever_asks_again_before_the_answer_is_let_in_as_soon_as_it_comes(open_window, room):
    alice = open_window("alice").expects(WITHOUT_NETWORK)
    held, asked = [], []

    def slowly(route):
        server = route.connect_to_server()
        route.on_message(lambda text: (asked.append(text), server.send(text)))
        server.on_message(lambda text: held.append(text) if text.startswith("40/chat,") else route.send(text))
        held.append(route.send)

    alice.page.route_web_socket(re.compile("socket.io"), slowly)
    alice.visit(room)
    alice.until(lambda: len(held) == 2, "the server's answer")
    alice.page.evaluate("dispatchEvent(new Event('online'))")
    alice.say("At last")

    send, answer = held
    send(answer)

    alice.sees("At last")
    assert [text for text in asked if text.startswith("40/")] == ["40/chat,", "40/presence,"]


def test_a_message_that_is_too_long_can_be_tried_again_or_discarded(open_window, room):
    alice = open_window("alice", room).live()
    alice.find("#text").evaluate("(text) => text.removeAttribute('maxlength')")

    alice.say("x" * 20_001, "The next one goes on")

    failed = alice.find(".message--failed")
    expect(failed).to_have_count(1)
    expect(failed.locator(".message__reason")).to_contain_text("Not sent.")
    expect(failed.locator(".message__reason")).to_contain_text("20,000")
    alice.sees("The next one goes on")
    alice.page.reload()
    expect(failed).to_have_count(1)
    failed.get_by_role("button", name="Try again").click()
    expect(failed).to_have_count(1)
    failed.get_by_role("button", name="Discard").click()
    expect(failed).to_have_count(0)
    assert room.texts() == ["The next one goes on"]


def test_a_message_to_a_room_that_one_was_removed_from_is_refused_and_kept(open_window, make_room):
    room = make_room("alice", "bob")
    bob = open_window("bob", room).live()
    bob.go_offline()
    bob.say("Am I too late?")
    expect(bob.find(".message--pending")).to_have_count(1)
    room.act(remove_member, "alice", "bob")

    bob.come_back()

    expect(bob.find(".toast", has_text=f"You are no longer in #{room.name}.")).to_be_visible()
    bob.visit(room)
    expect(bob.find(".composer--closed")).to_be_visible()
    expect(bob.find(".message--failed .message__body")).to_have_text("Am I too late?")
    expect(bob.find(".message--failed .message__reason")).to_contain_text("Not sent.")
    assert room.texts() == []


def test_a_room_closes_for_whoever_is_removed_and_nothing_newer_arrives(open_window, make_room):
    room = make_room("alice", "bob", kind="private")
    room.say("alice", "Before")
    alice, bob = open_window("alice", room).live(), open_window("bob", room).live()
    bob.sees("Before")

    room.act(remove_member, "alice", "bob")
    alice.say("Now that we are alone")

    expect(bob.find(".toast")).to_contain_text(f"You are no longer in {room.name}.")
    expect(bob.place(room)).to_have_count(0)
    expect(bob.find("section.room")).to_have_count(0)
    alice.sees("Now that we are alone")
    assert not any("Now that we are alone" in frame for socket in bob.sockets for frame in socket.received)
    bob.expects(r"status of 404")
    bob.page.go_back()
    expect(bob.find("section.room")).to_have_count(0)
    bob.visit(room)
    expect(bob.page.get_by_role("heading", name="Nothing lives at this address")).to_be_visible()


def test_being_added_to_a_room_shows_it_in_the_sidebar(open_window, make_room):
    bob = open_window("bob", "/rooms").live()

    room = make_room("alice", "bob", kind="private")
    room.say("alice", "Welcome")

    expect(bob.place(room)).to_be_visible()
    expect(bob.place(room).locator(".badge")).to_have_text("1 unread")
    bob.place(room).click()
    bob.sees("Welcome")
    assert len(bob.sockets) == 1


def test_an_archived_room_closes_its_composer_while_one_looks(open_window, room):
    bob = open_window("bob", room).live()
    expect(bob.composer).to_be_visible()

    room.act(archive_room, "alice")

    expect(bob.find(".composer--closed")).to_contain_text("archived")
    expect(bob.composer).to_have_count(0)


def test_whoever_is_signed_out_elsewhere_lands_at_the_door(open_window, room):
    bob = open_window("bob", room).live()

    room.server.act(end_other_sessions, lambda: person("bob"))

    expect(bob.page).to_have_url(re.compile(r"/login\?next="))
    expect(bob.button("Sign in")).to_be_visible()


def test_one_signs_in_and_comes_to_where_one_wanted_to_go(open_window, room):
    bob = open_window(None, room)
    bob.page.get_by_label("E-mail or user name").fill("bob")
    bob.page.get_by_label("Password", exact=True).fill("four odd tide gauges")
    bob.button("Sign in").click()

    expect(bob.find(f"section.room[data-room-id='{room.id}']")).to_be_visible()
    bob.live()
    bob.button("Tidewater").click()
    bob.button("Sign out").click()
    expect(bob.page).to_have_url(re.compile(r"/login"))
    bob.page.go_back()
    expect(bob.button("Sign in")).to_be_visible()
