import pytest

from chat.admin.actions import set_legal_hold
from chat.core.errors import Forbidden, NotFound
from chat.messages.actions import delete_message, edit_message
from chat.messages.presenter import present
from chat.messages.queries import edits_of, messages_by_id, page_before
from chat.rooms.actions import archive_room, leave_room, remove_member
from tests.factories import say


@pytest.fixture
def message(bob, general):
    return say(bob, general, "A secret for @alice")


def test_a_line_stays_in_its_place_and_the_text_is_gone_everywhere(live, message, alice, bob, general):
    edit_message(bob, message, "Another secret for @alice")
    seq, watcher = message.seq, live(alice, general)

    delete_message(bob, message)

    [(event, frame)] = watcher.received()
    assert (event, frame["change"]) == ("message", "deleted")
    assert frame["message"]["deleted_at"]
    assert "secret" not in str(frame)
    assert (message.text, message.html, message.mentions, edits_of(message)) == ("", "", [], [])
    assert [m.seq for m in page_before(general, None)[0]] == [seq]


def test_twice_is_once(live, message, alice, bob, general):
    delete_message(bob, message)
    gone_at, watcher = message.deleted_at, live(alice, general)

    assert delete_message(bob, message) is message
    assert watcher.frames() == []
    assert message.deleted_at == gone_at


def test_the_author_an_owner_and_whoever_runs_the_community_may(ada, alice, bob, general):
    for actor in (bob, alice, ada):
        message = say(bob, general, "Oops")
        assert delete_message(actor, message).deleted_by_id == actor.id


def test_others_may_not(message, carol, robot, general):
    for other in (robot, carol):
        with pytest.raises(Forbidden, match="Only an owner"):
            delete_message(other, message)
    assert message.text


def test_in_a_room_on_legal_hold_nobody_deletes_until_it_is_lifted(message, ada, alice, bob, general):
    set_legal_hold(ada, general, True)
    edit_message(bob, message, "Something else")
    for actor in (bob, alice, ada):
        with pytest.raises(Forbidden, match="legal hold"):
            delete_message(actor, message)
    assert [message.text, *(edit.text for edit in edits_of(message))] == ["Something else", "A secret for @alice"]

    set_legal_hold(ada, general, False)
    assert delete_message(bob, message).deleted_at


def test_nothing_is_deleted_in_an_archived_room_or_after_leaving(message, alice, bob, general):
    leave_room(bob, general)
    with pytest.raises(Forbidden, match="Join #general"):
        delete_message(bob, message)

    archive_room(alice, general)
    with pytest.raises(Forbidden, match="archived"):
        delete_message(alice, message)


def test_whoever_runs_the_community_has_no_say_in_private_rooms(ada, alice, bob, secret):
    message = say(bob, secret, "Ours")

    with pytest.raises(NotFound):
        delete_message(ada, message)
    remove_member(alice, secret, bob)
    with pytest.raises(NotFound):
        delete_message(bob, message)


def test_a_deleted_message_shows_nothing_of_what_it_was(message, bob):
    delete_message(bob, message)

    shown = present(messages_by_id([message.id])[message.id]).to_json()
    assert (shown["text"], shown["html"], shown["mentions"], shown["mentions_room"]) == ("", "", [], False)
    assert shown["seq"] < shown["v"]
