"""Two people, two windows."""

import re

import pytest
from playwright.sync_api import expect

from chat.accounts.actions.profile import update_profile
from chat.messages.actions import delete_message
from chat.messages.queries import message_for
from chat.rooms.actions import mark_all_read
from tests.factories import person


def test_a_message_typed_in_one_window_is_on_the_others_screen(open_window, room):
    alice, bob = open_window("alice", room), open_window("bob", room)

    alice.say("Is this thing on?")

    bob.sees("Is this thing on?")
    alice.sees("Is this thing on?")
    expect(bob.message("Is this thing on?").locator(".message__author")).to_have_text("Alice")


def test_the_copy_of_what_one_sends_is_there_at_once_and_becomes_the_message(open_window, room):
    alice = open_window("alice", room).live()
    alice.composer.fill("No waiting")

    in_the_same_frame = alice.page.evaluate(
        """() => {
          const enter = new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true })
          document.getElementById("text").dispatchEvent(enter)
          return document.querySelector(".message--pending .message__body")?.textContent
        }"""
    )

    assert in_the_same_frame == "No waiting"
    alice.sees("No waiting")
    expect(alice.find(".message--pending")).to_have_count(0)
    expect(alice.composer).to_have_value("")
    expect(alice.composer).to_be_focused()


def test_messages_of_one_author_form_a_group_and_days_are_ruled_off(open_window, room):
    room.say("bob", "From yesterday", days_ago=1)
    room.say("bob", "From an hour ago", hours_ago=1)
    alice = open_window("alice", room)
    alice.say("one", "two")
    alice.sees("two")
    room.say("bob", "And mine")
    alice.sees("And mine")

    grouped = re.compile(r"message--grouped")
    for text in ("From yesterday", "From an hour ago", "one", "And mine"):
        expect(alice.message(text)).not_to_have_class(grouped)
    expect(alice.message("two")).to_have_class(grouped)
    expect(alice.find(".separator[data-day] time")).to_have_text(["Yesterday", "Today"])
    live = alice.order()
    alice.page.reload()
    expect(alice.message("two")).to_have_class(grouped)
    expect(alice.message("And mine")).not_to_have_class(grouped)
    assert alice.order() == live


def test_markdown_looks_the_same_on_both_sides(open_window, room):
    alice, bob = open_window("alice", room), open_window("bob", room)

    code = "```python\nprint('tide')\n```"
    alice.say(f"Look at **this**:\n{code}\n- [x] https://example.org\n- <b>plain</b> :ship:")

    for window in (alice, bob):
        message = window.find(".message[data-id] .message__body")
        expect(message.locator("strong")).to_have_text("this")
        expect(message.locator("pre code")).to_contain_text("print('tide')")
        expect(message.locator("pre code span").first).to_be_visible()
        expect(message.locator("a[href='https://example.org']")).to_be_visible()
        expect(message.locator("input[type=checkbox]")).to_be_checked()
        expect(message).to_contain_text("<b>plain</b> 🚢")


def test_an_edit_happens_in_its_place_and_shows_on_both_sides(open_window, room):
    alice, bob = open_window("alice", room), open_window("bob", room)
    alice.say("Low tide at nine", "Bring boots")
    alice.sees("Low tide at nine", "Bring boots")
    bob.sees("Bring boots")

    alice.tool(alice.message("Low tide at nine"), "Edit").click()
    editor = alice.page.get_by_label("Edit the message")
    expect(editor).to_be_focused()
    expect(editor).to_have_value("Low tide at nine")
    editor.fill("Low tide at *ten*")
    editor.press("Enter")

    for window in (alice, bob):
        window.shows("Low tide at ten", "Bring boots")
        expect(window.message("Low tide at ten").locator(".message__edited")).to_be_visible()
        expect(window.find(".message__edited")).to_have_count(1)
    expect(alice.message("Low tide at ten")).to_be_focused()
    alice.message("Low tide at ten").locator(".message__edited").click()
    expect(alice.page.get_by_role("heading", name="Before")).to_be_visible()
    expect(alice.find("ol.list .prose")).to_have_text("Low tide at nine")


def test_an_edit_can_be_left_with_escape_and_started_with_the_arrow(open_window, room):
    alice = open_window("alice", room)
    alice.say("Just so")
    alice.sees("Just so")

    alice.composer.press("ArrowUp")
    editor = alice.page.get_by_label("Edit the message")
    expect(editor).to_have_value("Just so")
    editor.fill("Something else")
    editor.press("Escape")

    alice.shows("Just so")
    expect(editor).to_have_count(0)
    assert room.texts() == ["Just so"]


def test_an_edit_that_somebody_was_faster_with_says_so(open_window, room):
    alice = open_window("alice", room)
    alice.say("First")
    alice.sees("First")
    other_tab = open_window(beside=alice, place=room)
    other_tab.tool(other_tab.message("First"), "Edit").click()
    expect(other_tab.page.get_by_label("Edit the message")).to_have_value("First")

    alice.composer.press("ArrowUp")
    alice.page.get_by_label("Edit the message").fill("Second")
    alice.page.get_by_label("Edit the message").press("Enter")
    alice.shows("Second")
    other_tab.page.get_by_label("Edit the message").fill("Third")
    other_tab.page.get_by_label("Edit the message").press("Enter")

    expect(other_tab.find("[data-edit-error]")).to_be_visible()
    other_tab.page.get_by_label("Edit the message").press("Enter")
    other_tab.shows("Third")
    alice.shows("Third")


def test_a_deletion_asks_first_and_leaves_a_tombstone_on_both_sides(open_window, room):
    alice, bob = open_window("alice", room), open_window("bob", room)
    alice.say("Best forgotten", "Worth keeping")
    bob.sees("Best forgotten", "Worth keeping")
    alice.sees("Best forgotten")

    alice.tool(alice.message("Best forgotten"), "Delete…").click()
    expect(alice.dialog).to_contain_text("Delete this message?")
    expect(alice.dialog).to_contain_text("Best forgotten")
    alice.dialog.get_by_role("button", name="Cancel").click()
    alice.shows("Best forgotten", "Worth keeping")
    alice.tool(alice.message("Best forgotten"), "Delete…").click()
    alice.dialog.get_by_role("button", name="Delete").click()

    for window in (alice, bob):
        window.shows("Worth keeping")
        expect(window.find(".message--deleted")).to_contain_text("A message by Alice was deleted.")
        expect(window.find(".message").first).to_have_class(re.compile("message--deleted"))
    bob.page.reload()
    expect(bob.find(".message--deleted")).to_have_count(1)
    assert "Best forgotten" not in bob.page.content()


def test_only_the_tools_that_one_may_use_are_offered(open_window, room):
    room.say("bob", "Mine to edit")
    alice, bob = open_window("alice", room), open_window("bob", room)

    bob.message("Mine to edit").hover()
    alice.message("Mine to edit").hover()

    tools = lambda window: window.message("Mine to edit").get_by_role("toolbar")  # noqa: E731
    expect(tools(bob).get_by_label("Edit")).to_be_visible()
    expect(tools(bob).get_by_label("Delete…")).to_be_visible()
    expect(tools(alice).get_by_label("Edit")).to_be_hidden()
    expect(tools(alice).get_by_label("Delete…")).to_be_visible()  # she owns the room


def test_a_message_that_arrives_has_the_tools_that_the_page_gives_it(open_window, room):
    alice, bob = open_window("alice", room), open_window("bob", room)
    alice.say("Just in")
    bob.sees("Just in")

    toolbar = lambda: bob.message("Just in").get_by_role("toolbar").evaluate("bar => bar.outerHTML")  # noqa: E731
    as_it_arrived = toolbar()
    bob.page.reload()
    assert as_it_arrived == toolbar()


def test_a_mention_counts_in_the_sidebar_and_in_the_title(open_window, make_room):
    room, elsewhere = make_room("alice", "bob"), make_room("alice", "bob")
    room.server.act(mark_all_read, lambda: person("bob"))
    alice, bob = open_window("alice", room), open_window("bob", elsewhere).live()

    alice.say("Good morning")
    expect(bob.place(room).locator(".badge")).to_have_text("1 unread")
    expect(bob.page).to_have_title(re.compile(r"^• "))
    alice.say("@bob are you there?", "Nobody?")

    expect(bob.place(room).locator(".badge")).to_have_text("1 for you")
    expect(bob.page).to_have_title(re.compile(r"^\(1\) "))
    bob.place(room).click()
    expect(bob.find(".message--mentions-me .message__body")).to_have_text("@Bob are you there?")
    expect(bob.place(room).locator(".badge")).to_be_hidden()
    expect(bob.page).not_to_have_title(re.compile(r"^[(•]"))


def test_the_new_line_stands_where_reading_stopped(open_window, room):
    room.say("alice", "Read already")
    bob = open_window("bob", room)
    expect(bob.place(room).locator(".badge")).to_be_hidden()
    bob.visit("/people")
    room.say("alice", "New to bob", "This too")
    expect(bob.place(room).locator(".badge")).to_have_text("2 unread")

    bob.place(room).click()

    expect(bob.find(".separator--new")).to_be_visible()
    expect(bob.find(".separator--new + .message .message__body")).to_have_text("New to bob")
    expect(bob.place(room).locator(".badge")).to_be_hidden()
    expect(bob.find(".separator--new")).to_be_visible()  # until he leaves the room
    bob.link("People").first.click()
    bob.place(room).click()
    bob.sees("This too")
    expect(bob.find(".separator--new")).to_have_count(0)


def test_a_message_can_be_marked_unread(open_window, room):
    room.say("alice", "one", "two", "three")
    bob = open_window("bob", room)
    expect(bob.place(room).locator(".badge")).to_be_hidden()

    bob.tool(bob.message("two"), "Mark unread from here").click()

    expect(bob.place(room).locator(".badge")).to_have_text("2 unread")
    expect(bob.find(".separator--new + .message .message__body")).to_have_text("two")
    bob.page.reload()
    expect(bob.find(".separator--new + .message .message__body")).to_have_text("two")


def test_all_read_is_all_read_in_every_tab_of_a_person(open_window, make_room):
    rooms = [make_room("alice", "bob") for _ in range(2)]
    for room in rooms:
        room.say("alice", "Have you heard?", "@bob!")
    here = open_window("bob", "/people").live()
    there = open_window(beside=here, place="/rooms").live()
    for window in (here, there):
        for room in rooms:
            expect(window.place(room).locator(".badge")).to_have_text("1 for you")

    here.button("Tidewater").click()
    here.button("Mark all read").click()

    for window in (here, there):
        for room in rooms:
            expect(window.place(room).locator(".badge")).to_be_hidden()
    expect(here.find(".toast")).to_contain_text("Everything is marked read.")


def test_who_writes_is_told_to_those_who_look_at_the_room(open_window, room):
    alice, bob = open_window("alice", room).live(), open_window("bob", room).live()
    alice.composer.press_sequentially("Hm")
    typing = bob.find("[data-room-target=typing]")
    expect(typing).to_have_text("Alice is writing")
    expect(alice.find("[data-room-target=typing]")).to_be_empty()

    alice.composer.press("Enter")

    bob.sees("Hm")
    expect(typing).to_be_empty()


def test_a_dot_tells_who_is_here(open_window, room):
    alice = open_window("alice", f"{room}/members").live()
    dot = alice.find(".item", has_text="Bob").locator(".avatar__presence")
    expect(dot).to_have_class(re.compile("--offline"))

    bob = open_window("bob", room).live()

    expect(dot).not_to_have_class(re.compile("--"))
    bob.page.close()
    expect(dot).to_have_class(re.compile("--offline"))


def test_going_from_room_to_room_keeps_the_one_socket(open_window, make_room):
    first, second = make_room("alice", "bob"), make_room("alice", "bob")
    bob = open_window("bob", first).live()

    for room in (second, first, second, first):
        bob.place(room).click()
        expect(bob.find(f"section.room[data-room-id='{room.id}']")).to_be_visible()
        room.say("alice", f"Hello number {len(room.texts())}")
        bob.sees(f"Hello number {len(room.texts()) - 1}")
    bob.link("People").first.click()
    expect(bob.page.get_by_role("heading", name="People")).to_be_visible()

    assert len(bob.sockets) == 1


def test_the_back_button_brings_the_copy_back_and_it_catches_up(open_window, make_room):
    room, elsewhere = make_room("alice", "bob"), make_room("alice", "bob")
    room.say("alice", "Seen before")
    bob = open_window("bob", room).live()
    bob.sees("Seen before")
    bob.place(elsewhere).click()
    expect(bob.find(f"section.room[data-room-id='{elsewhere.id}']")).to_be_visible()
    room.say("alice", "Said meanwhile")
    expect(bob.place(room).locator(".badge")).to_have_text("1 unread")

    bob.page.go_back()

    bob.shows("Seen before", "Said meanwhile")
    expect(bob.find(f"section.room[data-room-id='{room.id}']")).to_be_visible()
    assert len(bob.sockets) == 1


def test_a_link_to_a_message_opens_the_page_around_it_and_points_it_out(open_window, room):
    ids = room.say("alice", *(f"Entry {n}" for n in range(150)))
    bob = open_window("bob", f"{room}/messages/{ids[30]}")

    expect(bob.message("Entry 30")).to_be_in_viewport()
    assert bob.find(".message:target .message__body").inner_text() == "Entry 30"
    expect(bob.find("[data-room-target=latest]")).to_be_visible()
    bob.find("[data-room-target=latest]").click()
    expect(bob.message("Entry 149")).to_be_in_viewport()


def test_a_name_changes_wherever_it_stands(open_window, room):
    room.say("alice", "It is me")
    bob = open_window("bob", room).live()
    expect(bob.message("It is me").locator(".message__author")).to_have_text("Alice")

    for name in ("Alice Ahoy", "Alice"):
        change = {"name": name, "username": "alice", "bio": "", "time_zone": "UTC"}
        room.server.act(update_profile, lambda: person("alice"), **change)
        expect(bob.message("It is me").locator(".message__author")).to_have_text(name)


def test_what_was_deleted_on_another_process_goes_too(open_window, room):
    (id,) = room.say("alice", "Gone soon")
    bob = open_window("bob", room).live()
    bob.sees("Gone soon")

    room.server.act(lambda actor: delete_message(actor, message_for(actor, id)), lambda: person("alice"))

    expect(bob.find(".message--deleted")).to_have_count(1)
    bob.shows()


@pytest.mark.parametrize("how", ["by its address", "by the list"])
def test_a_visitor_reads_and_joins(open_window, make_room, how):
    room = make_room("alice")
    room.say("alice", "Open to all")
    carol = open_window("carol", room if how == "by its address" else "/rooms")
    if how == "by the list":
        carol.page.get_by_role("button", name=f"Join {room.name}").click()
    else:
        carol.sees("Open to all")
        expect(carol.find(".composer--closed")).to_contain_text("without being in it")
        carol.button("Join").click()

    carol.composer.fill("Hello")
    carol.composer.press("Enter")
    carol.sees("Hello")
    expect(carol.place(room)).to_be_visible()
    assert room.texts() == ["Open to all", "Hello"]
