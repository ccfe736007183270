"""A person who writes faster than allowed."""

from playwright.sync_api import expect

SETTINGS = {"RATE_LIMITS": "on", "LIMIT_SEND": "1 + 20/min"}  # less often than a slow machine types


def test_what_is_written_too_fast_is_sent_by_itself_a_little_later(open_window, room):
    alice, bob = open_window("alice", room).live(), open_window("bob", room).live()

    alice.say(*(f"Quick {n}" for n in range(4)))

    bob.shows(*(f"Quick {n}" for n in range(4)))
    alice.sees(*(f"Quick {n}" for n in range(4)))
    expect(alice.find(".message--failed, .message--pending")).to_have_count(0)
    assert any('"rate_limited"' in frame for frame in alice.sockets[0].received), "the limit was never met"
    assert room.texts() == [f"Quick {n}" for n in range(4)]
