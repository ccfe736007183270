import pytest

from chat.core.errors import NotFound
from chat.messages.queries import unread_counts
from chat.rooms.actions import create_room, leave_room, mark_all_read, mark_read, mark_unread
from chat.rooms.queries import position_of
from chat.streams.log import heads
from tests.assertions import counted_queries
from tests.factories import say


@pytest.fixture
def said(alice, general):
    return [say(alice, general, str(n)) for n in range(4)]


def test_reading_on_is_told_to_ones_own_windows_only(live, said, alice, bob, general):
    mine, others = live(bob), live(alice)

    mark_read(bob, general, said[1].seq)

    [frame] = mine.received("me")
    assert frame == {
        "stream": bob.stream, "seq": heads([bob.stream])[bob.stream], "change": "read", "room": general.id,
        "position": said[1].seq, "v": frame["seq"], "unread": 2, "mentions": 0, "at": said[3].seq,
    }  # fmt: skip
    assert others.received("me") == []


def test_a_position_never_goes_back_by_itself(said, bob, general):
    mark_read(bob, general, said[2].seq)
    number = heads([bob.stream])

    assert mark_read(bob, general, said[0].seq).seq == said[2].seq
    assert mark_read(bob, general, 0).seq == said[2].seq
    assert heads([bob.stream]) == number


def test_a_position_is_never_beyond_the_head(said, bob, general):
    assert mark_read(bob, general, 10**9).seq == said[3].seq


def test_marking_unread_goes_back_to_before_the_message(said, bob, general):
    mark_read(bob, general, said[3].seq)

    assert mark_unread(bob, general, said[2].seq).seq == said[2].seq - 1
    assert unread_counts(bob.id)[general.id][1] == 2
    assert mark_unread(bob, general, said[3].seq).seq == said[2].seq - 1  # never forward
    assert mark_unread(bob, general, 0).seq == 0
    assert mark_unread(bob, general, 10**9).seq == 0


def test_everything_is_read_at_once(said, alice, bob, general, secret):
    say(alice, secret, "psst")

    assert mark_all_read(bob) == 2
    assert [counts[1:] for counts in unread_counts(bob.id).values()] == [(0, 0), (0, 0)]
    assert mark_all_read(bob) == 0


def test_positions_are_the_members_own(said, alice, bob, carol, general, secret):
    mark_read(bob, general, said[3].seq)
    assert unread_counts(alice.id)[general.id][1] == 0  # her own messages
    assert position_of(alice.id, general.id).seq < said[3].seq

    for action in (mark_read, mark_unread):
        for room in (general, secret):
            with pytest.raises(NotFound):
                action(carol, room, 1)


def test_who_has_left_reads_no_further(said, bob, general):
    leave_room(bob, general)

    with pytest.raises(NotFound):
        mark_read(bob, general, said[3].seq)
    assert mark_all_read(bob) == 0


def test_looking_for_what_is_new_costs_the_same_for_any_number_of_rooms(app, alice, bob):
    def cost():
        mark_all_read(alice)
        with counted_queries() as statements:
            mark_all_read(alice)
        return len(statements)

    before = cost()
    for n in range(8):
        create_room(alice, f"room {n}")
    assert cost() == before
