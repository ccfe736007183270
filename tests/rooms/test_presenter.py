from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from chat.accounts.queries import users_by_id
from chat.rooms.actions import (
    add_member,
    archive_room,
    change_room,
    create_room,
    join_room,
    leave_room,
    open_as_owner,
    remove_member,
    restore_room,
    set_role,
    slow_down,
)  # fmt: skip
from chat.rooms.presenter import ICONS, LINES, clock_words, people_in, present_line, present_room, rooms_of_person
from chat.streams import log

MOMENT = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)


@pytest.fixture
def lines(app):
    """lines(room) → its lines as views."""

    def lines(room):
        entries = [entry for entry in log.since(room.stream, 0) if entry.kind in LINES]
        people = users_by_id(people_in(entries))
        return [present_line(entry, people, v=entry.seq) for entry in entries]

    return lines


def test_a_line_says_what_happened_to_whom_and_by_whom(lines, alice, bob, carol):
    room = create_room(alice, "attic")
    join_room(bob, room)
    add_member(alice, room, carol)
    set_role(alice, room, carol, "owner")
    remove_member(alice, room, bob)
    change_room(carol, room, name="loft", topic="t", description="d")
    archive_room(carol, room)
    restore_room(carol, room)
    leave_room(carol, room)

    assert [(line.kind, line.user.name, line.by and line.by.name) for line in lines(room)] == [
        ("created", "Alice", "Alice"),
        ("joined", "Alice", "Alice"),
        ("joined", "Bob", "Bob"),
        ("joined", "Carol", "Alice"),
        ("role", "Carol", "Alice"),
        ("left", "Bob", "Alice"),
        ("renamed", "Carol", "Carol"),
        ("topic", "Carol", "Carol"),
        ("description", "Carol", "Carol"),
        ("archived", "Carol", "Carol"),
        ("restored", "Carol", "Carol"),
        ("left", "Carol", "Carol"),
    ]


def test_every_line_has_a_picture_and_a_sentence(app, lines, ada, alice, bob, secret):
    from flask import get_template_attribute

    room = create_room(alice, "attic")
    join_room(bob, room)
    set_role(alice, room, bob, "owner")
    change_room(alice, room, name="loft", topic="t", description="d")
    archive_room(alice, room)
    restore_room(alice, room)
    slow_down(alice, room, 30)
    leave_room(bob, room)
    open_as_owner(ada, secret.id, "Why")

    draw = get_template_attribute("rooms/_event.html", "event_line")
    shown = lines(room) + lines(secret)
    assert {line.kind for line in shown} == set(ICONS)
    for line in shown:
        assert f"#icon-{line.icon}" in draw(line)


def test_a_room_on_the_wire(alice):
    room = create_room(alice, "attic", kind="private", topic="Old things")

    assert present_room(room).to_json() == {
        "id": room.id, "kind": "private", "name": "attic", "topic": "Old things", "description": "", "archived": False,
        "slow_mode_seconds": 0, "v": room.v,
    }  # fmt: skip


def test_a_rooms_picture_says_what_it_is(alice, general):
    private = create_room(alice, "attic", kind="private")
    assert [present_room(room).icon for room in (general, private)] == ["hash", "lock"]
    archive_room(alice, private)
    assert present_room(private).icon == "archive"


def test_a_persons_rooms_are_shown_as_far_as_the_viewer_may_see_them(alice, bob, carol, general, secret):
    assert [room.name for room in rooms_of_person(alice, bob)] == ["general", "secret"]
    assert [room.name for room in rooms_of_person(carol, bob)] == ["general"]


def test_clocks_are_the_readers_own():
    assert clock_words(MOMENT) == "23:30"
    assert clock_words(MOMENT, ZoneInfo("Asia/Kolkata")) == "05:00"
