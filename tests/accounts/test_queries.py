"""The list of people, a page at a time."""

from functools import partial

import pytest

from chat.accounts.actions import create_user, update_profile
from chat.accounts.queries import count_for, people_for
from chat.core.clock import now
from chat.rooms.actions import add_member, create_room
from tests.assertions import assert_queries, pages_of
from tests.factories import crowd


def names(page):
    return [user.name for user in page]


def renamed(user, name):
    update_profile(user, name=name, username=user.username, bio="", time_zone="UTC")


def test_people_come_a_page_at_a_time_by_name_and_each_once(alice):
    crowd(7)

    pages = pages_of(partial(people_for, alice), 5)

    assert list(map(names, pages)) == [
        ["Ada", "Alice", "Bob", "Carol", "Person 0"],
        ["Person 1", "Person 2", "Person 3", "Person 4", "Person 5"],
        ["Person 6", "Robot"],
    ]
    assert count_for(alice) == 12


def test_those_of_one_name_are_on_one_page_each(alice):
    for user in crowd(5):
        renamed(user, "The same")

    found = [user.id for page in pages_of(partial(people_for, alice), 2) for user in page]

    assert len(found) == len(set(found)) == 10


def test_a_search_has_pages_of_its_own(alice):
    crowd(12)

    pages = pages_of(partial(people_for, alice, "SON 1"), 2)

    assert list(map(names, pages)) == [["Person 1", "Person 10"], ["Person 11"]]
    assert (count_for(alice, "SON 1"), count_for(alice, "@p"), count_for(alice, "%")) == (3, 12, 0)


def test_nobody_is_missed_or_shown_twice_when_others_come_and_go_between_two_pages(alice, bob, change):
    first, _ = people_for(alice, limit=3)
    change(first[0], deactivated_at=now())
    renamed(bob, "Bobby")
    crowd(1)
    rest, more = people_for(alice, after=first[-1].id, limit=3)

    assert names(first) == ["Ada", "Alice", "Bobby"]
    assert (names(rest), more) == (["Carol", "Person 0", "Robot"], False)


def test_whoever_was_last_on_a_page_may_be_gone_when_the_next_is_asked_for(alice, bob, change):
    change(bob, deactivated_at=now())

    assert names(people_for(alice, after=bob.id)[0]) == ["Carol", "Robot"]


@pytest.mark.parametrize("after", [0, -1, 2**31, 2**70, None])
def test_an_end_of_a_page_that_is_none_begins_at_the_beginning(alice, after):
    assert names(people_for(alice, after=after)[0])[0] == "Ada"


def test_a_guest_learns_nothing_of_where_strangers_stand_in_the_alphabet(alice, bob):
    guest = create_user(name="Zoe", email="zoe@example.org", password_hash="", role="guest")
    add_member(alice, create_room(alice, "club", kind="private"), guest)

    assert names(people_for(guest, after=alice.id)[0]) == ["Zoe"]
    assert names(people_for(guest, after=bob.id)[0]) == names(people_for(guest)[0]) == ["Alice", "Zoe"]


def test_a_page_is_one_question_whatever_the_number_of_people(alice):
    crowd(30)
    assert alice.role == "member"  # read again, as another request would have it

    with assert_queries(1):
        people_for(alice, limit=10)
