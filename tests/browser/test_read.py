"""What was on somebody's screen is read, and nothing else."""

import json
import re

from playwright.sync_api import expect

from chat.core.db import db
from chat.rooms.actions import mark_read
from chat.rooms.queries import position_of
from chat.streams.log import heads
from tests.factories import person

ON_SCREEN = """(timeline) => {
  const { top, bottom } = timeline.getBoundingClientRect()
  const isSeen = (item) => {
    const box = item.getBoundingClientRect()
    return box.bottom > top && box.bottom <= bottom + 2
  }
  return [...timeline.querySelectorAll("[data-seq]")].filter(isSeen).map((item) => Number(item.dataset.seq))
}"""


def position(room, username):
    """How far somebody has read in a room, as it is stored."""
    with room.server.app.app_context():
        found = position_of(person(username).id, room.id).seq
        db.session.rollback()
        return found


def on_screen(window):
    """The numbers of what stands in the timeline's window, whole or cut off above."""
    return window.timeline.evaluate(ON_SCREEN)


def told(window, room):
    """The numbers up to which this window said that it had read the room."""
    sent = "\n".join(frame for socket in window.sockets for frame in socket.sent)
    found = [json.loads(words) for words in re.findall(r'\["read",(\{[^}]*\})\]', sent)]
    return [read["seq"] for read in found if read["room"] == room.id]


def unread(window, room):
    return window.place(room).locator(".badge")


def long_talk(room, count, *, begin=0):
    """So much that it does not fit on one screen. Returns the head."""
    room.say("alice", *(f"Entry {n}" for n in range(begin, begin + count)))
    with room.server.app.app_context():
        stream = room.row().stream
        head = heads([stream])[stream]
        db.session.rollback()
        return head


def test_what_was_on_the_screen_is_read_and_what_is_below_is_not(open_window, room):
    room.act(mark_read, "bob", 10_000)
    head = long_talk(room, 45)
    bob = open_window("bob", room).live()
    expect(bob.find(".separator--new")).to_be_in_viewport()

    last = max(on_screen(bob))
    bob.until(lambda: position(room, "bob") == last, f"what is on the screen to be read: {last}")
    assert last < head
    expect(unread(bob, room)).to_have_text(f"{head - last} unread")

    bob.timeline.evaluate("(timeline) => timeline.scrollBy(0, 200)")
    further = max(on_screen(bob))
    assert last < further < head
    bob.until(lambda: position(room, "bob") == further, "what came into sight to be read")
    bob.timeline.evaluate("(timeline) => timeline.scrollBy(0, -400)")
    bob.find("[data-room-target=latest]").click()
    expect(unread(bob, room)).to_be_hidden()
    bob.until(lambda: position(room, "bob") == head, "the end to be read")
    assert told(bob, room) == sorted(set(told(bob, room)))


def test_arriving_from_another_room_reads_what_the_page_shows_and_nothing_of_the_copy_before_it(open_window, make_room):
    room, elsewhere = make_room("alice", "bob"), make_room("alice", "bob")
    room.act(mark_read, "bob", 10_000)
    first = long_talk(room, 3)
    bob = open_window("bob", room).live()
    bob.until(lambda: position(room, "bob") == first, "the room to be read")
    bob.place(elsewhere).click()
    expect(bob.find(f"section.room[data-room-id='{elsewhere.id}']")).to_be_visible()
    head = long_talk(room, 45, begin=3)
    expect(unread(bob, room)).to_have_text(f"{head - first} unread")
    said = len(told(bob, room))

    # The page is long in coming. Meanwhile Turbo shows the copy it kept, at its end, and what was missed comes into it.
    held = []
    bob.page.route(re.compile(f"/rooms/{room.id}$"), lambda route: held.append(route))
    bob.place(room).click()
    expect(bob.find("html[data-turbo-preview]")).to_have_count(1)
    expect(bob.message("Entry 47")).to_be_in_viewport()
    bob.until(lambda: held, "the page to be asked for")
    assert max(on_screen(bob)) == head
    bob.page.evaluate("dispatchEvent(new Event('focus'))")  # when what is on screen is looked at again
    bob.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    held[0].continue_()
    expect(bob.find("html[data-turbo-preview]")).to_have_count(0)
    expect(bob.find(".separator--new")).to_be_in_viewport()
    last = max(on_screen(bob))
    bob.until(lambda: position(room, "bob") == last, "what the page shows to be read")
    assert first < last < head
    assert set(told(bob, room)[said:]) == {last}  # who leaves a page tells at once what was seen there
    expect(unread(bob, room)).to_have_text(f"{head - last} unread")


def test_what_is_drawn_while_nobody_looks_is_read_when_somebody_does(open_window, room):
    room.act(mark_read, "bob", 10_000)
    first = long_talk(room, 2)
    bob = open_window("bob")
    bob.page.clock.install()
    bob.visit(room).live()
    bob.until(lambda: position(room, "bob") == first, "the room to be read")
    said = len(told(bob, room))
    bob.page.evaluate("document.hasFocus = () => false")  # another window lies above this one

    head = long_talk(room, 1, begin=2)
    bob.sees("Entry 2")
    bob.page.clock.fast_forward(2000)
    expect(unread(bob, room)).to_have_text("1 unread")
    assert told(bob, room)[said:] == []

    bob.page.evaluate("delete document.hasFocus; dispatchEvent(new Event('focus'))")
    expect(unread(bob, room)).to_be_hidden()
    bob.until(lambda: position(room, "bob") == head, "what he looks at to be read")
