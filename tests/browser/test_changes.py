"""What changes about people, the community and one's own rights while one looks."""

import re
from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import expect

from chat.accounts.actions import assign_role
from chat.accounts.actions.profile import remove_avatar, set_avatar, update_profile
from chat.admin.actions import change_settings
from tests.factories import person


def picture(colour):
    out = BytesIO()
    Image.new("RGB", (64, 64), colour).save(out, "PNG")
    return out.getvalue()


def alice():
    return person("alice")


def ada():
    return person("ada")


def test_a_new_picture_shows_beside_everything_that_was_said(open_window, room):
    room.say("alice", "It is me")
    bob = open_window("bob", room).live()
    avatar = bob.message("It is me").locator(".message__avatar .avatar")
    expect(avatar).to_have_text("A")
    sources = []

    for colour in ("red", "blue"):
        room.server.act(set_avatar, alice, picture(colour))
        expect(avatar.locator("img")).to_have_count(1)
        if sources:
            expect(avatar.locator("img")).not_to_have_attribute("src", sources[-1])
        sources.append(avatar.locator("img").get_attribute("src"))
        bob.until(lambda: avatar.locator("img").evaluate("(image) => image.naturalWidth") > 0, "the picture")
    room.server.act(remove_avatar, alice)

    expect(avatar.locator("img")).to_have_count(0)
    expect(avatar).to_have_text("A")
    assert len(set(sources)) == 2


def test_a_new_name_shows_in_what_was_said_in_the_lines_and_to_oneself(open_window, make_room):
    room = make_room("alice", "bob")
    room.say("alice", "It is me")
    me, bob = open_window("alice", room).live(), open_window("bob", room).live()
    places = (bob.message("It is me").locator(".message__author"), bob.find(".event [data-person-name]").first,
              me.find(".sidebar__me [data-person-name]"))  # fmt: skip

    for name in ("Alice Ahoy", "Alice"):
        room.server.act(update_profile, alice, name=name, username="alice", bio="", time_zone="UTC")
        for place in places:
            expect(place).to_have_text(name)


def test_another_accent_and_name_of_the_community_show_at_once(open_window, room):
    bob = open_window("bob", room).live()
    accent = "getComputedStyle(document.querySelector('.brand')).color"
    before, href = bob.page.evaluate(accent), bob.find("link[href*='accent-']").get_attribute("href")

    room.server.act(change_settings, ada, name="Low Water", hue=330)
    try:
        expect(bob.find("[data-community]").first).to_have_text("Low Water")
        expect(bob.page).to_have_title(re.compile("Low Water"))
        expect(bob.find("link[href*='accent-330']")).to_have_count(1)
        bob.until(lambda: bob.page.evaluate(accent) != before, "the colour")
    finally:
        room.server.act(change_settings, ada, name="Tidewater", hue=205)

    expect(bob.find("[data-community]").first).to_have_text("Tidewater")
    bob.until(lambda: bob.page.evaluate(accent) == before, "the colour as it was")
    expect(bob.find(f"link[href='{href}']")).to_have_count(1)


@pytest.fixture
def bobs_role(server):
    """bobs_role("moderator"), until the end of the test."""
    yield lambda role: server.act(assign_role, lambda: person("bob"), role)
    server.act(assign_role, lambda: person("bob"), "member")


def test_who_gets_other_rights_sees_the_page_of_those_rights_and_keeps_what_they_were_writing(
    open_window, room, bobs_role
):
    room.say("alice", "Delete me if you can")
    bob = open_window("bob", room).live()
    bob.write("Half a sentence")
    theirs = bob.message("Delete me if you can")

    for role, may in (("moderator", True), ("member", False)):
        with bob.page.expect_event("load"):  # the whole page, not one that Turbo draws
            bobs_role(role)
        bob.live()
        expect(bob.composer).to_have_value("Half a sentence")
        expect(bob.find("#community-menu [href='/reports']")).to_have_count(int(may))
        expect(theirs).to_have_class(re.compile(r"message--may-delete") if may else re.compile(r"^(?!.*may-delete)"))
    assert bob.page.url.endswith(room.path)
