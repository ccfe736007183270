import pytest

from chat.core.errors import Conflict, Forbidden, Invalid, NotFound
from chat.messages.actions import delete_message, edit_message
from chat.messages.presenter import present
from chat.messages.queries import edits_of
from chat.rooms.actions import archive_room, leave_room, remove_member
from tests.factories import say


@pytest.fixture
def message(bob, general):
    return say(bob, general, "Frist")


def test_everyone_sees_the_new_text_in_the_same_place(live, message, alice, bob, general):
    seq, head, watcher = message.seq, message.v, live(alice, general)

    edit_message(bob, message, "First")

    assert watcher.frames() == [("message", "edited", "First")]
    assert (message.seq, message.v, message.rev) == (seq, head + 1, 2)
    assert message.edited_at is not None
    assert message.html == "<p>First</p>"


def test_every_text_it_had_is_kept(message, bob):
    edit_message(bob, message, "First")
    edit_message(bob, message, "First!")

    assert [(edit.rev, edit.text, edit.html) for edit in edits_of(message)] == [
        (2, "First", "<p>First</p>"),
        (1, "Frist", "<p>Frist</p>"),
    ]


def test_an_edit_to_the_present_text_changes_nothing_whatever_its_rev(live, message, alice, bob, general):
    edit_message(bob, message, "First")
    watcher = live(alice, general)

    edit_message(bob, message, "First", rev=1)

    assert watcher.frames() == []
    assert message.rev == 2


def test_an_edit_of_an_older_text_is_refused_and_shows_the_present_one(message, bob):
    edit_message(bob, message, "First", rev=1)

    with pytest.raises(Conflict) as refusal:
        edit_message(bob, message, "Fyrst", rev=1)
    assert refusal.value.to_json()["message"].startswith("This message was edited")
    assert refusal.value.to_json()["current"] == present(message).to_json()
    assert message.text == "First"


@pytest.mark.parametrize("text", ["", " \n", "\x00\u202e", "x" * 20_001])
def test_a_text_that_could_not_be_posted_is_no_edit_either(message, bob, text):
    with pytest.raises(Invalid) as refusal:
        edit_message(bob, message, text)
    assert refusal.value.field == "text"
    assert message.text == "Frist"


def test_only_the_author_edits_and_only_while_writing_is_possible(message, ada, alice, bob, general):
    for other in (alice, ada):  # an owner of the room and whoever runs the community
        with pytest.raises(Forbidden, match="Only the author"):
            edit_message(other, message, "Mine now")

    archive_room(alice, general)
    with pytest.raises(Forbidden, match="archived"):
        edit_message(bob, message, "Later")


def test_who_has_left_no_longer_edits(message, bob, general):
    leave_room(bob, general)

    with pytest.raises(Forbidden, match="Join #general"):
        edit_message(bob, message, "From outside")


def test_who_was_removed_from_a_private_room_finds_no_message(alice, bob, secret):
    message = say(bob, secret, "Ours")
    remove_member(alice, secret, bob)

    with pytest.raises(NotFound):
        edit_message(bob, message, "Still here?")


def test_a_deleted_message_cannot_be_edited(message, bob):
    delete_message(bob, message)

    with pytest.raises(NotFound):
        edit_message(bob, message, "Back again")
    assert edits_of(message) == []


def test_mentions_follow_the_text(message, alice, bob, carol):
    edit_message(bob, message, "@alice and @carol")
    assert [mention.user_id for mention in message.mentions] == [alice.id, carol.id]

    edit_message(bob, message, "only @carol")
    assert [mention.user_id for mention in message.mentions] == [carol.id]
    assert message.mentions[0].seq == message.seq


def test_calling_everyone_in_an_edit_takes_the_same_right_as_in_a_post(message, alice, bob, general):
    edit_message(bob, message, "@room")
    assert not message.mentions_room

    mine = say(alice, general, "hello")
    edit_message(alice, mine, "hello @room")
    assert mine.mentions_room
