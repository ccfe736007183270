"""Guests see the rooms they were added to and the people in them: on pages, in frames, and in whatever they ask."""

import re

import pytest

from chat.accounts.actions import create_invite, create_user, set_person_role, set_sign_up, update_profile
from chat.accounts.queries import people_for
from chat.core.errors import ChatError, Forbidden, NotFound
from chat.messages.text import body_of
from chat.rooms.actions import add_member, create_room, join_room, leave_room, remove_member, set_role
from chat.rooms.queries import members, room_for, rooms_to_find
from tests.events import EventClient
from tests.factories import say


@pytest.fixture
def guest(ada, alice, robot, general):
    """robot, as a guest who is in no room."""
    leave_room(robot, general)
    set_person_role(ada, robot, "guest")
    return robot


@pytest.fixture
def club(alice, guest):
    """A private room of alice's with the guest in it."""
    room = create_room(alice, "club", kind="private")
    add_member(alice, room, guest)
    return room


def renamed(user, name):
    update_profile(user, name=name, username=user.username, bio="", time_zone="UTC")


def site(client):
    """What came of the community's stream: the name in a frame, or the event when it is none."""
    found = [(event, payload) for event, payload in client.received() if payload.get("stream") == "site"]
    return [payload["user"]["name"] if event == "site" else event for event, payload in found]


def present(client):
    return [(p["user"], p["state"]) for p in client.received("presence", namespace="/presence")]


# Rooms


def test_a_public_room_does_not_exist_for_a_guest_who_is_not_in_it(sign_in, guest, general):
    browser = sign_in(guest)

    there, nowhere = browser.get(f"/rooms/{general.id}"), browser.get("/rooms/99999")

    assert there.status_code == nowhere.status_code == 404
    assert there.text.replace(f"rooms/{general.id}", "N") == nowhere.text.replace("rooms/99999", "N")
    assert general.name not in browser.get("/rooms").text
    with pytest.raises(NotFound):
        join_room(guest, general)


def test_the_directory_has_only_their_own(guest, club, general):
    assert rooms_to_find(guest) == ([club], False)
    assert rooms_to_find(guest, "gener") == ([], False)


def test_what_they_may_not_is_not_offered(sign_in, guest, club, alice, carol, general):
    add_member(alice, general, guest)
    theirs, others = sign_in(guest), sign_in(carol)

    assert 'href="/rooms/new"' not in theirs.get("/").text
    assert 'href="/rooms/new"' in others.get("/").text
    assert "To come back somebody has to add you." in theirs.get(f"{general.path}/settings").text
    join_room(carol, general)
    assert "You can join again whenever you like." in others.get(f"{general.path}/settings").text
    assert re.search(r">Robot</bdi></a><span class=\"label[^\"]*\">Guest<", others.get(f"{general.path}/members").text)


def test_in_a_room_they_read_and_write_and_add_nobody(guest, club, carol, alice):
    say(guest, club, "Hello")

    assert room_for(guest, club.id) is club
    with pytest.raises(Forbidden):
        add_member(guest, club, carol)
    with pytest.raises(Forbidden):
        create_room(guest, "mine")
    with pytest.raises(Forbidden):
        create_invite(guest)


def test_a_guest_looks_after_no_room(alice, guest, club):
    for role in ("owner", "moderator"):
        with pytest.raises(ChatError, match="only members can look after rooms"):
            set_role(alice, club, guest, role)


def test_a_new_guest_is_in_no_room_not_even_general(general):
    user = create_user(name="Gus", email="gus@example.org", password_hash="", role="guest")

    assert user.id not in [membership.user_id for membership in members(general)]


# People


def test_a_guest_knows_who_shares_a_room_with_them_and_nobody_else(sign_in, guest, club, alice, carol):
    browser = sign_in(guest)

    assert {user.username for user in people_for(guest)[0]} == {"alice", "robot"}
    assert browser.get("/people/alice").status_code == 200
    stranger, nobody = browser.get("/people/carol"), browser.get("/people/nemo")
    assert stranger.status_code == nobody.status_code == 404
    assert stranger.text.replace("carol", "N") == nobody.text.replace("nemo", "N")
    assert "Carol" not in browser.get("/people?q=car").text


def test_whose_words_stay_in_the_room_is_no_stranger_later(guest, club, alice, bob):
    add_member(alice, club, bob)
    say(bob, club, "I was here")
    remove_member(alice, club, bob)

    assert {user.username for user in people_for(guest)[0]} == {"alice", "bob", "robot"}


def test_a_persons_page_names_only_rooms_in_common(sign_in, guest, club, general):
    page = sign_in(guest).get("/people/alice").text

    assert ">club<" in page
    assert ">general<" not in page


def test_a_name_that_a_guest_types_says_nothing_about_strangers(guest, club, alice, carol, general):
    body = body_of(guest.id, club.id, "@alice @carol @nemo #general #nowhere")

    assert body.mentions == (alice.id,)
    assert "/people/carol" not in body.html
    assert general.path not in body.html
    assert body_of(alice.id, club.id, "@carol #general").mentions == (carol.id,)


def test_whom_a_guest_wants_to_add_is_not_looked_up_among_strangers(sign_in, guest, club, carol):
    browser = sign_in(guest)

    stranger = browser.post(f"{club.path}/members", data={"person": "carol@example.org"})
    nobody = browser.post(f"{club.path}/members", data={"person": "nobody@example.org"})

    assert stranger.status_code == nobody.status_code
    assert stranger.text.replace("carol", "N") == nobody.text.replace("nobody", "N")


# Frames


def test_news_of_strangers_is_a_tick_and_of_people_they_know_a_frame(live, guest, club, alice, carol, bob):
    window, other = live(guest), live(bob)
    window.received()

    renamed(carol, "Caroline")
    renamed(alice, "Alicia")

    assert site(window) == ["tick", "Alicia"]
    assert site(other) == ["Caroline", "Alicia"]


def test_what_was_missed_is_told_apart_too(live, sign_in, guest, club, alice, carol):
    window = live(guest)
    at = window.hello["streams"]["site"]
    renamed(carol, "Caroline")
    renamed(alice, "Alicia")

    question = {"epoch": window.hello["epoch"], "streams": {"site": at}}
    part = window.emit("resume", question)["streams"]["site"]
    over_http = sign_in(guest).post("/api/v1/do/resume", json=question).json["streams"]["site"]

    assert [event for event, _ in part["frames"]] == ["tick", "site"]
    assert part["frames"][0][1] == {"stream": "site", "seq": at + 1}
    assert part["frames"][1][1]["user"]["name"] == "Alicia"
    assert over_http == part


def test_what_was_drawn_for_others_is_not_for_guests_nor_the_other_way_round(live, guest, club, alice, bob, carol):
    windows = [live(bob), live(guest), live(alice), live(guest)]
    at = windows[0].hello["streams"]["site"]
    renamed(carol, "Caroline")

    question = {"epoch": windows[0].hello["epoch"], "streams": {"site": at}}
    told = [window.emit("resume", question)["streams"]["site"]["frames"][0][0] for window in windows]

    assert told == ["site", "tick", "site", "tick"]


def test_an_event_stream_tells_the_same(sign_in, guest, club, alice, carol):
    stream = EventClient(sign_in(guest))
    stream.received()

    renamed(carol, "Caroline")
    renamed(alice, "Alicia")

    assert site(stream) == ["tick", "Alicia"]
    again = EventClient(sign_in(guest), last_id=stream.id)
    again.received()
    renamed(carol, "Carola")
    assert site(again) == ["tick"]
    stream.close()
    again.close()


def test_what_another_process_wrote_is_told_apart_as_well(live, app, guest, club, alice, carol):
    pump = app.extensions["live"].pump
    window = live(guest)
    window.received()
    capture, wake = pump.capture, pump.wake
    pump._hand_over = lambda transaction: None
    pump.hinted = lambda *_: None
    renamed(carol, "Caroline")
    renamed(alice, "Alicia")
    del pump._hand_over, pump.hinted
    assert (capture, wake) == (pump.capture, pump.wake)
    assert site(window) == []

    pump.poll()

    assert site(window) == ["tick", "Alicia"]


def test_a_guest_who_came_after_a_frame_was_built_asks_for_it(live, app, guest, club, carol):
    pump = app.extensions["live"].pump
    window = live(guest)
    window.received()
    guests, pump.connections.guests = pump.connections.guests, lambda: set()

    renamed(carol, "Caroline")

    pump.connections.guests = guests
    assert site(window) == ["subscribed"]


def test_settings_of_the_community_are_for_guests_too(live, ada, guest, club):
    window = live(guest)
    window.received()

    set_sign_up(ada, "open")

    assert [event for event, payload in window.received() if payload.get("stream") == "site"] == ["site"]


def test_no_frame_of_a_public_room_reaches_a_guest_who_is_not_in_it(live, guest, club, alice, general):
    window = live(guest)
    window.received()

    say(alice, general, "Not for guests")

    assert window.received() == []
    question = {"epoch": window.hello["epoch"], "streams": {general.stream: 1}, "all": True}
    assert window.emit("resume", question)["streams"][general.stream] == {"gone": True}


# Presence


def test_a_guest_sees_who_of_their_people_is_here(live, guest, club, alice, carol, bob):
    live(alice), live(carol)
    window = live(guest)

    assert set(present(window)) == {(alice.id, "online"), (guest.id, "online")}
    live(bob)
    assert present(window) == []


def test_others_see_that_a_guest_is_here(live, guest, club, alice):
    window = live(alice)
    present(window)

    live(guest)

    assert present(window) == [(guest.id, "online")]


def test_who_comes_into_the_room_is_seen_from_then_on(live, guest, club, alice, bob):
    live(bob)
    window = live(guest)
    present(window)

    add_member(alice, club, bob)

    assert present(window) == [(bob.id, "online")]


def test_whom_a_guest_knew_goes_when_they_are_removed(live, guest, club, alice):
    mine = live(alice)
    window = live(guest)
    present(window)

    remove_member(alice, club, guest)
    mine.emit("here", {"active": False, "room": None}, namespace="/presence")

    assert (alice.id, "offline") in present(window)
    assert (alice.id, "away") not in present(window)


def test_a_member_who_becomes_a_guest_is_told_no_more_of_strangers(live, ada, bob, general):
    stranger = create_user(name="Gus", email="gus@example.org", password_hash="", role="guest")  # so not in #general
    set_person_role(ada, bob, "guest")
    window = live(bob)
    window.received()

    renamed(stranger, "Gustav")

    assert site(window) == ["tick"]
