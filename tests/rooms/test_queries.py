from functools import partial

import pytest

from chat.core.clock import now
from chat.core.errors import Conflict, Invalid, NotFound
from chat.core.transaction import transaction
from chat.rooms.actions import archive_room, create_room, leave_room, remove_member, set_role
from chat.rooms.queries import (
    count_of_members,
    count_of_rooms_to_find,
    joined_room_for,
    last_activity,
    member_counts,
    members,
    members_for,
    membership_of,
    person_to_add,
    room_for,
    rooms_in_common,
    rooms_to_find,
)
from tests.assertions import pages_of
from tests.factories import crowd, say


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

    assert names(rooms_to_find(carol)[0]) == ["100-days", "general", "sea-trials", "attic"]
    assert names(rooms_to_find(bob)[0]) == ["100-days", "bobs-own", "general", "sea-trials", "secret", "attic"]


def test_the_directory_comes_a_page_at_a_time_and_each_room_once(rooms, bob, carol):
    archive_room(bob, rooms[2])

    pages = pages_of(partial(rooms_to_find, bob), 2)

    assert list(map(names, pages)) == [["100-days", "bobs-own"], ["general", "sea-trials"], ["secret", "attic"]]
    assert list(map(names, pages_of(partial(rooms_to_find, carol, "t"), 1))) == [["sea-trials"], ["attic"]]
    assert (count_of_rooms_to_find(bob), count_of_rooms_to_find(carol, "t")) == (6, 2)


def test_of_a_hidden_room_not_even_the_place_in_the_alphabet_is_told(rooms, carol, secret):
    assert names(rooms_to_find(carol, after=rooms[0].id)[0]) == []
    assert rooms_to_find(carol, after=secret.id) == rooms_to_find(carol, after=99999) == rooms_to_find(carol)


def test_people_in_a_room_come_a_page_at_a_time_owners_first(alice, bob, general):
    for user in crowd(4):  # who are in general from the start
        assert membership_of(user, general).role == "member"
    set_role(alice, general, bob, "moderator")

    pages = pages_of(partial(members_for, general), 3, id="user_id")

    assert [[m.user.name for m in page] for page in pages] == [
        ["Ada", "Alice", "Bob"], ["Person 0", "Person 1", "Person 2"], ["Person 3", "Robot"],
    ]  # fmt: skip
    assert [m for page in pages for m in page] == members(general)


def test_people_in_a_room_are_searched_by_name_and_user_name(alice, carol, general):
    crowd(3)

    def found(q):
        return [m.user.username for m in members_for(general, q)[0]]

    assert found("PERSON 1") == ["person.1"]
    assert found("@bo") == ["bob", "robot"]
    assert found("carol") == found("%") == []  # who is not in it
    assert [count_of_members(general, q) for q in ("person", "@bo", "carol")] == [3, 2, 0]


def test_the_list_of_a_room_goes_on_after_whoever_was_last_and_begins_anew_after_who_was_never_there(
    alice, bob, carol, general
):
    def after(person):
        return [m.user.name for m in members_for(general, after=person.id)[0]]

    assert after(bob) == ["Robot"]
    assert after(carol) == ["Ada", "Alice", "Bob", "Robot"]


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
    assert names(rooms_to_find(carol, words)[0]) == found


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
