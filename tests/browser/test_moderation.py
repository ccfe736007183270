"""Two people in two windows: a message that is reported and removed, and one who is not heard."""

from playwright.sync_api import expect

from chat.accounts.actions import assign_role
from chat.rooms.actions import slow_down
from tests.factories import person


def test_a_reported_message_goes_for_everybody(server, open_window, room):
    server.act(assign_role, lambda: person("carol"), "moderator")
    room.say("bob", "You are all fools")
    alice, bob, carol = (
        open_window(name, place).live() for name, place in (("alice", room), ("bob", room), ("carol", "/reports"))
    )

    alice.tool(alice.message("You are all fools"), "Report…").click()
    alice.page.get_by_label("What is wrong with it?").fill("Insults")
    alice.button("Report it").click()
    expect(alice.page.get_by_text("Waiting for a moderator")).to_be_visible()
    carol.visit("/reports")
    carol.page.get_by_role("link", name="Insults").click()
    carol.button("Remove").click()
    carol.dialog.get_by_role("button", name="Remove").click()

    expect(bob.find(".message--deleted")).to_have_count(1)
    alice.visit(room)
    expect(alice.find(".message--deleted")).to_have_count(1)
    alice.visit("/reports/mine")
    expect(alice.page.get_by_text("The message was removed").first).to_be_visible()


def test_a_muted_person_is_folded_away_in_the_open_window_and_shown_when_asked(open_window, room):
    room.say("bob", "Before")
    alice = open_window("alice", room).live()
    other = open_window("alice", "/people/bob", beside=alice)
    other.button("Mute").click()

    room.say("bob", "After")
    expect(alice.find(".message--muted")).to_have_count(2)
    expect(alice.page.get_by_text("After", exact=True)).to_be_hidden()
    alice.find(".message__unmute").last.click()
    expect(alice.page.get_by_text("After", exact=True)).to_be_visible()


def test_a_slow_room_counts_down_and_keeps_what_was_typed(open_window, room):
    bob = open_window("bob", room).live()
    room.act(slow_down, "alice", seconds=30)
    expect(bob.find(".composer__pace")).to_contain_text("a message every 30 seconds")
    bob.say("One").sees("One")

    expect(bob.find(".composer__pace")).to_contain_text("you can write again in")
    bob.say("Two")

    expect(bob.composer).to_have_value("Two")
    assert room.texts() == ["One"]
