"""Slow mode, and the first hours of an account."""

from datetime import timedelta

import pytest

from chat.accounts.actions import assign_role
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Forbidden, Invalid, NotFound, RateLimited
from chat.core.transaction import transaction
from chat.messages.actions import edit_message, post_message
from chat.rooms.actions import set_role, slow_down
from chat.site.queries import the_site
from chat.streams.log import heads, since
from tests.assertions import assert_queries
from tests.contracts.test_queries import LOCKING
from tests.factories import say


def aged(message, **ago):
    with transaction():
        message.created_at = now() - timedelta(**ago)


def test_a_member_of_a_slow_room_waits_and_is_told_how_long(live, alice, bob, general):
    slow_down(alice, general, 30)
    socket = live(bob, general)
    assert socket.emit("message", {"room": general.id, "text": "One", "key": "1"})["ok"]

    answer = socket.emit("message", {"room": general.id, "text": "Two", "key": "2"})

    assert (answer["code"], 28 < answer["retry_after"] <= 30) == ("rate_limited", True)
    assert answer["message"] == "#general is slow: one message in 30 seconds. Try again in 30 seconds."
    assert len(socket.frames()) == 1


def test_after_the_wait_they_write_again(alice, bob, general):
    slow_down(alice, general, 30)
    aged(say(bob, general, "One"), seconds=31)

    assert say(bob, general, "Two").text == "Two"


def test_the_same_message_sent_again_is_answered_as_the_first_time(alice, bob, general):
    slow_down(alice, general, 300)
    first = say(bob, general, "One", key="k")

    assert say(bob, general, "One", key="k").id == first.id


def test_others_elsewhere_and_who_looks_after_the_room_do_not_wait(ada, alice, bob, robot, carol, general, secret):
    slow_down(alice, general, 300)
    set_role(alice, general, robot, "moderator")
    say(bob, general, "One")

    say(bob, secret, "Elsewhere")
    for actor in (alice, robot, ada):
        say(actor, general, "1")
        say(actor, general, "2")
    with pytest.raises(RateLimited):
        say(bob, general, "Two")


def test_slow_mode_is_told_in_the_room_and_setting_what_is_set_is_nothing(live, alice, bob, general):
    watcher, head = live(bob, general), heads([general.stream])[general.stream]
    slow_down(alice, general, 30)
    slow_down(alice, general, 30)
    slow_down(alice, general, 0)

    frames = watcher.received("room")
    assert [(frame["change"], frame["room"]["slow_mode_seconds"]) for frame in frames] == [
        ("slowed", 30),
        ("slowed", 0),
    ]
    assert "slowed the room down: one message in 30 seconds" in frames[0]["html"]
    assert "switched slow mode off" in frames[1]["html"]
    assert [entry.data for entry in since(general.stream, head)] == [
        {"by": alice.id, "seconds": 30}, {"by": alice.id, "seconds": 0},
    ]  # fmt: skip


def test_who_may_slow_a_room_down(ada, alice, bob, carol, general, secret):
    for actor in (bob, carol):
        with pytest.raises(Forbidden):
            slow_down(actor, general, 5)
    with pytest.raises(NotFound):
        slow_down(ada, secret, 5)
    with pytest.raises(Invalid) as refusal:
        slow_down(alice, general, 7)
    assert (refusal.value.field, general.slow_mode_seconds) == ("seconds", 0)
    assign_role(carol, "moderator")
    slow_down(carol, general, 5)
    assert general.slow_mode_seconds == 5


def test_on_the_page_members_see_the_pace_and_owners_set_it(sign_in, alice, bob, general):
    hers, his = sign_in(alice), sign_in(bob)
    assert f"{general.path}/pace" not in his.get(f"{general.path}/settings").text

    assert hers.post(f"{general.path}/pace", data={"seconds": "30"}).status_code == 303

    assert 'data-composer-pace-value="30"' in his.get(general.path).text
    assert "data-composer-pace-value" not in hers.get(general.path).text
    his.post(f"{general.path}/messages", data={"text": "One"})
    refused = his.post(f"{general.path}/messages", data={"text": "Two"})
    assert refused.status_code == 429
    assert "is slow" in refused.text
    assert refused.headers["Retry-After"]


def test_posting_asks_nothing_more_where_nothing_is_slowed(app, alice, bob, general):
    slow_down(alice, general, 30)
    slow_down(alice, general, 0)
    bob.id, general.id  # noqa: B018  loaded
    with assert_queries(4 + LOCKING):
        post_message(bob, general, "Hi", key="k")


# New accounts


@pytest.fixture
def new(app, alice, bob):
    """Accounts count as new for a day: bob's is, alice's is not."""
    with transaction():
        the_site().settings = {"new_account_hours": 24}
        alice.created_at = now() - timedelta(hours=25)
        bob.created_at = now() - timedelta(hours=23)


@pytest.mark.parametrize(
    "text",
    ["See https://example.org", "[here](http://example.org)", "<https://example.org>", "[me](mailto:x@example.org)",
     "[x](//example.org)", "| a |\n|-|\n| https://example.org |"],
)  # fmt: skip
def test_a_new_account_posts_no_links_old_ones_do(new, alice, bob, general, text):
    with pytest.raises(Invalid, match="Take the link out") as refusal:
        say(bob, general, text)
    assert refusal.value.field == "text"

    assert say(alice, general, text).text == text


def test_nor_does_it_by_editing(new, bob, general):
    message = say(bob, general, "Look here")

    with pytest.raises(Invalid, match="first 24 hours"):
        edit_message(bob, message, "https://example.org")
    assert message.text == "Look here"


def test_names_rooms_and_code_are_no_links(new, bob, general):
    for text in ("@alice see #general", "`https://example.org`", "Just words: nothing"):
        assert say(bob, general, text).text == text


def test_a_new_account_writes_so_many_messages_in_a_while(new, limits_on, alice, bob, general, secret):
    for n in range(10):
        say(bob, general if n % 2 else secret, str(n))

    with pytest.raises(RateLimited, match="a little more slowly") as refusal:
        say(bob, general, "11")

    assert 55 < refusal.value.retry_after <= 60
    for n in range(12):
        say(alice, general, str(n))


def test_those_who_run_the_community_are_never_new(new, ada, bob, general):
    ada.created_at = now()
    db.session.commit()

    say(ada, general, "https://example.org")
    assign_role(bob, "moderator")
    say(bob, general, "https://example.org")


def test_without_the_setting_nobody_is_new(bob, general):
    assert say(bob, general, "https://example.org")
