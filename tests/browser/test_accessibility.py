"""axe on every page in both themes, and everything by the keyboard alone. In `make test` each page is looked at in one
way, the next page in another; with PROOFS=long in all."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect
from sqlalchemy import text

from chat.accounts.actions import begin_move, begin_session, make_reset_link
from chat.accounts.actions.invites import create_invite, set_sign_up
from chat.accounts.queries import live_session
from chat.core.db import db
from chat.messages.actions import delete_message, edit_message
from chat.messages.queries import message_for
from chat.rooms.actions import add_member, archive_room, create_room
from tests.browser.window import Room
from tests.factories import person
from tests.length import part
from tests.system.server import Server

AXE = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
BOTH = pytest.mark.parametrize("theme", ["light", "dark"])
SETTINGS = {"RATE_LIMITS": "on", "LIMIT_ROOM": "4 + 1/h"}  # one of the pages is the one that says "slower"


def check(window, *, what):
    """No violation on what is on screen. Gives each with its selector and what to do."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed; install it with: npm ci")
    if not window.page.evaluate("typeof axe === 'object'"):
        window.page.add_script_tag(path=str(AXE))
    window.page.evaluate("Promise.allSettled(document.getAnimations().map((animation) => animation.finished))")
    found = window.page.evaluate("(rules) => axe.run({ runOnly: rules })", RULES)
    words = [
        f"{violation['id']}: {node['target']}: {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]
    assert not words, f"{what}:\n" + "\n".join(words)
    assert found["passes"], f"axe saw nothing on {what}"


@pytest.fixture
def look(open_window):
    """look("alice", theme, narrow) → a window in which axe may run."""

    def look(username, theme, *, narrow=False, **options):
        size = {"width": 390, "height": 844} if narrow else {"width": 1440, "height": 900}
        return open_window(username, color_scheme=theme, bypass_csp=True, viewport=size, has_touch=narrow, **options)

    return look


@pytest.fixture(scope="module")
def scene(server):
    """A room with something of everything in it, and what one needs to find the pages about it."""
    with server.app.app_context():
        alice = person("alice")
        room = create_room(alice, "tide-tables", topic="Times and heights")
        add_member(alice, room, person("bob"))
        archived, empty = create_room(alice, "winter-2019"), create_room(alice, "fresh-paint")
        archive_room(alice, archived)
        invite = create_invite(person("ada"), expires_days=7, max_uses=3)
        set_sign_up(person("ada"), "open")
        here = Room(server, room.id, room.name)
        links = {
            "reset": f"/reset/{make_reset_link(person('ada'), person('carol')).rpartition('/')[2]}",
            "move": f"/move/{begin_move(alice, live_session(begin_session(alice)))}",
        }
        links["invite"] = f"/invite/{invite.code}"
        paths = {**links, "room": room.path, "archived": archived.path, "empty": empty.path}
    here.say("bob", "Good morning **all**", "@alice have you seen `tides.py`?", days_ago=1)
    code = "```python\ndef high(water):\n    return 'now'  # soon\n```"
    _, gone, mine = here.say("alice", code, "Gone", "Nearly right")
    here.say("bob", "| place | time |\n| --- | --- |\n| Dover | 11:04 |\n\n> quoted\n\n- [ ] to do\n- [x] done", "🌊")
    with server.app.app_context():
        delete_message(person("alice"), message_for(person("alice"), gone))
        edit_message(person("alice"), message_for(person("alice"), mine), "Quite right", rev=1)
    return {**paths, "mine": mine}


PAGES = {
    "the greeting": ("bob", "/"),
    "a room": ("alice", "{room}"),
    "a room with something new": ("ada", "{room}"),
    "an empty room": ("alice", "{empty}"),
    "an archived room": ("alice", "{archived}"),
    "a room to a visitor": ("carol", "{room}"),
    "the directory": ("bob", "/rooms"),
    "a search for a room": ("bob", "/rooms?q=tide"),
    "a search that found nothing": ("bob", "/rooms?q=nowhere"),
    "a new room": ("bob", "/rooms/new"),
    "members, to an owner": ("alice", "{room}/members"),
    "members, to a member": ("bob", "{room}/members"),
    "room settings, to an owner": ("alice", "{room}/settings"),
    "room settings, to a member": ("bob", "{room}/settings"),
    "the profile": ("alice", "/settings/profile"),
    "security": ("alice", "/settings/security"),
    "two-step sign-in": ("alice", "/settings/second-factor"),
    "an authenticator app": ("alice", "/settings/second-factor/app"),
    "confirming": ("alice", "/confirm"),
    "a recovery code": (None, "/recover"),
    "one's address": ("alice", "/settings/email"),
    "another device": ("alice", "/settings/move"),
    "one's data": ("alice", "/settings/data"),
    "closing one's account": ("alice", "/settings/close"),
    "people": ("bob", "/people"),
    "nobody by that name": ("bob", "/people?q=zzz"),
    "a person": ("bob", "/people/alice"),
    "oneself": ("alice", "/people/alice"),
    "a person, to an owner": ("ada", "/people/bob"),
    "erasing a person": ("ada", "/people/bob/erase"),
    "invites": ("ada", "/invites"),
    "editing": ("alice", "/messages/{mine}/edit"),
    "deleting": ("alice", "/messages/{mine}/delete"),
    "what it said before": ("alice", "/messages/{mine}/history"),
    "privacy": ("alice", "/settings/privacy"),
    "tokens": ("alice", "/settings/tokens"),
    "reporting": ("bob", "/messages/{mine}/report"),
    "what one reported": ("bob", "/reports/mine"),
    "moderating a person": ("ada", "/people/bob/moderation"),
    "what a removal would take": ("ada", "/people/bob/moderation?period=all"),
    "reports": ("ada", "/reports"),
    "decided reports": ("ada", "/reports/decided"),
    "who is shut out": ("ada", "/reports/people"),
    "removals": ("ada", "/reports/removals"),
    "a room's retention": ("ada", "{room}/retention"),
    "opening a private room": ("ada", "/rooms/open-as-owner"),
    "administration": ("ada", "/admin"),
    "administration: people": ("ada", "/admin/people"),
    "administration: nobody": ("ada", "/admin/people?q=zzz"),
    "administration: rooms": ("ada", "/admin/rooms"),
    "administration: archived rooms": ("ada", "/admin/rooms?state=archived"),
    "administration: invites": ("ada", "/admin/invites"),
    "administration: sign-in": ("ada", "/admin/sign-in"),
    "administration: retention": ("ada", "/admin/retention"),
    "administration: what would be deleted": ("ada", "/admin/retention?days=1"),
    "administration: jobs": ("ada", "/admin/jobs"),
    "administration: audit log": ("ada", "/admin/audit?verify=1"),
    "administration: settings": ("ada", "/admin/settings"),
    "the API's document": (None, "/api/docs"),
    "signing in": (None, "/login"),
    "a forgotten password": (None, "/forgot"),
    "a new password": (None, "{reset}"),
    "arriving on another device": (None, "{move}"),
    "signing up": (None, "/signup"),
    "an invitation": (None, "{invite}"),
    "not allowed": ("bob", "/messages/{mine}/edit"),
    "not found": ("bob", "/rooms/99999"),
}


LOOKS = [("wide", "light"), ("wide", "dark"), ("narrow", "dark")]


@pytest.mark.parametrize("size", ["wide", "narrow"])
def test_no_page_has_a_violation(look, scene, size):
    windows, faults = {}, []
    for number, (what, (username, path)) in enumerate(PAGES.items()):
        themes = [theme for width, theme in part(LOOKS, number, of=len(LOOKS)) if width == size]
        if not themes:
            continue
        window = windows.get(username) or windows.setdefault(username, look(username, "dark", narrow=size == "narrow"))
        window.expects(r"status of 40[34]")
        window.visit(path.format(**scene))
        for theme in themes:
            window.page.emulate_media(color_scheme=theme)
            try:
                check(window, what=f"{what} ({window.page.url}, {theme})")
            except AssertionError as fault:
                faults.append(str(fault))
    assert not faults, "\n\n".join(faults)


@BOTH
def test_what_opens_over_a_room_has_no_violation(look, scene, theme):
    alice = look("alice", theme).visit(scene["room"]).live()
    own = alice.message("Quite right")
    alice.tool(own, "Edit").click()
    expect(alice.page.get_by_label("Edit the message")).to_be_visible()
    check(alice, what="a message being edited")
    alice.page.get_by_label("Edit the message").press("Escape")
    alice.tool(own, "Delete…").click()
    expect(alice.dialog).to_be_visible()
    check(alice, what="the question before a deletion")
    alice.dialog.get_by_role("button", name="Cancel").click()
    alice.page.keyboard.press("Control+k")
    alice.page.keyboard.type("b")
    expect(alice.find("#jump [role=option]", has_text="Bob")).to_be_visible()
    check(alice, what="the jump dialog")
    alice.page.keyboard.press("Escape")
    alice.timeline.focus()
    alice.page.keyboard.press("?")
    expect(alice.find("#keys")).to_be_visible()
    check(alice, what="the list of keys")
    alice.page.keyboard.press("Escape")
    alice.button("Tidewater").click()
    check(alice, what="the community's menu")
    alice.page.keyboard.press("Escape")
    alice.go_offline()
    alice.say("Waiting")
    expect(alice.bar).to_be_visible()
    check(alice, what="a room without a connection")


@BOTH
def test_refused_forms_have_no_violation(look, scene, theme):
    window = look(None, theme).visit("/login").expects(r"status of 4\d\d")
    window.page.get_by_label("E-mail or user name").fill("nobody")
    window.page.get_by_label("Password", exact=True).fill("wrong")
    window.button("Sign in").click()
    expect(window.find(".notice--danger, .field__error").first).to_be_visible()
    check(window, what="a sign-in that was refused")
    alice = look("alice", theme).visit("/rooms/new").expects(r"status of 4\d\d")
    alice.page.get_by_label("Name").first.fill("general")
    alice.button("Create room").click()
    expect(alice.find(".field__error")).to_be_visible()
    check(alice, what="a room whose name is taken")


@BOTH
def test_the_answer_to_too_much_has_no_violation(look, make_room, theme):
    room, username = make_room("alice"), {"light": "carol", "dark": "robot"}[theme]
    visitor = look(username, theme).visit(room).expects("status of 429")
    for _ in range(5):
        visitor.page.request.post("/rooms/99999/join", form={"csrf_token": token(visitor)})

    visitor.button("Join").click()

    expect(visitor.page.get_by_role("heading", name="A little slower, please")).to_be_visible()
    check(visitor, what="too much")


@BOTH
def test_a_fault_of_ours_has_no_violation(look, server, room, theme):
    """The table of edits is away for a moment: a page that needs it breaks."""
    ids = room.say("alice", "Whole")
    with server.app.app_context():
        db.session.execute(text("ALTER TABLE edits RENAME TO lost"))
        db.session.commit()
    try:
        alice = look("alice", theme).expects("status of 500").visit(f"/messages/{ids[0]}/history")
        expect(alice.page.get_by_role("heading", name="That broke, and it is our fault")).to_be_visible()
        check(alice, what="a fault of ours")
    finally:
        with server.app.app_context():
            db.session.execute(text("ALTER TABLE lost RENAME TO edits"))
            db.session.commit()


def token(window):
    return window.find("input[name=csrf_token]").first.input_value()


def test_setting_up_has_no_violation(look, tmp_path):
    empty = Server(tmp_path).start()
    try:
        for theme, narrow in (("light", False), ("dark", False), ("dark", True)):
            check(look(None, theme, narrow=narrow, at=empty).visit("/setup"), what=f"setting up, {theme}")
    finally:
        empty.close()


# ---- by the keyboard alone


def focused(window):
    at = "document.activeElement"
    return window.page.evaluate(f"{at}.ariaLabel || {at}.textContent.trim()")


def test_one_can_write_with_the_keyboard_alone(open_window, room):
    alice = open_window("alice", room).live()
    expect(alice.composer).to_be_focused()  # where one writes is where one begins
    alice.page.keyboard.type("no hands")
    alice.page.keyboard.press("Shift+Enter")
    alice.page.keyboard.type("**bold** ")
    alice.page.keyboard.press("Control+i")
    alice.page.keyboard.type("slanted")
    alice.page.keyboard.press("Enter")
    expect(alice.find(".message[data-id] em")).to_have_text("slanted")
    expect(alice.find(".message[data-id] strong")).to_have_text("bold")

    reached = set()
    for _ in range(14):
        alice.page.keyboard.press("Tab")
        reached.add(focused(alice))
        if "Send" in reached:
            break
    assert {"Mention someone", "Bold", "Italic", "Strike through", "Link"} <= reached
    assert {"List", "Numbered list", "Quote", "Code", "Block of code", "Send"} <= reached


def test_messages_are_reached_and_worked_on_with_the_keyboard_alone(open_window, room):
    room.say("bob", "His")
    alice = open_window("alice", room).live()
    alice.say("First", "Second")
    alice.sees("First", "Second")

    alice.timeline.focus()
    alice.page.keyboard.press("ArrowDown")
    expect(alice.message("Second")).to_be_focused()
    alice.page.keyboard.press("ArrowUp")
    expect(alice.message("First")).to_be_focused()
    alice.page.keyboard.press("Tab")
    reached, first = [], alice.message("First")
    while first.evaluate("(message) => message.contains(document.activeElement)"):
        reached.append(focused(alice))
        alice.page.keyboard.press("Tab")
    assert {"Copy link", "Mark unread from here", "Edit", "Delete…"} <= set(reached)

    alice.message("First").focus()
    alice.page.keyboard.press("e")
    editor = alice.page.get_by_label("Edit the message")
    expect(editor).to_be_focused()
    alice.page.keyboard.press("Control+a")
    alice.page.keyboard.type("First, and better")
    alice.page.keyboard.press("Enter")
    expect(alice.message("First, and better")).to_be_focused()
    alice.page.keyboard.press("ArrowDown")
    alice.page.keyboard.press("Delete")
    expect(alice.dialog).to_be_visible()
    alice.page.keyboard.press("Tab")
    alice.page.keyboard.press("Enter")
    expect(alice.find(".message--deleted")).to_be_focused()
    alice.page.keyboard.press("ArrowUp")
    alice.page.keyboard.press("u")
    expect(alice.find(".toast").last).to_contain_text("Unread from here")
    assert room.texts() == ["His", "First, and better"]


def test_a_link_is_copied_with_one_key(open_window, room):
    (id,) = room.say("bob", "Worth a link")
    alice = open_window("alice", room, permissions=["clipboard-read", "clipboard-write"]).live()

    alice.message("Worth a link").focus()
    alice.page.keyboard.press("l")

    expect(alice.find(".toast")).to_contain_text("Link copied")
    assert alice.page.evaluate("navigator.clipboard.readText()") == f"{room.server.url}{room}/messages/{id}"


def test_words_become_a_link_by_a_key_when_some_are_selected(open_window, room):
    alice = open_window("alice", room).live()
    alice.page.keyboard.type("tides")
    alice.page.keyboard.press("Shift+Home")

    alice.page.keyboard.press("Control+k")

    expect(alice.composer).to_have_value("[tides](https://)")
    expect(alice.find("#jump")).to_be_hidden()


def test_one_jumps_to_a_room_or_a_person_by_a_few_letters(open_window, make_room):
    room = make_room("alice", "bob", name="harbour-lights")
    bob = open_window("bob", "/rooms").live()

    bob.page.keyboard.press("Control+k")
    expect(bob.page.get_by_role("combobox", name="Room or person")).to_be_focused()
    bob.page.keyboard.type("harb")
    expect(bob.find("#jump [role=option][aria-selected=true]")).to_contain_text("harbour-lights")
    bob.page.keyboard.press("Enter")
    expect(bob.find(f"section.room[data-room-id='{room.id}']")).to_be_visible()

    bob.page.keyboard.press("Control+k")
    bob.page.keyboard.type("carol")
    expect(bob.find("#jump [role=option]")).to_contain_text(["Carol"])
    bob.page.keyboard.press("Enter")
    expect(bob.page).to_have_url(re.compile("/people/carol$"))
    bob.page.keyboard.press("Control+k")
    bob.page.keyboard.press("Escape")
    expect(bob.find("#jump")).to_be_hidden()
    assert len(bob.sockets) == 1


def test_the_keys_are_listed_and_escape_closes_the_list(open_window, room):
    bob = open_window("bob", room).live()
    bob.timeline.focus()
    bob.page.keyboard.press("?")
    expect(bob.page.get_by_role("dialog", name="Keys")).to_be_visible()
    bob.page.keyboard.press("Escape")
    expect(bob.page.get_by_role("dialog", name="Keys")).to_be_hidden()
    expect(bob.timeline).to_be_focused()
    bob.composer.focus()
    bob.page.keyboard.type("?")
    expect(bob.composer).to_have_value("?")
    expect(bob.page.get_by_role("dialog", name="Keys")).to_be_hidden()


def test_the_first_stop_is_the_way_past_the_sidebar(open_window, room):
    bob = open_window("bob", "/people")
    bob.page.keyboard.press("Tab")
    expect(bob.find(".skip")).to_be_focused()
    bob.page.keyboard.press("Enter")
    expect(bob.find("#main")).to_be_focused()


def test_what_comes_is_told_to_those_who_listen(open_window, room):
    bob = open_window("bob", room).live()
    room.say("alice", "Can you hear me?")
    expect(bob.find("[data-room-target=announce]")).to_have_text("Alice: Can you hear me?")
