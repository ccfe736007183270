import pytest

from chat.core.errors import Conflict, Forbidden, Invalid, NotFound
from chat.messages.actions import post_message
from tests.factories import say


def test_everyone_in_the_room_sees_a_new_message_and_nobody_else(live, alice, bob, carol, general):
    in_room, outside = live(bob, general), live(carol)

    say(alice, general, "Is this thing on?")

    assert in_room.frames() == [("message", "posted", "Is this thing on?")]
    assert outside.frames() == []


def test_the_same_key_is_the_same_message(alice, general):
    first = post_message(alice, general, "Once", key="k")

    assert post_message(alice, general, "Once", key="k") is first
    with pytest.raises(Conflict):
        post_message(alice, general, "Twice", key="k")


def test_whoever_is_not_in_the_room_may_not_post(carol, general, secret):
    with pytest.raises(Forbidden, match="Join #general"):
        say(carol, general, "Hello?")
    with pytest.raises(NotFound):
        say(carol, secret, "Hello?")


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 20_001])
def test_a_text_that_cannot_be_posted_is_refused(alice, general, text):
    with pytest.raises(Invalid) as refusal:
        say(alice, general, text)
    assert refusal.value.field == "text"
