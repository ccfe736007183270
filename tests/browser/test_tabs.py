"""One person with many tabs."""

from playwright.sync_api import expect

TABS, ROUNDS = 5, 8


def test_five_tabs_of_one_person_show_the_same_also_when_one_is_killed(open_window, room, make_room):
    quiet = make_room("alice", "bob")
    first = open_window("alice", room)
    tabs = [first, *(open_window(beside=first, place=room) for _ in range(TABS - 1))]
    said = []
    for tab in tabs:
        tab.live()

    for n in range(ROUNDS):
        for place, tab in enumerate(tabs):
            said.append(f"{n}, tab {place}")
            tab.say(said[-1])
        if n == ROUNDS // 2:
            tabs.pop(2).page.close()  # with what it just sent on its way
    quiet.say("bob", "Anybody here?")

    for tab in tabs:
        tab.sees(said[-1])
        expect(tab.find(".message--pending")).to_have_count(0)
        expect(tab.place(quiet).locator(".badge")).to_have_text("1 unread")
    for tab in tabs:
        tab.shows(*room.texts())
    assert len({str(tab.order()) for tab in tabs}) == 1
    last_words = f"{ROUNDS // 2}, tab 2"
    stored = room.texts()
    assert sorted({*stored, last_words}) == sorted(said) and len(stored) == len(set(stored)), "each once"
