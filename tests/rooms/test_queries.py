import pytest

from chat.core.clock import now
from chat.core.errors import Conflict, Invalid, NotFound
from chat.core.transaction import transaction
from chat.rooms.actions import archive_room, create_room, leave_room, remove_member
from chat.rooms.queries import (
    joined_room_for,
    last_activity,
    member_counts,
    person_to_add,
    room_for,
    rooms_in_common,
    rooms_to_find,
)
from tests.factories import say


def names(rooms):
    return [room.name for room in rooms]


@pytest.mark.parametrize("room_id", [0, -1, 999, 2**31, 10**30, None, "1", 1.0])
def test_a_number_without_a_room(alice, room_id):
    with pytest.raises(NotFound) as refusal:
        room_for(alice, room_id)
    assert refusal.value.field == "room"


def test_a_private_room_is_as_if_it_were_not(ada, alice, bob, carol, secret):
    def refusal(actor, room_id):
        with pytest.raises(NotFound) as error:
            room_for(actor, room_id)
        return error.value.to_json()

    assert room_for(bob, secret.id) is secret
    assert refusal(carol, secret.id) == refusal(ada, secret.id) == refusal(carol, 999)
    remove_member(alice, secret, bob)
    assert refusal(bob, secret.id) == refusal(carol, 999)


def test_a_public_room_is_found_by_all_but_joined_only_by_members(bob, carol, general):
    assert room_for(carol, general.id) is general
    assert joined_room_for(bob, general.id) is general
    with pytest.raises(NotFound):
        joined_room_for(carol, general.id)


@pytest.fixture
def rooms(alice, bob, general, secret):
    """general and secret, and four more of bob's."""
    return [
        create_room(bob, "sea-trials", topic="Wind and weather"),
        create_room(bob, "100-days", topic="50% done_"),
        create_room(bob, "attic"),
        create_room(bob, "bobs-own", kind="private"),
    ]


def test_the_directory_has_open_rooms_and_ones_own_archived_ones_last(rooms, bob, carol):
    archive_room(bob, rooms[2])

    assert names(rooms_to_find(carol)) == ["100-days", "general", "sea-trials", "attic"]
    assert names(rooms_to_find(bob)) == ["100-days", "bobs-own", "general", "sea-trials", "secret", "attic"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("sea", ["sea-trials"]),
        ("#SEA", ["sea-trials"]),
        ("weather", ["sea-trials"]),
        ("%", ["100-days"]),
        ("_", ["100-days"]),
        ("\\", []),
        ("secret", []),
        ("bobs", []),
        ("a\0b", []),
        ("'; DROP TABLE rooms", []),
    ],
)
def test_words_find_names_and_topics_as_typed(rooms, carol, words, found):
    assert names(rooms_to_find(carol, words)) == found


def test_rooms_in_common_are_open_ones_and_those_of_both(rooms, alice, bob, carol):
    assert names(rooms_in_common(alice, bob)) == ["100-days", "attic", "general", "sea-trials", "secret"]
    assert names(rooms_in_common(carol, bob)) == ["100-days", "attic", "general", "sea-trials"]


def test_how_many_and_how_lately(alice, bob, general, secret):
    leave_room(bob, secret)
    message = say(alice, general, "now")

    assert member_counts([general.id, secret.id]) == {general.id: 4, secret.id: 1}
    assert last_activity([general])[general.id] >= message.created_at
    assert member_counts([]) == last_activity([]) == {}


# Whom somebody means


@pytest.mark.parametrize("typed", ["carol", "@Carol", " carol ", "CAROL@example.org", "carol@example.org"])
def test_a_person_is_found_by_user_name_e_mail_or_name(alice, carol, typed):
    assert person_to_add(alice, typed) is carol


def test_a_name_in_any_script_and_case(alice, carol):
    with transaction():
        carol.name = "Ängla Öst"

    assert person_to_add(alice, "Ängla Öst") is carol


def test_a_name_of_two_people_is_not_guessed(alice, carol, bob):
    with transaction():
        carol.name = bob.name = "Sam"

    with pytest.raises(Conflict, match="Several people are called sam"):
        person_to_add(alice, "sam")
    assert person_to_add(alice, "bob") is bob


@pytest.mark.parametrize("typed", ["nobody", "nobody@example.org", "a\0b", "%", "x" * 500])
def test_nobody_by_that_name(alice, typed):
    with pytest.raises(NotFound) as refusal:
        person_to_add(alice, typed)
    assert refusal.value.field == "person"


def test_nothing_typed(alice):
    with pytest.raises(Invalid):
        person_to_add(alice, " @ ")


def test_a_closed_account_is_not_found(alice, carol):
    with transaction():
        carol.deactivated_at = now()

    with pytest.raises(NotFound):
        person_to_add(alice, "carol")
