"""Muting and blocking: a filter at the reader, and nowhere else."""

import pytest

from chat.accounts.actions import set_block
from chat.accounts.policy import can_block
from chat.accounts.queries import blocks_of
from chat.core.errors import Forbidden, Invalid
from chat.core.transaction import run_in_session
from chat.messages.queries import standings, unread_counts
from chat.rooms.actions import mark_all_read
from chat.streams.log import heads
from tests.factories import say


def counts(user, room):
    return unread_counts(user.id)[room.id][1:]


def test_what_a_muted_person_writes_is_read_already_and_they_can_still_call(alice, bob, robot, general):
    mark_all_read(alice)
    set_block(alice, bob, "mute")

    say(bob, general, "Hi")
    say(bob, general, "@alice")
    say(robot, general, "Hi")

    assert counts(alice, general) == (1, 1)


def test_a_blocked_person_cannot_call_either(alice, bob, robot, general):
    mark_all_read(bob)
    set_block(bob, alice, "block")

    say(alice, general, "@bob")
    say(alice, general, "@room")
    say(alice, general, "@room @bob")
    say(robot, general, "@bob")

    assert counts(bob, general) == (1, 1)
    row = standings(run_in_session, bob.id)[general.id]
    assert (row.unread, row.mentions) == (1, 1)
    set_block(bob, alice, None)
    assert counts(bob, general) == (4, 4)


def test_frames_stay_the_same_for_all(live, alice, bob, robot, general):
    set_block(alice, bob, "block")
    hers, others = live(alice, general), live(robot, general)

    say(bob, general, "@alice")

    assert hers.received("message") == others.received("message") != []


def test_it_is_told_to_ones_own_windows_and_to_nobody_else(live, alice, bob):
    hers, his = live(alice), live(bob)

    set_block(alice, bob, "mute")
    set_block(alice, bob, "block")

    frames = hers.received("me")
    assert [frame["change"] for frame in frames] == ["blocks", "blocks"]
    assert frames[-1]["blocks"] == {"mute": [], "block": [bob.id]}
    assert his.received() == []


def test_setting_what_is_set_changes_nothing(alice, bob):
    set_block(alice, bob, "mute")
    head = heads([alice.stream])
    set_block(alice, bob, "mute")
    assert heads([alice.stream]) == head

    set_block(alice, bob, None)
    set_block(alice, bob, None)

    assert blocks_of(alice.id) == {}


def test_what_cannot_be(alice, bob, robot):
    with pytest.raises(Forbidden, match="yourself"):
        set_block(alice, alice, "mute")
    with pytest.raises(Invalid):
        set_block(alice, bob, "ignore")
    robot.role = "bot"
    assert not can_block(robot, bob)
    assert blocks_of(alice.id) == {}


def test_without_script_it_is_a_button_on_their_page_and_a_list_in_the_settings(sign_in, alice, bob, general):
    browser = sign_in(alice)
    say(bob, general, "Hi")

    assert browser.post("/people/bob/hear", data={"kind": "mute"}).location == "/people/bob"

    assert "You muted" in browser.get("/people/bob").text
    page = browser.get(general.path).text
    assert "message--muted" in page
    assert "Muted: show" in page
    assert f'data-mute="{bob.id}"' in page
    assert "Bob" in browser.get("/settings/privacy").text
    browser.post("/people/bob/hear", data={"kind": ""})
    assert "You hear everybody" in browser.get("/settings/privacy").text
    assert "message--muted" not in browser.get(general.path).text
    assert browser.post("/people/bob/hear", data={"kind": "x"}).status_code == 422
