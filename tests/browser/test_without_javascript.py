"""Everything works with forms and links alone."""

import re

import pytest
from playwright.sync_api import expect

from chat.accounts.actions.invites import set_sign_up
from tests.browser.conftest import note_lag
from tests.factories import PASSWORD, person
from tests.system.server import Server


@pytest.fixture
def empty_server(tmp_path):
    """A Parley that nobody has set up yet."""
    server = Server(tmp_path).start()
    yield server
    note_lag("set up without JavaScript", server)
    server.close()


def test_a_community_is_set_up_and_talks_without_javascript(open_window, empty_server):
    ada = open_window(None, "/", at=empty_server, java_script_enabled=False)
    expect(ada.page).to_have_url(re.compile("/setup$"))
    set_up(ada)
    general = ada.find(".place", has_text="general")
    expect(general).to_be_visible()

    # invite
    ada.visit("/invites")
    ada.page.get_by_label("How many people").fill("1")
    ada.button("Make a link").click()
    address = ada.page.get_by_role("textbox", name="Invite link").input_value()
    assert address.startswith(empty_server.url)

    # sign up by the invite
    bob = open_window(None, address, at=empty_server, java_script_enabled=False)
    expect(bob.page.get_by_role("heading", name="Ada invites you to Tidewater")).to_be_visible()
    fill(bob, {"Your name": "Bob", "User name": "bob", "E-mail": "bob@example.org", "Password": PASSWORD})
    bob.button("Join Tidewater").click()
    expect(bob.page.get_by_role("heading", name="Hello, Bob")).to_be_visible()
    used = open_window(None, address, at=empty_server, java_script_enabled=False)
    expect(used.page.get_by_role("heading", name="Nothing lives at this address")).to_be_visible()
    used.expects(r"status of 404")

    # a room, a message, an edit, a deletion
    ada.visit("/rooms/new")
    fill(ada, {"Name": "sea-trials", "What it is for": "Who is on board when"})
    ada.button("Create room").click()
    expect(ada.page.get_by_role("heading", name="#sea-trials starts here")).to_be_visible()
    for text in ("Fair winds", "Foul winds", "No winds"):
        ada.composer.fill(text)
        ada.button("Send").click()
        expect(ada.message(text)).to_be_visible()
    ada.tool(ada.message("Fair winds"), "Edit").click()
    ada.page.get_by_label("Message").fill("Fairer winds")
    ada.button("Save").click()
    expect(ada.message("Fairer winds").locator(".message__edited")).to_be_visible()
    ada.tool(ada.message("Foul winds"), "Delete…").click()
    expect(ada.page.get_by_role("heading", name="Delete this message?")).to_be_visible()
    ada.button("Delete").click()
    ada.shows("Fairer winds", "No winds")
    expect(ada.find(".message--deleted")).to_have_count(1)
    ada.message("Fairer winds").locator(".message__edited").click()
    expect(ada.find("ol.list .prose")).to_have_text("Fair winds")

    # the other one finds the room, joins and answers
    bob.visit("/rooms")
    bob.link("sea-trials").click()
    bob.shows("Fairer winds", "No winds")
    bob.button("Join").click()
    bob.composer.fill("Aye")
    bob.button("Send").click()
    bob.shows("Fairer winds", "No winds", "Aye")

    # unread, and read
    ada.visit("/people")
    expect(ada.find(".place", has_text="sea-trials").locator(".badge")).to_have_text("1 unread")
    ada.find(".place", has_text="sea-trials").click()
    expect(ada.find(".separator--new + .message .message__body")).to_have_text("Aye")
    ada.button("Mark 1 as read").click()
    expect(ada.find(".place", has_text="sea-trials").locator(".badge")).to_be_hidden()
    ada.tool(ada.message("Aye"), "Mark unread from here").click()
    expect(ada.find(".toast")).to_contain_text("Marked unread in sea-trials.")
    expect(ada.find(".place", has_text="sea-trials").locator(".badge")).to_have_text("1 unread")
    ada.button("Mark all read").first.click()
    expect(ada.find(".place", has_text="sea-trials").locator(".badge")).to_be_hidden()

    # settings and members
    ada.find(".place", has_text="sea-trials").click()
    ada.link("Room settings").click()
    fill(ada, {"Name": "trials", "Topic": "Who steers"})
    ada.button("Save").click()
    expect(ada.find(".toast")).to_contain_text("Saved.")
    ada.find(".tabs").get_by_role("link", name="People").click()
    ada.page.get_by_label("Role of Bob").select_option("owner")
    ada.button("Set the role of Bob").click()
    expect(ada.find(".toast")).to_contain_text("Bob is an owner now.")
    ada.button("Remove Bob").click()
    expect(ada.find(".toast")).to_contain_text("Bob was removed.")
    ada.expects("status of 422")
    ada.page.get_by_label("Name, user name or e-mail").fill("nobody")
    ada.button("Add").first.click()
    expect(ada.find(".field__error")).to_be_visible()
    ada.page.get_by_label("Name, user name or e-mail").fill("bob")
    ada.button("Add").first.click()
    expect(ada.find(".toast")).to_contain_text("Bob is in trials now.")

    # one's own profile, and out
    bob.visit("/settings/profile")
    bob.page.get_by_label("About").fill("Steers")
    bob.button("Save").click()
    expect(bob.find(".toast")).to_contain_text("Saved.")
    bob.visit("/people/bob")
    expect(bob.find(".person__bio")).to_have_text("Steers")
    bob.button("Tidewater").click()
    bob.button("Sign out").click()
    expect(bob.page).to_have_url(re.compile(r"/login"))
    bob.visit("/rooms")
    expect(bob.page).to_have_url(re.compile(r"/login\?next="))
    fill(bob, {"E-mail or user name": "bob@example.org", "Password": PASSWORD})
    bob.button("Sign in").click()
    expect(bob.page.get_by_role("heading", name="All rooms")).to_be_visible()


def set_up(window):
    fill(window, {"Name": "Tidewater"}, exact=True)
    fill(window, {"Your name": "Ada", "User name": "ada", "E-mail": "ada@example.org", "Password": PASSWORD})
    window.page.get_by_label("Iris").check()
    window.button("Create the community").click()
    expect(window.page).not_to_have_url(re.compile("/setup$"))


def fill(window, fields, *, exact=None):
    for label, text in fields.items():
        window.page.get_by_label(label, exact=exact if exact is not None else label == "Password").first.fill(text)


def test_setting_up_twice_is_refused(open_window, empty_server):
    set_up(open_window(None, "/setup", at=empty_server, java_script_enabled=False))

    late = open_window(None, "/setup", at=empty_server, java_script_enabled=False)

    late.expects("status of 404")
    expect(late.button("Create the community")).to_have_count(0)


def test_history_is_read_page_by_page(open_window, room):
    room.say("alice", *(f"Entry {n}" for n in range(120)))
    bob = open_window("bob", room, java_script_enabled=False)
    expect(bob.message("Entry 119")).to_be_visible()
    read = []

    while True:
        read = [text for _, _, text in bob.order() if text] + read
        older = bob.link("Show older messages")
        if not older.count():
            break
        older.click()
        expect(bob.message(read[0])).to_have_count(0)

    assert read == [f"Entry {n}" for n in range(120)]
    expect(bob.page.get_by_role("heading", name=f"#{room.name} starts here")).to_be_visible()
    bob.link("Show newer messages").click()
    expect(bob.message("Entry 0")).to_have_count(0)
    bob.link("Go to the newest").click()
    expect(bob.message("Entry 119")).to_be_visible()


def test_the_page_of_a_room_refreshes_itself_until_one_writes_at_length(open_window, room):
    bob = open_window("bob", room, java_script_enabled=False)
    expect(bob.find("meta[http-equiv=refresh]")).to_have_attribute("content", "30")

    bob.link("Pause to write longer").click()

    expect(bob.find("meta[http-equiv=refresh]")).to_have_count(0)
    expect(bob.composer).to_be_visible()


def test_a_link_to_a_message_points_it_out(open_window, room):
    ids = room.say("alice", *(f"Entry {n}" for n in range(120)))
    bob = open_window("bob", f"{room}/messages/{ids[20]}", java_script_enabled=False)

    expect(bob.find(".message:target .message__body")).to_have_text("Entry 20")
    expect(bob.message("Entry 20")).to_be_in_viewport()


def test_a_message_that_is_refused_is_still_in_the_box(open_window, room):
    bob = open_window("bob", room, java_script_enabled=False)
    bob.expects("status of 4(13|22)")
    bob.composer.fill(" ")
    bob.button("Send").click()

    expect(bob.find(".composer__error")).to_be_visible()


def test_who_is_open_lets_anybody_in(open_window, server):
    server.act(set_sign_up, lambda: person("ada"), "open")
    eve = open_window(None, "/login", java_script_enabled=False)
    eve.expects("status of 422")
    eve.link("Make an account").click()

    fill(eve, {"Your name": "Eve", "User name": "alice", "E-mail": "eve@example.org", "Password": PASSWORD})
    eve.button("Join Tidewater").click()
    expect(eve.find(".field__error")).to_be_visible()
    fill(eve, {"User name": "eve", "Password": PASSWORD})
    eve.button("Join Tidewater").click()

    expect(eve.page.get_by_role("heading", name="Hello, Eve")).to_be_visible()
    server.act(set_sign_up, lambda: person("ada"), "invite")
    closed = open_window(None, "/signup", java_script_enabled=False).expects("status of 404")
    expect(closed.page.get_by_role("heading", name="Nothing lives at this address")).to_be_visible()
