import pytest
from sqlalchemy import update

from chat.accounts.models import User
from chat.core.db import db
from chat.core.errors import NotFound
from chat.messages.actions import delete_message
from chat.messages.queries import (
    message_for,
    messages_by_id,
    newest,
    page_after,
    page_around,
    page_before,
    people_named,
    rooms_named,
)
from chat.rooms.actions import leave_room, remove_member
from tests.factories import say


@pytest.fixture
def said(alice, bob, general):
    """Ten messages of two people."""
    return [say((alice, bob)[n % 2], general, str(n)) for n in range(10)]


def texts(messages):
    return " ".join(message.text for message in messages)


def test_the_newest_page_ends_at_the_head(said, general):
    messages, has_older = newest(general, limit=3)

    assert (texts(messages), has_older) == ("7 8 9", True)


@pytest.mark.parametrize(("limit", "has_older"), [(9, True), (10, False), (11, False)])
def test_a_page_knows_whether_there_is_more(said, general, limit, has_older):
    messages, older = newest(general, limit=limit)

    assert (len(messages), older) == (min(limit, 10), has_older)
    found, newer = page_after(general, 0, limit=limit)
    assert (len(found), newer) == (min(limit, 10), has_older)


def test_pages_walk_back_and_forth_without_a_gap_or_a_repeat(said, general):
    back, before = [], None
    while True:
        messages, has_older = page_before(general, before, limit=3)
        back[:0], before = messages, messages[0].seq
        if not has_older:
            break
    forth, after, has_newer = [], 0, True
    while has_newer:
        messages, has_newer = page_after(general, after, limit=3)
        forth, after = forth + list(messages), messages[-1].seq

    assert back == forth == said


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (0, ("0 1", False, True)),
        (1, ("0 1 2", False, True)),
        (5, ("3 4 5 6", True, True)),
        (9, ("7 8 9", True, False)),
    ],
)
def test_a_page_around_a_message_has_half_of_it_on_each_side(said, general, at, expected):
    messages, has_older, has_newer = page_around(general, said[at].seq, limit=4)

    assert (texts(messages), has_older, has_newer) == expected


def test_people_are_shown_as_they_are_now_though_they_were_read_before(said, alice):
    assert said[0].author.name == "Alice"
    renamed = update(User).where(User.id == alice.id).values(name="Alice the Great")
    db.session.execute(renamed.execution_options(synchronize_session=False))  # as another process does it

    assert messages_by_id([said[0].id])[said[0].id].author.name == "Alice the Great"


def test_an_empty_room_has_an_empty_page(general):
    assert newest(general) == ([], False)
    assert page_after(general, 0) == ([], False)
    assert page_around(general, 5) == ([], False, False)


def test_deleted_messages_keep_their_place_on_pages(said, alice, general):
    delete_message(alice, said[4])

    messages, _ = newest(general)
    assert [message.seq for message in messages] == [message.seq for message in said]
    assert messages[4].deleted_at


def test_other_rooms_are_not_on_the_page(said, alice, general, secret):
    say(alice, secret, "elsewhere")

    assert newest(secret)[0][-1].text == "elsewhere"
    assert "elsewhere" not in texts(newest(general)[0])


@pytest.mark.parametrize("message_id", [0, -1, 999, 2**31, 10**30, True, None, "1"])
def test_no_message_by_that_number(alice, general, message_id):
    with pytest.raises(NotFound):
        message_for(alice, message_id if message_id is not True else False)


def test_a_message_in_a_private_room_is_found_by_those_inside_only(ada, alice, bob, carol, secret):
    message = say(alice, secret, "Ours")
    assert message_for(bob, message.id) is message

    def refusal(actor, message_id):
        with pytest.raises(NotFound) as error:
            message_for(actor, message_id)
        return error.value.to_json()

    assert refusal(carol, message.id) == refusal(ada, message.id) == refusal(carol, 999)
    remove_member(alice, secret, bob)
    assert refusal(bob, message.id) == refusal(carol, 999)


def test_a_message_in_a_public_room_is_found_by_everyone(alice, bob, carol, general):
    message = say(alice, general, "Hi")
    leave_room(bob, general)

    assert message_for(bob, message.id) is message_for(carol, message.id) is message


def test_names_are_looked_up_at_once_or_not_at_all(alice, bob, general, secret):
    assert people_named({"bob", "nobody"}) == {"bob": (bob.id, "Bob", "/people/bob")}
    assert rooms_named({"general", "secret", "nowhere"}) == {"general": (general.id, general.path)}
    assert people_named(set()) == rooms_named(set()) == {}
