from datetime import timedelta

import pytest

from chat.core.clock import now
from chat.core.errors import Conflict, Forbidden, Invalid, NotFound, Unauthorized
from chat.core.transaction import transaction
from chat.messages.actions import delete_message, edit_message, post, post_message
from chat.rooms.actions import archive_room, leave_room
from chat.streams.log import heads
from tests.factories import say


def test_everyone_in_the_room_sees_a_new_message_and_nobody_else(live, alice, bob, carol, general):
    in_room, outside = live(bob, general), live(carol)

    say(alice, general, "Is this thing on?")

    assert in_room.frames() == [("message", "posted", "Is this thing on?")]
    assert outside.frames() == []


def test_the_same_key_is_the_same_message(alice, general):
    first = post_message(alice, general, "Once", key="k")

    assert post_message(alice, general, "Once", key="k") == first
    with pytest.raises(Conflict):
        post_message(alice, general, "Twice", key="k")


def test_where_one_process_has_a_clock_that_is_ahead_times_stand_still_and_never_go_back(
    alice, bob, general, secret, monkeypatch
):
    right, ahead = now(), now() + timedelta(hours=1)
    later, times = ahead + timedelta(seconds=1), []
    for author, clock in ((alice, right), (alice, ahead), (bob, right), (alice, right), (bob, later)):
        monkeypatch.setattr(post, "now", lambda clock=clock: clock)
        times.append(say(author, general, "Hi").created_at)

    assert times == [right, ahead, ahead, ahead, later]
    monkeypatch.setattr(post, "now", lambda: right)
    assert say(alice, secret, "Hi").created_at == right, "another room has times of its own"


def test_whoever_is_not_in_the_room_may_not_post(carol, general, secret):
    with pytest.raises(Forbidden, match="Join #general"):
        say(carol, general, "Hello?")
    with pytest.raises(NotFound):
        say(carol, secret, "Hello?")


def test_an_account_that_was_closed_meanwhile_posts_nothing_but_hears_of_what_it_posted(bob, general):
    first = post_message(bob, general, "Hi", key="k")
    with transaction():
        bob.deactivated_at = now()

    with pytest.raises(Unauthorized, match="closed"):
        say(bob, general, "me too")
    assert post_message(bob, general, "Hi", key="k") == first


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 20_001])
def test_a_text_that_cannot_be_posted_is_refused(alice, general, text):
    with pytest.raises(Invalid) as refusal:
        say(alice, general, text)
    assert refusal.value.field == "text"


def test_a_message_takes_the_next_number_of_its_room(alice, bob, general, secret):
    before = heads([general.stream])[general.stream]

    first, elsewhere, second = say(alice, general, "1"), say(bob, secret, "1"), say(bob, general, "2")

    assert (first.seq, second.seq) == (before + 1, before + 2)
    assert elsewhere.seq != second.seq
    assert (first.v, first.rev) == (first.seq, 1)


def test_a_refused_post_leaves_no_gap(alice, bob, carol, general):
    first = say(alice, general, "1")
    with pytest.raises(Forbidden):
        say(carol, general, "no")
    with pytest.raises(Conflict):
        post_message(alice, general, "other", key=first.key)

    assert say(bob, general, "2").seq == first.seq + 1


def test_what_cannot_be_seen_is_dropped_and_the_rest_kept(alice, general):
    assert say(alice, general, "\r\n  a\r\nb\0\u202e\u2066c \n\n").text == "a\nbc"
    assert say(alice, general, "👩‍👩‍👧 \u200fعربى").text == "👩‍👩‍👧 \u200fعربى"


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 65, "é", "\n", None])
def test_a_key_that_cannot_be_kept_is_refused(alice, general, key):
    with pytest.raises(Invalid) as refusal:
        post_message(alice, general, "Hi", key=key)
    assert refusal.value.field == "key"


def test_the_longest_text_and_key_fit(alice, general):
    assert len(post_message(alice, general, "é" * 20_000, key="k" * 64).text) == 20_000


# Keys


def test_keys_are_the_authors_own(alice, bob, general):
    assert post_message(alice, general, "Hi", key="k").id != post_message(bob, general, "Hi", key="k").id


def test_the_same_key_in_another_room_is_a_conflict(alice, general, secret):
    post_message(alice, general, "Hi", key="k")

    with pytest.raises(Conflict) as refusal:
        post_message(alice, secret, "Hi", key="k")
    assert refusal.value.field == "key"


def test_a_retry_gets_the_message_whatever_became_of_it(live, alice, bob, general):
    message = say(alice, general, "Hi", key="k")
    edit_message(alice, message, "Hello")
    assert post_message(alice, general, "Hi", key="k").text == "Hello"

    delete_message(alice, message)
    watcher = live(bob, general)
    assert post_message(alice, general, "Hi", key="k").deleted_at
    assert watcher.frames() == []


def test_a_retry_is_answered_after_the_room_was_left_or_archived(alice, bob, general):
    message = post_message(bob, general, "Hi", key="k")
    leave_room(bob, general)
    archive_room(alice, general)

    assert post_message(bob, general, "Hi", key="k").id == message.id


@pytest.mark.parametrize(("text", "same"), [("Hi", True), ("Ho", False)])
def test_of_two_with_one_key_the_index_refuses_the_second_which_takes_no_number(alice, general, text, same):
    first = post_message(alice, general, "Hi", key="k")

    if same:
        assert post_message(alice, general, text, key="k") == first
    else:
        with pytest.raises(Conflict):
            post_message(alice, general, text, key="k")
    assert heads([general.stream])[general.stream] == first.seq


# Mentions


def test_a_message_remembers_whom_it_names(alice, bob, carol, general):
    message = say(alice, general, "@bob and @carol, not `@robot`")

    assert [(m.user_id, m.room_id, m.seq) for m in message.mentions] == [
        (bob.id, general.id, message.seq),
        (carol.id, general.id, message.seq),
    ]


def test_only_an_owner_calls_the_whole_room(ada, alice, bob, general):
    assert say(alice, general, "@room").mentions_room
    assert say(ada, general, "@room").mentions_room
    assert not say(bob, general, "@room").mentions_room


def test_a_private_room_is_no_link_even_for_its_members(alice, secret, general):
    assert "<a" not in say(alice, secret, "see #secret").html
    assert f'href="{general.path}"' in say(alice, secret, "see #general").html


def test_deactivated_people_cannot_be_named(alice, bob, general):
    with transaction():
        bob.deactivated_at = now()

    assert say(alice, general, "@bob").mentions == []
