"""Connections end when the session or the person behind them does; nothing newer reaches them."""

import pytest

from chat.accounts.actions import change_password, end_other_sessions, end_session
from chat.accounts.actions.sessions import end_all_but
from chat.accounts.events import UserEnded
from chat.accounts.queries import live_session, sessions_of
from chat.core.db import db
from chat.core.transaction import transaction
from chat.rooms.actions import add_member, join_room, leave_room, remove_member
from chat.streams.log import ACCESS, lock, next_seq
from tests.factories import PASSWORD, say


@pytest.fixture
def connections(app):
    return app.extensions["live"].connections


@pytest.fixture
def two(live, bob):
    """Two windows of bob's, each with a session of its own."""
    return live(bob), live(bob)


def session_of(client, connections):
    db.session.rollback()
    sid = client.socketio.server.manager.sid_from_eio_sid(client.client.eio_sid, "/chat")
    return live_session(connections.get(sid).token)


def bye(client):
    return client.received("bye")


def test_signing_out_ends_that_window_and_no_other(two, connections, alice, bob, general):
    ended, other = two
    end_session(bob, session_of(ended, connections))
    say(alice, general, "newer")

    assert ended.received() == [("bye", {"reason": "revoked", "after_ms": 0})]
    assert other.frames() == [("message", "posted", "newer")]
    assert len(connections.of(bob.id)) == 1
    assert ended.emit("read", {"room": general.id, "seq": 1})["code"] == "unauthorized"


def test_a_new_password_ends_all_windows_but_the_one_it_was_typed_in(two, connections, alice, bob, general):
    kept, ended = two
    change_password(bob, session_of(kept, connections), current=PASSWORD, new="walnut ferry copper dusk")
    say(alice, general, "newer")

    assert [name for name, _ in ended.received()] == ["bye"]
    assert kept.frames() == [("message", "posted", "newer")]


def test_signing_out_everywhere_ends_all_of_ones_own_and_nobody_elses(two, live, connections, alice, bob, general):
    others = live(alice)
    end_other_sessions(bob)
    say(alice, general, "newer")

    assert [len(bye(client)) for client in two] == [1, 1]
    assert connections.of(bob.id) == []
    assert others.frames() == [("message", "posted", "newer")]


def test_what_is_written_in_the_same_transaction_reaches_nobody_who_was_signed_out(two, alice, bob, general):
    with transaction() as record:
        lock(general.stream, ACCESS)
        end_all_but(record, bob, None)
        say(alice, general, "newer")

    assert [[name for name, _ in client.received()] for client in two] == [["bye"], ["bye"]]


def test_a_revocation_by_another_process_is_met_at_the_next_poll(two, pump, alice, bob, general):
    wake, pump.wake = pump.wake, lambda *_: None
    with transaction() as record:
        lock(ACCESS)
        end_all_but(record, bob, None)
    pump.wake = wake
    db.session.rollback()
    pump.poll()

    assert [len(bye(client)) for client in two] == [1, 1]


def test_whoever_was_signed_out_is_no_longer_shown_as_here(two, live, presence, alice, bob):
    watcher = live(alice)
    watcher.received(namespace="/presence")
    end_other_sessions(bob)

    assert watcher.received("presence", namespace="/presence") == [{"user": bob.id, "state": "offline"}]
    assert bob.id not in presence.shown


def test_signed_out_windows_cannot_come_back(app, live, bob):
    client = live(bob)
    token = app.extensions["live"].connections.of(bob.id)[0].token
    end_other_sessions(bob)
    db.session.rollback()

    assert live_session(token) is None
    assert sessions_of(bob) == []
    assert client.emit("resume", {"epoch": "", "streams": {}})["code"] == "unauthorized"


# Removal from a room


def test_from_a_removal_on_the_room_is_silent_and_its_stream_gone(live, alice, bob, secret):
    theirs = live(bob)
    say(alice, secret, "1")
    remove_member(alice, secret, bob)
    say(alice, secret, "2")

    assert [text for _, _, text in theirs.frames()] == ["1"]
    answer = theirs.emit("resume", {"epoch": theirs.hello["epoch"], "streams": {secret.stream: 1}})
    assert answer["streams"] == {secret.stream: {"gone": True}}


def test_what_follows_a_removal_in_the_same_transaction_is_not_sent_to_them(live, alice, bob, secret):
    theirs, hers = live(bob), live(alice)
    with transaction():
        say(alice, secret, "before")
        remove_member(alice, secret, bob)
        say(alice, secret, "after")

    assert [text for _, _, text in theirs.frames()] == ["before"]
    assert [text for _, _, text in hers.frames()] == ["before", None, "after"]


def test_who_comes_back_gets_what_is_said_from_then_on(live, alice, bob, secret):
    theirs = live(bob)
    remove_member(alice, secret, bob)
    say(alice, secret, "without him")
    add_member(alice, secret, bob)
    say(alice, secret, "with him again")

    assert [text for event, _, text in theirs.frames() if event == "message"] == ["with him again"]


def test_removal_and_return_in_one_transaction_leave_one_subscription(live, alice, bob, general):
    theirs = live(bob)
    with transaction():
        leave_room(bob, general)
        join_room(bob, general)
    theirs.received()
    say(alice, general, "once")

    assert theirs.frames() == [("message", "posted", "once")]


def test_what_ended_before_somebody_came_does_not_end_what_they_came_with(live, pump, alice, bob, general):
    wake, pump.wake = pump.wake, lambda *_: None
    with transaction() as record:  # by another process; this one has not heard of it yet
        lock(ACCESS)
        end_all_but(record, bob, None)
        record(UserEnded(bob.id, None, next_seq(ACCESS)))
    pump.wake = wake
    again = live(bob)

    say(alice, general, "newer")
    pump.poll()

    assert again.frames() == [("message", "posted", "newer")]
    assert again.received("bye") == []
