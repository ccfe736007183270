import pytest

from chat.core.ledger import read
from chat.messages.actions import delete_message
from chat.messages.policy import can_delete, can_edit, can_post, can_see_history
from chat.messages.queries import place_of
from chat.rooms.actions import archive_room, leave_room
from tests.factories import say

RULES = {"edit": can_edit, "delete": can_delete, "history": can_see_history}


@pytest.fixture
def message(bob, general):
    return say(bob, general, "Hi")


#              author  owner  steward  member  visitor
ANSWERS = {
    "edit":    (True,  False, False,   False,  False),
    "delete":  (True,  True,  True,    False,  False),
    "history": (True,  True,  True,    False,  False),
}  # fmt: skip


@pytest.mark.parametrize("verb", RULES)
def test_who_may_do_what_to_a_message(request, message, verb):
    standings = ("bob", "alice", "ada", "robot", "carol")
    answers = tuple(bool(RULES[verb](request.getfixturevalue(name), message)) for name in standings)

    assert answers == ANSWERS[verb]


def test_an_archived_room_can_only_be_read(message, alice, bob, general):
    archive_room(alice, general)

    for verdict in (
        can_post(place_of(read, bob.id, general.id)),
        can_edit(bob, message),
        can_delete(bob, message),
        can_delete(alice, message),
    ):
        assert not verdict
        assert verdict.reason == "#general is archived. Open it again first."


def test_who_has_left_still_sees_the_history_of_what_they_wrote(message, alice, bob, general):
    leave_room(bob, general)

    assert can_see_history(bob, message)
    assert not can_edit(bob, message)
    delete_message(alice, message)
