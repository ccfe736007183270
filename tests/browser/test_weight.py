"""What a page weighs on the wire, and that nobody complains."""

import pytest
from playwright.sync_api import expect

from chat.rooms.actions import mark_read

MOST = 100_000  # bytes, of a first view: page, styles, scripts, compressed


class Scales:
    """Weighs all that a page's network brings, as encoded on the wire with its headers."""

    def __init__(self, window):
        self.session = window.context.new_cdp_session(window.page)
        self.session.send("Network.enable")
        self.session.on("Network.requestWillBeSent", self._asked)
        self.session.on("Network.loadingFinished", self._finished)
        self.clear()

    def clear(self):
        self.urls, self.sizes = {}, {}

    def _asked(self, event):
        self.urls[event["requestId"]] = event["request"]["url"], event.get("type")

    def _finished(self, event):
        if event["requestId"] in self.urls:
            self.sizes[self.urls[event["requestId"]]] = int(event["encodedDataLength"])

    @property
    def carried(self):
        """{url: bytes} of what came over the wire; what the browser still had weighs nothing."""
        return {url: size for (url, _), size in self.sizes.items() if size}

    @property
    def total(self):
        return sum(self.carried.values())

    def __repr__(self):
        parts = sorted(self.carried.items(), key=lambda part: -part[1])
        return "\n".join([f"{self.total:,} bytes", *(f"{size:>8,} {url}" for url, size in parts)])

    def of(self, *suffixes):
        return sum(size for url, size in self.carried.items() if url.endswith(suffixes))


def test_a_first_view_weighs_at_most_100_kb_and_a_second_only_its_page(open_window, room, figure):
    room.say("bob", *(f"Entry {n}: the quick brown fox jumps over **the lazy dog** at `{n}:00`." for n in range(50)))
    room.say("alice", *(f"Answer {n}, see https://example.org/{n}" for n in range(10)))
    room.act(mark_read, "alice", 10_000)
    alice = open_window("alice")
    scales = Scales(alice)

    alice.visit(room).live()
    alice.page.wait_for_load_state("networkidle")
    first, styles, scripts = scales.total, scales.of(".css"), scales.of(".js")
    assert len(scales.carried) >= 5, scales.carried
    assert first <= MOST, scales

    scales.clear()
    alice.visit("/people")
    alice.page.wait_for_load_state("networkidle")
    people = scales.total
    scales.clear()
    alice.visit(room).live()
    alice.page.wait_for_load_state("networkidle")
    again = scales.carried
    figure(
        f"first view of a room with 50 messages on it: {first:,} bytes (styles {styles:,}, scripts {scripts:,}), "
        f"another page: {people:,}, the room again: {sum(again.values()):,}"
    )
    assert set(again) <= {f"{room.server.url}{room}"}, again


def test_switching_rooms_brings_the_page_alone(open_window, make_room, figure):
    first, second = make_room("alice", "bob"), make_room("alice", "bob")
    for room in (first, second):
        room.say("alice", *(f"Entry {n}" for n in range(50)))
    bob = open_window("bob", first).live()
    scales = Scales(bob)

    bob.place(second).click()
    expect(bob.find(f"section.room[data-room-id='{second.id}']")).to_be_visible()
    bob.until(lambda: scales.carried, "the page of the other room to be weighed")

    figure(f"switching to another room: {scales.total:,} bytes")
    assert {url.split("?")[0].removeprefix(room.server.url) for url in scales.carried} == {second.path}
    assert scales.total <= 20_000


@pytest.mark.parametrize("size", [{"width": 1440, "height": 900}, {"width": 390, "height": 844}])
def test_nothing_moves_after_the_first_paint_and_nothing_sticks_out(open_window, make_room, size):
    room = make_room("alice", "bob", name=f"the-longest-name-that-a-room-has-had-in-{size['width']}")
    wide = "x" * 300, "```\n" + "y" * 300 + "\n```", "| a | b |\n| - | - |\n| " + "z" * 200 + " | c |"
    # His own words: going to a New line counts as a shift when it comes after the first paint, as it sometimes does.
    room.say("bob", *(f"Entry {n}" for n in range(60)), *wide)
    bob = open_window("bob", viewport=size)
    bob.page.add_init_script(
        """addEventListener("DOMContentLoaded", () => {
          window.shifted = 0
          window.shifts = []
          const place = ({ x, y, width, height }) => [x, y, width, height].map(Math.round).join(" ")
          const moved = ({ node, previousRect, currentRect }) =>
            `${node?.className || node?.nodeName}: ${place(previousRect)} to ${place(currentRect)}`
          const add = ({ hadRecentInput, value, sources }) => {
            if (hadRecentInput) return
            window.shifted += value
            window.shifts.push(...sources.map(moved))
          }
          const watcher = new PerformanceObserver((list) => list.getEntries().forEach(add))
          watcher.observe({ type: "layout-shift", buffered: true })
          const isBar = ({ target }) => target.matches("[data-live-target=bar]:not([hidden])")
          const note = (changes) => { window.waited ||= changes.some(isBar) }
          new MutationObserver(note).observe(document, { subtree: true, attributeFilter: ["hidden"] })
        })"""
    )

    def visit(path):
        """(how much has moved, and what). Where a slow machine makes the page say that it is not live yet, which takes
        room, it is looked at once more."""
        for _ in range(10):
            bob.visit(path)
            bob.page.wait_for_load_state("networkidle")
            waited, shifted, shifts = bob.page.evaluate("[window.waited, window.shifted, window.shifts]")
            if not waited:
                return shifted, shifts
        raise AssertionError(f"{path} is never live within the time for which nothing is said")

    for path in (room.path, "/rooms", "/people", f"{room}/members", "/settings/profile", "/settings/security", "/"):
        shifted, shifts = visit(path)
        assert shifted < 0.01, f"{path}: {shifts}"
        assert bob.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"
        panes = bob.find(".timeline, .page, .sidebar__scroll, .header__names")
        too_wide = panes.evaluate_all(
            "(panes) => panes.filter((p) => p.scrollWidth > p.clientWidth + 1).map((p) => p.className)"
        )
        assert not too_wide, f"{path}: {too_wide}"
