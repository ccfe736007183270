"""Passwords forgotten, devices moved to, accounts closed: in browsers, with JavaScript and without."""

import re

import pytest
from playwright.sync_api import expect

from chat.accounts.actions import make_reset_link
from tests.factories import PASSWORD, person

NEW = "walnut ferry copper dusk"

either = pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without"])


@either
def test_a_phone_is_signed_in_with_a_code(open_window, script):
    laptop = open_window("alice", "/settings/move", java_script_enabled=script)
    laptop.button("Show a code").click()
    expect(laptop.find(".qr svg")).to_be_visible()
    address = laptop.page.get_by_role("textbox", name="Link for the other device").input_value()

    phone = open_window(None, address, java_script_enabled=script)
    expect(phone.page.get_by_role("heading", name="Sign in on this device?")).to_be_visible()
    phone.button("Ask to sign in").click()
    expect(phone.page.get_by_role("heading", name="Now say yes there")).to_be_visible()

    # both pages look again by themselves, with a script or with what pages have without one
    expect(laptop.page.get_by_role("heading", name="Is this you?")).to_be_visible(timeout=15_000)
    laptop.button("Yes, let it in").click()
    expect(laptop.page.get_by_role("heading", name=re.compile("may come in"))).to_be_visible()
    expect(phone.page.get_by_role("heading", name="You may come in")).to_be_visible(timeout=15_000)
    phone.page.get_by_role("button", name="Open Tidewater").click()
    expect(phone.find(".sidebar__me")).to_contain_text("Alice")
    laptop.visit("/settings/security")
    expect(laptop.find(".list .item")).not_to_have_count(1)


@either
def test_an_administrators_link_sets_a_new_password(open_window, server, script):
    with server.app.app_context():
        address = make_reset_link(person("ada"), person("robot"))
    window = open_window(None, address, java_script_enabled=script)
    window.page.get_by_label("New password", exact=True).fill(NEW)
    window.button("Set it").click()
    expect(window.find(".toast")).to_contain_text("Your new password is set.")
    window.page.get_by_label("E-mail or user name").fill("robot")
    window.page.get_by_label("Password", exact=True).fill(NEW)
    window.button("Sign in").click()
    expect(window.find(".sidebar__me")).to_contain_text("Robot")


@either
def test_the_link_is_made_on_the_persons_page(open_window, script):
    window = open_window("ada", "/people/bob", java_script_enabled=script)
    window.button("Make a link").click()
    expect(window.page.get_by_role("textbox", name="Link to sign in")).to_have_value(re.compile("/reset/"))


def test_ones_data_is_collected_and_fetched(open_window):
    window = open_window("alice", "/settings/data")
    window.button("Collect my data").click()
    link = window.page.get_by_role("link", name=re.compile("^Download"))
    expect(link).to_be_visible(timeout=15_000)  # the page looks again by itself
    with window.page.expect_download() as download:
        link.click()
    assert download.value.suggested_filename.endswith(".zip")


def test_an_account_is_closed_without_javascript(open_window):
    window = open_window("carol", "/settings/data", java_script_enabled=False)
    window.page.get_by_role("link", name="Close the account…").click()
    window.page.get_by_label("Password", exact=True).fill(PASSWORD)
    window.button("Close my account").click()
    expect(window.find(".toast")).to_contain_text("Your account is closed.")


def test_signing_out_of_an_open_room_is_answered_by_the_door_and_not_overtaken_by_the_connection(open_window, room):
    window = open_window("alice", room).live()
    window.page.locator("[popovertarget=community-menu]").first.click()
    with window.page.expect_response(lambda answer: answer.url.endswith("/logout")) as heard:
        window.button("Sign out").click()

    expect(window.page).to_have_url(re.compile("/login$"))  # without what one would return to
    assert heard.value.all_headers()["clear-site-data"] == '"cache"'
    assert "parley_session" not in {cookie["name"] for cookie in window.context.cookies()}
