"""Unread and mention counts against a count by hand, under whatever people may do."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.core.db import db
from chat.core.errors import ChatError
from chat.messages.actions import delete_message, edit_message
from chat.messages.models import Message
from chat.messages.queries import unread_counts
from chat.rooms.actions import (
    add_member,
    create_room,
    join_room,
    leave_room,
    mark_all_read,
    mark_read,
    mark_unread,
    remove_member,
)  # fmt: skip
from chat.rooms.models import Membership, Position
from chat.streams.log import heads
from tests import factories
from tests.factories import say


def by_hand(user):
    """{room id: (head, unread, mentions)} as somebody with patience would count."""
    found = {}
    for membership in db.session.query(Membership).filter_by(user_id=user.id):
        if membership.role is None:
            continue
        position = db.session.get(Position, (user.id, membership.room_id))
        above = [
            message
            for message in db.session.query(Message).filter_by(room_id=membership.room_id)
            if message.seq > position.seq and message.author_id != user.id and not message.deleted_at
        ]
        called = [m for m in above if m.mentions_room or f"@{user.username}" in m.text]
        head = heads([f"room:{membership.room_id}"])[f"room:{membership.room_id}"]
        found[membership.room_id] = (head, len(above), len(called))
    return found


@pytest.fixture
def count(app):
    """count(user, room) → (unread, mentions)."""
    return lambda user, room: unread_counts(user.id)[room.id][1:]


def test_what_others_say_is_unread_and_ones_own_is_not(count, alice, bob, general):
    say(alice, general, "1")
    say(bob, general, "2 @bob")
    say(alice, general, "3 @bob")

    assert count(bob, general) == (2, 1)
    assert count(alice, general) == (1, 0)


def test_a_call_to_everyone_that_also_names_one_counts_once(count, alice, bob, general):
    say(alice, general, "@room and @bob")

    assert count(bob, general) == (1, 1)


def test_a_deleted_message_no_longer_waits(count, alice, bob, general):
    message = say(alice, general, "@bob @room")
    delete_message(alice, message)

    assert count(bob, general) == (0, 0)


def test_an_edit_may_add_or_take_a_mention_and_makes_nothing_unread_again(count, alice, bob, general):
    message = say(alice, general, "hi")
    edit_message(alice, message, "hi @bob")
    assert count(bob, general) == (1, 1)

    mark_read(bob, general, message.seq)
    edit_message(alice, message, "hi @bob and @room")
    assert count(bob, general) == (0, 0)


def test_what_was_said_before_joining_counts_as_read(count, alice, carol, general):
    say(alice, general, "@carol before")
    join_room(carol, general)
    say(alice, general, "after")

    assert count(carol, general) == (1, 0)


def test_nobody_counts_rooms_they_are_not_in(alice, carol, general):
    say(alice, general, "@carol")

    assert unread_counts(carol.id) == {}
    assert unread_counts(alice.id, []) == {}


VERBS = ["say"] * 3 + ["name", "call", "edit", "delete", "read", "unread", "all", "join", "leave", "add", "remove"]
STEP = st.tuples(st.sampled_from(VERBS), st.integers(0, 3), st.integers(0, 3), st.integers(0, 40))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEP, min_size=5, max_size=20))
def test_counts_are_right_after_whatever_people_do(app, steps):
    people = [factories.person(name) for name in ("alice", "bob", "carol", "robot")]
    number = db.session.query(Membership).count()  # examples share a database: each has rooms of its own
    open_room, private = (
        create_room(people[0], f"open {number}"),
        create_room(people[0], f"own {number}", kind="private"),
    )

    for verb, who, whom, n in steps:
        actor, other, room = people[who], people[whom], private if n % 2 else open_room
        said = db.session.query(Message).filter_by(room_id=room.id).order_by(Message.seq).all()
        message = said[n % len(said)] if said else None
        try:
            if verb in ("say", "name", "call"):
                say(actor, room, {"say": "hi", "name": f"@{other.username}", "call": "@room"}[verb])
            elif verb == "edit" and message:
                edit_message(actor, message, f"@{other.username} {n}" if n % 3 else f"@room {n}")
            elif verb == "delete" and message:
                delete_message(actor, message)
            elif verb in ("read", "unread"):
                (mark_read if verb == "read" else mark_unread)(actor, room, n)
            elif verb == "all":
                mark_all_read(actor)
            elif verb in ("join", "leave"):
                (join_room if verb == "join" else leave_room)(actor, room)
            elif verb in ("add", "remove"):
                (add_member if verb == "add" else remove_member)(actor, room, other)
        except ChatError:
            pass  # refused: then nothing changed
        for person in {actor, other}:
            assert unread_counts(person.id) == by_hand(person)
    for person in people:
        assert unread_counts(person.id) == by_hand(person)
