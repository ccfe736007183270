"""What a client missed: each rule of `resume`, one by one."""

from datetime import timedelta

import pytest

from chat.core.clock import now
from chat.core.db import db
from chat.core.transaction import transaction
from chat.messages.actions import delete_message, edit_message
from chat.realtime import subscriptions
from chat.realtime.json import dumps
from chat.rooms.actions import add_member, create_room, join_room, leave_room, mark_read, remove_member
from chat.rooms.queries import membership_of
from chat.site.models import Site
from chat.streams import log
from chat.streams.models import Entry
from tests.factories import say


@pytest.fixture
def socket(live, bob):
    return live(bob)


@pytest.fixture
def resume(socket):
    """resume({stream: cursor}) → what the answer says of each."""

    def resume(streams, **more):
        answer = socket.emit("resume", {"epoch": socket.hello["epoch"], "streams": streams, **more})
        assert answer["ok"] and answer["epoch"] == socket.hello["epoch"], answer
        return answer["streams"]

    return resume


def head(stream):
    db.session.rollback()
    return log.heads([stream])[stream]


def changes(part):
    return [(event, payload["change"], payload.get("message", {}).get("text")) for event, payload in part["frames"]]


# What was missed


def test_what_was_missed_comes_as_it_would_have_live(socket, resume, alice, general):
    cursor = head(general.stream)
    say(alice, general, "1")
    message = say(alice, general, "2")
    live = socket.received("message")

    part = resume({general.stream: cursor})[general.stream]
    assert [payload for _, payload in part["frames"]] == live
    assert {name: part[name] for name in ("head", "upto", "more")} == {
        "head": message.seq, "upto": message.seq, "more": False,
    }  # fmt: skip


def test_the_present_is_shown_not_the_past(resume, alice, general):
    cursor = head(general.stream)
    message, gone = say(alice, general, "Frist"), say(alice, general, "A secret")
    edit_message(alice, message, "First")
    delete_message(alice, gone)

    part = resume({general.stream: cursor})[general.stream]
    assert changes(part) == [
        ("message", "posted", "First"),
        ("message", "posted", ""),
        ("message", "edited", "First"),
        ("message", "deleted", ""),
    ]
    assert "secret" not in str(part)
    assert all(payload["message"]["v"] >= payload["seq"] for _, payload in part["frames"])


def test_nothing_missed_is_an_empty_answer_with_counts(resume, alice, bob, general):
    message = say(alice, general, "@bob")
    position = mark_read(bob, general, message.seq - 1)

    assert resume({general.stream: message.seq}) == {
        general.stream: {
            "head": message.seq, "frames": [], "upto": message.seq, "more": False, "unread": 1, "mentions": 1,
            "read": {"seq": message.seq - 1, "v": position.v},
        }
    }  # fmt: skip


def test_ones_own_stream_and_the_sites_have_no_counts(resume, alice, bob, general):
    cursor = head(bob.stream)
    mark_read(bob, general, 1)
    room = create_room(alice, "plans", kind="private")
    add_member(alice, room, bob)

    streams = resume({bob.stream: cursor, "site": head("site")})
    assert [(event, payload["change"]) for event, payload in streams[bob.stream]["frames"]][-1] == ("me", "room_added")
    assert set(streams[bob.stream]) == set(streams["site"]) == {"head", "frames", "upto", "more"}


# Where one stands


def test_without_a_copy_one_learns_where_the_stream_stands(resume, alice, general):
    say(alice, general, "1")

    part = resume({general.stream: None})[general.stream]
    assert (part["head"], part["frames"]) == (head(general.stream), [])
    assert "unread" in part


def test_all_tells_of_the_rooms_that_were_not_named(resume, alice, general, secret):
    named = head(general.stream)

    assert set(resume({general.stream: named})) == {general.stream}
    streams = resume({general.stream: named}, all=True)
    assert set(streams) == {general.stream, secret.stream}
    assert streams[secret.stream]["frames"] == []
    assert streams[secret.stream]["head"] == head(secret.stream)


# reset


@pytest.mark.parametrize("epoch", ["", "another", "x" * 1000])
def test_another_epoch_is_a_reset_of_everything(socket, general, epoch):
    answer = socket.emit("resume", {"epoch": epoch, "streams": {general.stream: 1}, "all": True})

    assert answer == {"ok": True, "epoch": socket.hello["epoch"], "streams": {"*": {"reset": True}}}


def test_a_number_above_the_head_is_a_reset(resume, general, bob):
    for beyond in (1, 10**9):
        streams = {name: head(name) + beyond for name in (general.stream, bob.stream, "site")}
        assert resume(streams) == {name: {"reset": True} for name in streams}


def test_a_number_below_the_floor_is_a_reset(resume, alice, general):
    for n in range(3):
        say(alice, general, str(n))
    newest = head(general.stream)
    joined = membership_of(alice, general).joined
    with transaction():
        db.session.execute(
            db.update(Entry)
            .where(Entry.stream == general.stream, Entry.seq <= newest - 1)
            .values(created_at=now() - timedelta(days=100))
        )
        log.prune(now() - timedelta(days=90))

    assert joined < newest - 2
    assert resume({general.stream: newest - 2}) == {general.stream: {"reset": True}}
    assert len(resume({general.stream: newest - 1})[general.stream]["frames"]) == 1


def test_a_copy_from_before_ones_membership_began_is_a_reset(resume, alice, bob, general):
    cursor = head(general.stream)
    leave_room(bob, general)
    say(alice, general, "not for bob's copy")
    join_room(bob, general)
    joined = membership_of(bob, general).joined

    assert resume({general.stream: cursor}) == {general.stream: {"reset": True}}
    assert resume({general.stream: joined - 1}) == {general.stream: {"reset": True}}
    assert resume({general.stream: joined})[general.stream]["frames"] == []


def test_more_than_two_thousand_missing_is_a_reset(resume, pad, alice, general):
    message = say(alice, general, "1")
    pad(message, 2000)
    assert resume({general.stream: message.seq})[general.stream]["more"]
    assert resume({general.stream: message.seq - 1}) == {general.stream: {"reset": True}}


def test_an_entry_that_cannot_be_shown_is_a_reset(resume, nothing_at_hand, alice, general):
    cursor = head(general.stream)
    message = say(alice, general, "1")
    with transaction():
        db.session.execute(
            db.update(Entry).where(Entry.stream == general.stream, Entry.seq == message.seq).values(subject_id=999)
        )
    nothing_at_hand()

    assert resume({general.stream: cursor}) == {general.stream: {"reset": True}}


def test_a_hole_in_the_log_is_a_reset(resume, nothing_at_hand, alice, general):
    cursor = head(general.stream)
    message = say(alice, general, "1")
    say(alice, general, "2")
    with transaction():
        db.session.execute(db.delete(Entry).where(Entry.stream == general.stream, Entry.seq == message.seq))
    nothing_at_hand()

    assert resume({general.stream: cursor}) == {general.stream: {"reset": True}}


# gone


def test_rooms_one_is_not_in_are_gone_whether_they_exist_or_not(live, carol, alice, general, secret):
    socket = live(carol)
    names = [general.stream, secret.stream, f"user:{alice.id}", "access", "nonsense", "", "room", "user:0", "user:x"]
    names += [f"room:{number}" for number in ("999", "0", "01", "-1", "x", "", "1e3", "99999999999", "١")]

    for cursor in (0, 1, None, 10**9):
        answer = socket.emit("resume", {"epoch": socket.hello["epoch"], "streams": dict.fromkeys(names, cursor)})
        assert answer["streams"] == {name: {"gone": True} for name in names}


def test_a_room_one_was_removed_from_is_gone(resume, alice, bob, secret):
    cursor = head(secret.stream)
    remove_member(alice, secret, bob)
    say(alice, secret, "psst")

    assert resume({secret.stream: cursor}, all=True)[secret.stream] == {"gone": True}


# How much one answer holds


@pytest.fixture
def bytes_enough(monkeypatch):
    """So that the number of frames is what counts."""
    monkeypatch.setattr(subscriptions, "MOST_BYTES", 10**8)


def through(resume, stream, cursor):
    """Every page of an answer, one request after the other."""
    pages = []
    while True:
        part = resume({stream: cursor})[stream]
        pages.append(part)
        cursor = part["upto"]
        if not part["more"]:
            return pages


def test_five_hundred_frames_and_the_rest_on_further_pages(bytes_enough, resume, pad, alice, general):
    message = say(alice, general, "1")
    pad(message, 1100)

    pages = through(resume, general.stream, message.seq)
    assert [len(page["frames"]) for page in pages] == [500, 500, 100]
    assert [page["upto"] - message.seq for page in pages] == [500, 1000, 1100]
    assert [payload["seq"] for page in pages for _, payload in page["frames"]] == list(
        range(message.seq + 1, message.seq + 1101)
    )
    assert ["unread" in page for page in pages] == [False, False, True]


def test_what_fills_an_answer_and_the_rest_on_further_pages(resume, alice, general):
    cursor = head(general.stream)
    for n in range(40):
        say(alice, general, f"{n} " + "x" * 19_000)

    pages = through(resume, general.stream, cursor)
    assert len(pages) > 5
    assert all(len(dumps(page["frames"])) < 128 * 1024 + 1000 for page in pages)
    assert sum(len(page["frames"]) for page in pages) == 40


def test_a_single_frame_that_is_too_large_still_comes(resume, monkeypatch, alice, general):
    monkeypatch.setattr(subscriptions, "MOST_BYTES", 100)
    cursor = head(general.stream)
    say(alice, general, "1")
    say(alice, general, "2")

    assert [len(page["frames"]) for page in through(resume, general.stream, cursor)] == [1, 1]


def test_the_room_named_first_comes_first_when_not_all_fits(bytes_enough, resume, pad, alice, general, secret):
    first, second = say(alice, secret, "1"), say(alice, general, "1")
    pad(first, 400), pad(second, 400)

    streams = resume({secret.stream: first.seq, general.stream: second.seq})
    assert [len(streams[name]["frames"]) for name in (secret.stream, general.stream)] == [400, 100]
    assert (streams[secret.stream]["more"], streams[general.stream]["more"]) == (False, True)
    assert "unread" not in streams[general.stream]


def test_when_nothing_more_fits_a_stream_waits_at_its_number(bytes_enough, resume, pad, alice, general, secret):
    first, second = say(alice, secret, "1"), say(alice, general, "1")
    pad(first, 600), pad(second, 5)

    part = resume({secret.stream: first.seq, general.stream: second.seq})[general.stream]
    assert (part["frames"], part["upto"], part["more"]) == ([], second.seq, True)


# Subscriptions


def test_resuming_makes_up_for_a_subscription_that_was_missed(socket, resume, pump, alice, bob, monkeypatch):
    room = create_room(alice, "plans", kind="private")
    reconcile, pump.reconcile = pump.reconcile, lambda *_: None
    add_member(alice, room, bob)
    pump.reconcile = reconcile
    say(alice, room, "unheard")
    assert socket.frames() == []

    cursor = membership_of(bob, room).joined
    assert changes(resume({room.stream: cursor})[room.stream]) == [("message", "posted", "unheard")]
    say(alice, room, "heard")
    assert socket.frames() == [("message", "posted", "heard")]


def test_a_restored_backup_is_met_with_a_reset(app, socket, pump, general):
    with transaction():
        db.session.get(Site, 1).epoch = "restored"
    db.session.rollback()
    pump.poll()

    assert ("reset", {"stream": "*", "reason": "epoch"}) in socket.received()
    assert app.extensions["live"].connections.all() == []
    assert pump.epoch == "restored"
