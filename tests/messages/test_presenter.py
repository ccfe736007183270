from datetime import UTC, date, datetime, timedelta

import pytest

from chat.core.transaction import transaction
from chat.messages import presenter
from chat.messages.actions import delete_message, edit_message
from chat.messages.presenter import day_words, present, present_sidebar, timeline
from chat.messages.queries import newest
from chat.rooms.actions import change_room, create_room, join_room, mark_read
from chat.streams.log import heads
from tests.assertions import assert_queries
from tests.factories import say

MORNING = datetime(2026, 11, 24, 9, 16, tzinfo=UTC)


@pytest.fixture
def shown(bob, general, monkeypatch):
    """shown() → what bob's newest page shows, each item in a few words."""
    monkeypatch.setattr(presenter, "now", lambda: MORNING)

    def words(item):
        if item.kind == "message":
            return ("+ " if item.grouped else "") + (item.view.text or "(deleted)")
        return {"day": "— {0.words}", "line": "· {0.kind}", "new": "NEW"}[item.kind].format(item.view)

    begun = heads([general.stream])[general.stream]

    def look(position=None, **bounds):
        messages, has_older = newest(general)
        bounds = {"after": begun, "upto": heads([general.stream])[general.stream]} | bounds
        found = timeline(
            general, messages, viewer=bob, has_older=has_older, has_newer=False, position=position, **bounds
        )
        return [words(item) for item in found.items]

    return look


@pytest.fixture
def write(app):
    """write(author, room, text, minutes=0) posts at 09:16 plus so many minutes."""

    def write(author, room, text, minutes=0):
        message = say(author, room, text)
        with transaction():
            message.created_at = MORNING + timedelta(minutes=minutes)
        return message

    return write


@pytest.mark.parametrize(
    ("minutes", "expected"), [(0, "+ 2"), (4.9, "+ 2"), (5, "2")], ids=["at once", "a little later", "later"]
)
def test_what_one_says_within_five_minutes_is_one_group(shown, write, alice, general, minutes, expected):
    write(alice, general, "1")
    write(alice, general, "2", minutes)

    assert shown()[-2:] == ["1", expected]


def test_another_author_a_deletion_and_an_event_end_a_group(shown, write, alice, bob, carol, general):
    write(alice, general, "1")
    write(bob, general, "2")
    delete_message(bob, write(bob, general, "3"))
    write(bob, general, "4")
    join_room(carol, general)
    write(bob, general, "5")

    shown = [words for words in shown() if not words.startswith("—")]
    assert shown == ["1", "2", "(deleted)", "4", "· joined", "5"]


def test_days_are_the_readers_own(shown, write, alice, bob, general):
    write(alice, general, "yesterday", -60 * 24)
    write(alice, general, "1")
    write(alice, general, "2", 60 * 3)
    assert shown() == ["— Yesterday", "yesterday", "— Today", "1", "2"]

    with transaction():
        bob.time_zone = "Pacific/Kiritimati"  # fourteen hours ahead: there midnight lies between the two
    assert shown()[2:] == ["— Today", "1", "— Wednesday, 25 November", "2"]


@pytest.mark.parametrize(
    ("day", "words"),
    [
        (date(2026, 11, 24), "Today"),
        (date(2026, 11, 23), "Yesterday"),
        (date(2026, 11, 22), "Sunday, 22 November"),
        (date(2025, 1, 1), "Wednesday, 1 January 2025"),
    ],
)
def test_days_in_words(day, words):
    assert day_words(day, date(2026, 11, 24)) == words


def test_the_new_line_stands_before_the_first_unread_message_of_others(shown, write, alice, bob, general):
    read = write(alice, general, "1")
    write(bob, general, "mine")
    delete_message(alice, write(alice, general, "gone"))
    write(alice, general, "2")
    write(alice, general, "3")

    assert [w for w in shown(position=read.seq) if w != "(deleted)"][-4:] == ["mine", "NEW", "2", "+ 3"]
    assert "NEW" not in shown(position=heads([general.stream])[general.stream])
    assert "NEW" not in shown(position=None)


def test_events_outside_the_page_are_not_on_it(shown, alice, carol, general):
    join_room(carol, general)
    head = heads([general.stream])[general.stream]

    assert "· joined" in shown()
    assert "· joined" not in shown(upto=head - 1)
    assert "· joined" not in shown(after=head)


def test_an_edited_message_says_so(alice, general):
    message = say(alice, general, "Frist")
    assert present(message).edited_at is None

    edit_message(alice, message, "First")
    assert present(message).edited_at.endswith("Z")


def test_the_sidebar_counts_at_a_number(alice, bob, general):
    say(alice, general, "one @bob")
    last = say(alice, general, "two")

    [place] = present_sidebar(bob, general.id).places
    assert (place.unread, place.mentions, place.cursor, place.current) == (2, 1, last.seq, True)
    mark_read(bob, general, last.seq)
    [place] = present_sidebar(bob).places
    assert (place.unread, place.mentions, place.position, place.current) == (0, 0, last.seq, False)


def test_the_sidebar_lists_rooms_by_name_with_archived_ones_last(alice, general):
    change_room(alice, create_room(alice, "zoo"), name="aquarium", topic="", description="")
    create_room(alice, "birds", kind="private")

    assert [place.room.name for place in present_sidebar(alice).places] == ["aquarium", "birds", "general"]


def test_the_sidebar_costs_the_same_for_any_number_of_rooms(app, alice, bob):
    def cost():
        bob.id  # noqa: B018  loaded
        with assert_queries(6):
            present_sidebar(bob)

    cost()
    for n in range(5):
        join_room(bob, create_room(alice, f"room {n}"))
    cost()
