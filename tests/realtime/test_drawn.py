"""What many missed is drawn once, and shows the present all the same."""

import orjson
import pytest

from chat.accounts.actions import update_profile
from chat.core.db import db
from chat.core.transaction import transaction
from chat.messages.actions import delete_message, edit_message
from chat.messages.models import Message
from chat.realtime import subscriptions
from chat.realtime.drawn import MOST_SENT, Drawings, One
from chat.realtime.frames import Frame
from chat.rooms.actions import change_room, mark_read
from chat.streams import log
from chat.streams.log import Moment
from chat.streams.models import Entry, Stream
from tests.factories import say


@pytest.fixture
def drawn(monkeypatch):
    """[(stream, [numbers])] of what had to be drawn."""
    drawn, present = [], subscriptions.present

    def noted(stream, entries, guests=()):
        drawn.append((stream, [entry.seq for entry in entries]))
        return present(stream, entries, guests)

    monkeypatch.setattr(subscriptions, "present", noted)
    return drawn


@pytest.fixture
def resume(live):
    """resume(person, stream, cursor) → the payloads that they missed."""

    def resume(person, stream, cursor):
        socket = live(person)
        answer = socket.emit("resume", {"epoch": socket.hello["epoch"], "streams": {stream: cursor}})
        return [payload for _, payload in answer["streams"][stream]["frames"]]

    return resume


def head(stream):
    db.session.rollback()
    return log.heads([stream])[stream]


def texts(payloads):
    return [payload["message"]["text"] for payload in payloads]


def test_who_missed_the_same_as_others_costs_no_drawing(resume, drawn, alice, bob, general):
    cursor = head(general.stream)
    for n in range(3):
        say(alice, general, str(n))

    first = resume(bob, general.stream, cursor)
    assert texts(first) == ["0", "1", "2"]
    assert resume(bob, general.stream, cursor) == resume(alice, general.stream, cursor) == first
    assert resume(alice, general.stream, cursor + 1) == first[1:]
    assert drawn == [(general.stream, [cursor + 1, cursor + 2, cursor + 3])]


def test_only_what_changed_since_is_drawn_anew(resume, drawn, alice, bob, general):
    cursor = head(general.stream)
    edited, deleted = say(alice, general, "Frist"), say(alice, general, "A secret")
    say(alice, general, "Hello")
    resume(bob, general.stream, cursor)
    edit_message(alice, edited, "First")
    delete_message(alice, deleted)

    assert texts(resume(bob, general.stream, cursor)) == ["First", "", "Hello", "First", ""]
    assert "secret" not in str(resume(alice, general.stream, cursor))
    say(alice, general, "Bye")
    assert texts(resume(bob, general.stream, cursor)) == ["First", "", "Hello", "First", "", "Bye"]
    assert drawn[1:] == [(general.stream, [cursor + n for n in (1, 2, 3, 4, 5)])]


def test_what_was_just_sent_to_those_who_are_here_is_not_drawn_for_who_was_away(
    live, resume, drawn, nothing_at_hand, alice, bob, general
):
    live(alice)
    cursor = head(general.stream)
    first = say(alice, general, "Frist, @bob")
    say(alice, general, "**Hello**")
    assert texts(resume(bob, general.stream, cursor)) == ["Frist, @bob", "**Hello**"]
    edit_message(alice, first, "First")
    say(alice, general, "Bye")

    missed = resume(bob, general.stream, cursor + 1)
    assert texts(missed) == ["**Hello**", "First", "Bye"]
    assert drawn == []
    nothing_at_hand()
    assert resume(bob, general.stream, cursor + 1) == missed
    assert texts(resume(bob, general.stream, cursor)) == ["First", "**Hello**", "First", "Bye"]


def test_what_was_sent_under_an_old_name_is_drawn_under_the_new_one(live, resume, drawn, alice, bob, general):
    live(bob)
    cursor = head(general.stream)
    say(alice, general, "Hello")
    update_profile(alice, name="Alice the Great", username="alice", bio="", time_zone="UTC")
    say(alice, general, "It is me")

    names = [payload["message"]["author"]["name"] for payload in resume(bob, general.stream, cursor)]
    assert names == ["Alice the Great"] * 2
    assert drawn == [(general.stream, [cursor + 1, cursor + 2])]


def test_a_name_changed_since_shows_in_what_was_drawn_before(resume, alice, bob, general):
    cursor = head(general.stream)
    say(alice, general, "Hello")
    resume(bob, general.stream, cursor)
    update_profile(alice, name="Alice the Great", username="alice", bio="", time_zone="UTC")

    (payload,) = resume(bob, general.stream, cursor)
    assert payload["message"]["author"]["name"] == "Alice the Great"
    assert "Alice the Great" in payload["html"]


def test_a_room_changed_since_shows_in_all_its_lines(resume, alice, bob, general):
    cursor = head(general.stream)
    change_room(alice, general, name=general.name, topic="Tides", description="")
    resume(bob, general.stream, cursor)
    change_room(alice, general, name=general.name, topic="Gales", description="")

    assert [payload["room"]["topic"] for payload in resume(bob, general.stream, cursor)] == ["Gales", "Gales"]


def test_what_is_a_persons_own_is_drawn_each_time(resume, drawn, alice, bob, general):
    cursor = head(bob.stream)
    say(alice, general, "Hello")
    mark_read(bob, general, head(general.stream))

    assert resume(bob, bob.stream, cursor)[0]["unread"] == 0
    say(alice, general, "Are you there?")
    assert resume(bob, bob.stream, cursor)[0]["unread"] == 1
    assert [stream for stream, _ in drawn] == [bob.stream, bob.stream]


# The store of them


THEN, LATER = Moment("epoch", 5, 5), Moment("epoch", 6, 5)


def one(text="x", message=1):
    return One.of(Frame("room:1", 1, "message", {"message": {"id": message}, "html": text}, message=message))


def nothing_asked(*_, **values):
    raise AssertionError(f"{values} was asked")


def kept(drawings, head, moment, *, stream="room:1"):
    return sorted(drawings.at(stream, head, moment, nothing_asked).frames)


def test_one_who_looks_at_an_earlier_moment_gets_nothing_of_a_later():
    drawings = Drawings()
    drawings.keep("room:1", drawings.at("room:1", 9, LATER, nothing_asked), 9, one())

    assert kept(drawings, 9, LATER) == [9]
    assert kept(drawings, 9, THEN) == kept(drawings, 8, LATER) == []
    assert kept(drawings, 9, LATER) == [9]


def test_what_was_drawn_at_an_earlier_moment_is_not_kept_for_a_later():
    drawings = Drawings()
    early = drawings.at("room:1", 9, THEN, nothing_asked)
    drawings.keep("room:1", drawings.at("room:1", 9, LATER, nothing_asked), 9, one("new"))
    drawings.keep("room:1", early, 8, one("old"))

    assert kept(drawings, 9, LATER) == [9]


def test_nothing_outlives_another_epoch():
    drawings = Drawings()
    drawings.keep("room:1", drawings.at("room:1", 9, LATER, nothing_asked), 9, one())

    assert kept(drawings, 9, LATER._replace(epoch="restored")) == []
    assert kept(drawings, 3, Moment("restored", 1, 1)) == []


def test_a_hole_among_the_changes_leaves_nothing_at_hand():
    drawings = Drawings()
    drawings.keep("room:1", drawings.at("room:1", 9, THEN, nothing_asked), 9, one())

    assert drawings.at("room:1", 11, THEN, lambda *_, **__: []).frames == {}


def sent(drawings, seq, moment=THEN, *, message=None, change="posted"):
    message = message or seq
    body = {"change": change, "message": {"id": message}}
    drawings.sent(Frame("room:1", seq, "message", body, message=message), moment)


def test_what_is_sent_is_at_hand_as_long_as_nothing_else_changed():
    drawings = Drawings()
    for seq in (7, 8, 9):
        sent(drawings, seq)
    assert kept(drawings, 9, THEN) == [7, 8, 9]

    sent(drawings, 10, message=8, change="edited")
    assert kept(drawings, 10, THEN) == [7, 9, 10]
    sent(drawings, 10, message=8, change="edited")  # heard of twice
    sent(drawings, 11, LATER)
    assert kept(drawings, 11, LATER) == [11]
    sent(drawings, 12, THEN)  # as another process saw it, which is behind
    assert kept(drawings, 11, LATER) == [11]
    sent(drawings, 14, LATER)  # 12 and 13 were read from the log
    assert kept(drawings, 14, LATER) == [14]
    drawings.sent(Frame("room:1", 15, "member", {}), LATER)
    assert kept(drawings, 15, LATER) == []


def test_who_reads_what_is_at_hand_reads_it_as_it_was_then():
    drawings = Drawings()
    sent(drawings, 7), sent(drawings, 8)
    reading = drawings.at("room:1", 8, THEN, nothing_asked)
    sent(drawings, 9, message=7, change="deleted")

    assert sorted(reading.frames) == [7, 8]
    drawings.keep("room:1", reading, 6, one("said before it was deleted", message=7))
    assert kept(drawings, 9, THEN) == [8, 9]


def test_what_is_sent_while_somebody_asks_what_has_changed_stays_at_hand():
    drawings = Drawings()
    for seq in (7, 8, 9):
        sent(drawings, seq)

    def ask(*_, **__):
        for seq in (10, 11, 12):
            sent(drawings, seq)
        return []

    drawings.at("room:1", 11, THEN, ask)
    assert kept(drawings, 12, THEN) == [7, 8, 9, 10, 11, 12]


def test_what_is_counted_is_what_is_kept_also_where_there_is_no_more_room():
    drawings = Drawings(most=3 * one().size)
    reading = drawings.at("room:1", 9, THEN, nothing_asked)
    drawings.keep("room:1", reading, 1, one())
    for number in (2, 3, 4, 5):
        stream = f"room:{number}"
        drawings.keep(stream, drawings.at(stream, 9, THEN, nothing_asked), 1, one())
        drawings.keep("room:1", reading, number, one())

    assert drawings.size == sum(shown.size for drawn in drawings._newest.values() for shown in drawn.frames.values())
    assert drawings.size == 3 * one().size


def test_where_numbers_went_back_nothing_is_given_of_what_had_them_before(live, resume, alice, bob, general, app):
    live(alice)
    cursor = head(general.stream)
    message = say(alice, general, "Lost by the database")
    with transaction():  # as after a failover to a copy that was behind
        for row in (db.delete(Entry).where(Entry.stream == general.stream, Entry.seq > cursor),
                    db.delete(Message).where(Message.id == message.id),
                    db.update(Stream).where(Stream.name == general.stream).values(head=cursor)):  # fmt: skip
            db.session.execute(row)
    app.extensions["live"].pump.poll()
    live(alice)
    say(alice, general, "Said again")
    say(alice, general, "And more")

    assert texts(resume(bob, general.stream, cursor)) == ["Said again", "And more"]


def test_of_one_stream_the_newest_few_hundred_are_kept_as_they_are_sent():
    drawings = Drawings()
    for seq in range(1, MOST_SENT + 11):
        sent(drawings, seq)

    assert kept(drawings, MOST_SENT + 10, THEN) == list(range(11, MOST_SENT + 11))
    frames = drawings.at("room:1", MOST_SENT + 10, THEN, nothing_asked).frames
    assert drawings.size == sum(shown.size for shown in frames.values())


def test_they_take_no_more_than_so_many_bytes_and_the_least_wanted_stream_goes_first():
    size = one().size
    drawings = Drawings(most=3 * size)
    for number in (1, 2, 3):
        stream = f"room:{number}"
        drawings.keep(stream, drawings.at(stream, 9, THEN, nothing_asked), 1, one())
    drawings.at("room:1", 9, THEN, nothing_asked)
    drawings.keep("room:4", drawings.at("room:4", 9, THEN, nothing_asked), 1, one())

    assert [kept(drawings, 9, THEN, stream=f"room:{number}") for number in (1, 2, 3, 4)] == [[1], [], [1], [1]]
    large = drawings.at("room:5", 9, THEN, nothing_asked)
    for seq in range(1, 10):
        drawings.keep("room:5", large, seq, one())
    assert drawings.size == 3 * size == len(large.frames) * size


def test_a_frame_is_put_into_an_answer_as_it_is():
    frame = Frame("room:1", 1, "message", {"message": {"id": 7}, "html": "<b>ü</b>"}, message=7)

    drawn = One.of(frame)
    assert orjson.loads(orjson.dumps({"frames": [drawn.json]})) == {"frames": [[frame.event, frame.payload]]}
    assert drawn.message == 7
