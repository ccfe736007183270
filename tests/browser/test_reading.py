"""Scrolling: what one reads stays where it is."""

import re

import pytest
from playwright.sync_api import expect

from chat.core.clock import now
from chat.core.db import db
from chat.messages.models import Message
from chat.streams.models import Stream
from tests.factories import person

MOST = 300


def fill(room, username, count):
    """Many messages at once, as an import would bring them: no entries, and the floor above them."""
    with room.server.app.app_context():
        head = db.session.get(Stream, f"room:{room.id}").head
        author = person(username).id
        db.session.rollback()
        db.session.execute(
            db.insert(Message),
            [
                {
                    "room_id": room.id, "author_id": author, "key": f"{room.id}-{n}", "content_hash": "",
                    "text": f"Entry {n}", "html": f"<p>Entry {n}</p>\n", "seq": head + 1 + n, "v": head + 1 + n,
                    "rev": 1, "renderer": 1, "created_at": now(), "mentions_room": False,
                }
                for n in range(count)
            ],
        )  # fmt: skip
        stream = db.session.get(Stream, f"room:{room.id}")
        stream.head = stream.floor = head + count
        db.session.commit()


def top_of(message):
    return message.bounding_box()["y"]


def scroll_to(window, where):
    window.timeline.evaluate("(timeline, where) => { timeline.scrollTop = where }", where)


OLDEST, NEWEST = -10_000_000, 0


def test_who_reads_further_up_is_not_moved_by_what_comes(open_window, room):
    room.say("alice", *(f"Entry {n}" for n in range(60)))
    bob = open_window("bob", room).live()
    alice = open_window("alice", room).live()
    bob.message("Entry 40").scroll_into_view_if_needed()
    bob.timeline.evaluate("(timeline) => timeline.scrollBy(0, -300)")
    here = bob.timeline.evaluate(
        "(timeline) => [...timeline.querySelectorAll('.message')].find((m) => m.getBoundingClientRect().top > 200).id"
    )
    before = top_of(bob.find(f"#{here}"))

    alice.say("A long one\n" * 5, "And another")
    expect(bob.find("[data-room-target=latest]")).to_have_text("2 new messages")

    assert top_of(bob.find(f"#{here}")) == pytest.approx(before, abs=1)
    expect(bob.message("And another")).not_to_be_in_viewport()
    bob.find("[data-room-target=latest]").click()
    expect(bob.message("And another")).to_be_in_viewport()
    expect(bob.find("[data-room-target=latest]")).to_be_hidden()
    alice.say("Who is at the end stays there")
    expect(bob.message("Who is at the end stays there")).to_be_in_viewport()


def test_older_messages_load_as_one_scrolls_and_nothing_jumps(open_window, room):
    room.say("alice", *(f"Entry {n}" for n in range(120)))
    bob = open_window("bob", room).live()
    expect(bob.message("Entry 119")).to_be_visible()
    oldest = bob.find(".timeline .message").first
    id = oldest.get_attribute("id")

    moved = bob.timeline.evaluate(
        """(timeline, id) => new Promise((resolve) => {
          const count = timeline.querySelectorAll(".message").length
          const message = document.getElementById(id)
          message.scrollIntoView({ block: "center" })
          const before = message.getBoundingClientRect().top
          new MutationObserver((_, watcher) => {
            if (timeline.querySelectorAll(".message").length === count) return
            watcher.disconnect()
            requestAnimationFrame(() => resolve(message.getBoundingClientRect().top - before))
          }).observe(timeline, { childList: true, subtree: true })
        })""",
        id,
    )

    assert abs(moved) <= 1
    for _ in range(5):
        scroll_to(bob, OLDEST)
        if bob.message("Entry 0").count():
            break
        bob.page.wait_for_load_state("networkidle")
    expect(bob.message("Entry 0")).to_have_count(1)
    assert [text for _, _, text in bob.order() if text] == [f"Entry {n}" for n in range(120)]


def test_a_room_with_two_thousand_messages_keeps_about_three_hundred_in_the_document(open_window, room):
    fill(room, "alice", 2000)
    bob = open_window("bob", room).live()
    seen = set()

    while not bob.message("Entry 0").count():
        first = bob.find(".timeline .message").first.get_attribute("id")
        scroll_to(bob, OLDEST)
        expect(bob.find(".timeline .message").first).not_to_have_id(first)
        numbers = [int(text.split()[1]) for _, _, text in bob.order() if text.startswith("Entry")]
        assert len(numbers) <= MOST + 60
        assert numbers == list(range(numbers[0], numbers[-1] + 1)), "messages are missing in between, or out of order"
        seen.update(numbers)
    assert seen == set(range(2000))

    room.say("alice", "Meanwhile at the end")
    expect(bob.find("[data-room-target=latest]")).to_have_text("1 new message")
    bob.find("[data-room-target=latest]").click()
    bob.sees("Meanwhile at the end")
    expect(bob.message("Meanwhile at the end")).to_be_in_viewport()
    numbers = [int(text.split()[1]) for _, _, text in bob.order() if text.startswith("Entry")]
    assert numbers == list(range(numbers[0], 2000))


def test_newer_messages_load_as_one_scrolls_down_from_a_link(open_window, room):
    fill(room, "alice", 400)
    with room.server.app.app_context():
        id = db.session.query(Message).filter_by(room_id=room.id, text="Entry 100").one().id
    bob = open_window("bob", f"{room}/messages/{id}").live()
    expect(bob.message("Entry 100")).to_be_in_viewport()

    while not bob.message("Entry 399").count():
        last = bob.find(".timeline .message").last.get_attribute("id")
        scroll_to(bob, NEWEST)
        expect(bob.find(".timeline .message").last).not_to_have_id(last)

    numbers = [int(text.split()[1]) for _, _, text in bob.order() if text.startswith("Entry")]
    assert numbers == list(range(numbers[0], 400))
    room.say("alice", "And on it goes")
    bob.sees("And on it goes")


def test_an_edit_of_a_message_that_was_trimmed_away_shows_when_it_is_loaded_again(open_window, room):
    fill(room, "alice", 700)
    alice, bob = open_window("alice", room).live(), open_window("bob", room).live()
    while not bob.message("Entry 300").count():
        first = bob.find(".timeline .message").first.get_attribute("id")
        scroll_to(bob, OLDEST)
        expect(bob.find(".timeline .message").first).not_to_have_id(first)
    expect(bob.message("Entry 699")).to_have_count(0)

    alice.tool(alice.message("Entry 699"), "Edit").click()
    alice.page.get_by_label("Edit the message").fill("Entry 699, corrected")
    alice.page.get_by_label("Edit the message").press("Enter")
    alice.sees("Entry 699, corrected")
    while not bob.message("Entry 699, corrected").count():
        last = bob.find(".timeline .message").last.get_attribute("id")
        scroll_to(bob, NEWEST)
        expect(bob.find(".timeline .message").last).not_to_have_id(last)

    bob.sees("Entry 699, corrected")
    expect(bob.message("Entry 699")).to_have_count(0)
    assert re.search(r"\d", bob.message("Entry 699, corrected").get_attribute("data-v"))
