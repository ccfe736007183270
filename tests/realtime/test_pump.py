"""Order without gaps, whether changes come from this process or from another one."""

from datetime import timedelta

import pytest

from chat.accounts.actions import end_other_sessions
from chat.core.clock import now
from chat.core.db import db
from chat.core.transaction import transaction
from chat.messages.actions import delete_message, edit_message
from chat.realtime.pump import Handed
from chat.rooms.actions import add_member, create_room, remove_member
from chat.streams import log
from chat.streams.models import Entry
from tests.factories import say


@pytest.fixture
def elsewhere(pump, monkeypatch):
    """elsewhere(action, …): as another process on the same database does it; nothing is handed over here."""

    def elsewhere(action, *args, **more):
        with monkeypatch.context() as patch:
            patch.setattr(pump, "follows", {})
            patch.setattr(pump, "hinted", lambda *hint: None)
            done = action(*args, **more)
        db.session.rollback()
        return done

    return elsewhere


@pytest.fixture
def watcher(live, bob, general):
    return live(bob, general)


def texts(client):
    return [text for _, _, text in client.frames()]


def test_what_another_process_wrote_comes_with_the_next_poll(watcher, elsewhere, pump, alice, general):
    elsewhere(say, alice, general, "far away")
    assert texts(watcher) == []

    pump.poll()
    assert texts(watcher) == ["far away"]
    pump.poll()
    assert texts(watcher) == []


def test_of_all_streams_a_poll_looks_only_after_those_where_something_waits(
    watcher, elsewhere, pump, alice, bob, general, monkeypatch
):
    looked_after, advance = [], pump._advance
    monkeypatch.setattr(pump, "_advance", lambda follow: (looked_after.append(follow.name), advance(follow)))
    pump.poll()
    assert looked_after == [] and {general.stream, bob.stream} < set(pump.follows)

    elsewhere(say, alice, general, "far away")
    pump.poll()
    assert set(looked_after) == {general.stream}


def test_a_hint_brings_it_sooner(watcher, elsewhere, pump, alice, general):
    message = elsewhere(say, alice, general, "far away")

    pump.hinted(general.stream, message.seq)
    assert texts(watcher) == ["far away"]


def test_what_many_streams_miss_is_read_at_once(watcher, elsewhere, pump, monkeypatch, alice, general, secret):
    hints = [(room.stream, elsewhere(say, alice, room, room.name).seq) for room in (general, secret)]
    begun, reads = [], pump.reads
    monkeypatch.setattr(pump, "spawn", lambda function, *args: begun.append((function, args)))
    for hint in hints:
        pump.hinted(*hint)
    [(function, args)] = begun
    function(*args)

    assert texts(watcher) == [general.name, secret.name]
    assert pump.reads == reads + 1


def test_messages_as_they_were_posted_need_no_other_look(watcher, elsewhere, pump, monkeypatch, alice, general):
    for n in range(3):
        message = elsewhere(say, alice, general, f"@bob {n}")
    monkeypatch.setattr(pump, "_look", lambda follow: 1 / 0)
    pump.hinted(general.stream, message.seq)

    frames = watcher.received("message")
    assert [frame["message"]["text"] for frame in frames] == ["@bob 0", "@bob 1", "@bob 2"]
    assert all(frame["message"]["mentions"] == [watcher.user_id] for frame in frames)


def test_a_message_that_was_changed_since_is_shown_as_it_is_now(watcher, elsewhere, pump, alice, general):
    edited, deleted = elsewhere(say, alice, general, "Frist"), elsewhere(say, alice, general, "nonsense")
    head = elsewhere(say, alice, general, "Second").seq
    elsewhere(edit_message, alice, edited, "First")
    elsewhere(delete_message, alice, deleted)
    pump.hinted(general.stream, head)

    assert texts(watcher)[:3] == ["First", "", "Second"]


def test_a_hint_of_a_revocation_ends_the_connection_without_a_poll(live, elsewhere, pump, bob):
    his = live(bob)
    elsewhere(end_other_sessions, bob)
    assert his.received("bye") == []
    head = log.heads([log.ACCESS])[log.ACCESS]
    db.session.rollback()

    pump.hinted(log.ACCESS, head)
    assert his.received("bye") == [{"reason": "revoked", "after_ms": 0}]


def test_who_was_signed_out_elsewhere_gets_nothing_that_was_said_after(live, elsewhere, pump, alice, bob, general):
    """The hint of the message is there first."""
    his, hers = live(bob), live(alice)
    elsewhere(end_other_sessions, bob)
    message = elsewhere(say, alice, general, "newer")
    pump.hinted(general.stream, message.seq)

    assert [name for name, _ in his.received()] == ["bye"]
    assert texts(hers) == ["newer"]


def test_a_hint_that_promises_too_much_or_too_little_does_no_harm(watcher, pump, alice, general):
    head = log.heads([general.stream])[general.stream]
    db.session.rollback()
    for wrong in (head + 5, head - 3, 0, -1):
        pump.hinted(general.stream, wrong)
        pump.hinted(log.ACCESS, wrong)
    pump.hinted("room:999", 7)
    say(alice, general, "here")

    assert texts(watcher) == ["here"]


def test_a_frame_of_what_the_database_does_not_hold_is_dropped_and_stops_nothing(watcher, pump, alice, general):
    """As when an older copy took its place between the commit and this."""
    follow = pump.follows[general.stream]
    follow.handed[follow.cursor + 3] = Handed(None, pump.access, None, None)

    pump.poll()
    say(alice, general, "here")

    assert texts(watcher) == ["here"]


def test_each_of_two_applications_in_a_process_tells_its_own(app, settings, watcher, alice, general):
    """The one that was made last knows nothing of what happens in the first."""
    from chat import create_app
    from tests.conftest import at_once

    create_app(settings, spawn=at_once)
    say(alice, general, "here")

    assert texts(watcher) == ["here"]


def test_ones_own_change_waits_for_what_another_process_wrote_before(watcher, elsewhere, alice, general):
    elsewhere(say, alice, general, "1, far away")
    say(alice, general, "2, here")

    assert texts(watcher) == ["1, far away", "2, here"]


def test_many_missed_changes_come_in_order_and_once(watcher, elsewhere, pump, pad, alice, general):
    message = elsewhere(say, alice, general, "much")
    pad(message, 300)
    db.session.rollback()
    pump.poll()

    numbers = [payload["seq"] for payload in watcher.received("message")]
    assert numbers == list(range(message.seq, message.seq + 301))


def test_removal_by_another_process_is_exact(watcher, elsewhere, pump, live, alice, bob, general):
    hers = live(alice, general)
    elsewhere(say, alice, general, "1")
    elsewhere(remove_member, alice, general, bob)
    elsewhere(say, alice, general, "2")
    pump.poll()

    assert "2" not in texts(watcher)
    assert [text for text in texts(hers) if text] == ["1", "2"]


def test_being_added_by_another_process_begins_a_subscription(watcher, elsewhere, pump, alice, bob):
    room = elsewhere(create_room, alice, "plans", kind="private")
    elsewhere(add_member, alice, room, bob)
    pump.poll()
    assert [payload["change"] for payload in watcher.received("me")] == ["room_added"]

    say(alice, room, "welcome")
    assert texts(watcher) == ["welcome"]


def test_below_the_floor_everybody_begins_anew_at_the_head(watcher, elsewhere, pump, alice, general):
    for n in range(3):
        elsewhere(say, alice, general, str(n))
    with transaction():
        db.session.execute(
            db.update(Entry).where(Entry.stream == general.stream).values(created_at=now() - timedelta(days=99))
        )
        log.prune(now() - timedelta(days=90))
    db.session.rollback()
    pump.poll()

    head = log.heads([general.stream])[general.stream]
    db.session.rollback()
    assert watcher.received("subscribed") == [{"stream": general.stream, "head": head}]
    say(alice, general, "goes on")
    assert texts(watcher) == ["goes on"]


def test_an_entry_that_cannot_be_shown_stops_nothing(watcher, elsewhere, pump, alice, general):
    message = elsewhere(say, alice, general, "1")
    with transaction():
        db.session.execute(
            db.update(Entry).where(Entry.stream == general.stream, Entry.seq == message.seq).values(subject_id=999)
        )
    db.session.rollback()
    pump.poll()
    say(alice, general, "goes on")

    assert texts(watcher)[-1] == "goes on"


@pytest.mark.parametrize("broken", ["_ask", "_look"])
def test_a_read_that_fails_is_tried_again(watcher, elsewhere, pump, monkeypatch, alice, bob, general, broken):
    elsewhere(edit_message, alice, elsewhere(say, alice, general, "0"), "1")
    with monkeypatch.context() as patch:
        patch.setattr(pump, broken, lambda what: 1 / 0)
        pump.poll()
    assert texts(watcher) == []

    pump.poll()
    assert texts(watcher) == ["1", "1"]


def test_streams_without_listeners_are_let_go(watcher, pump, bob, general):
    assert general.stream in pump.follows
    watcher.client.disconnect("/chat")
    assert not pump.follows


def test_two_processes_show_the_same(app, settings, live, watcher, pump, alice, bob, general):
    """A second Parley on the same database, each with its listener."""
    from chat import create_app
    from tests.assertions import LiveClient
    from tests.conftest import at_once

    other = create_app(settings, spawn=at_once)
    with other.app_context():
        second = other.extensions["live"].pump
        second.epoch, second.access = pump.epoch, pump.access
        far = LiveClient(other, alice)
        say(alice, general, "over there")
        say(alice, general, "**@bob**, look")
        message = say(bob, general, "Frist")
        edit_message(bob, message, "First")
        there = far.received("message")
        db.session.remove()
        db.engine.dispose()
    db.session.rollback()
    pump.poll()

    here = watcher.received("message")
    assert [frame["seq"] for frame in here] == [frame["seq"] for frame in there]
    assert [here[0], here[1], here[-1]] == [there[0], there[1], there[-1]]  # the second one's text was edited since
