"""Who is here and who is writing, over event streams and requests: as over websockets, for whoever wants it."""

import pytest

from chat.accounts.actions import end_other_sessions, make_token, set_person_role
from chat.realtime import sse
from chat.rooms.actions import add_member, create_room, leave_room, remove_member
from tests.events import EventClient
from tests.factories import say


@pytest.fixture
def line(sign_in):
    """line(user, name, query) → a Line of that person's, which wants to know who is here and who is writing."""
    lines = []

    def line(user, name="desk", query="", *, browser=None):
        lines.append(Line(browser or sign_in(user), name, query))
        return lines[-1]

    yield line
    for opened in lines:
        opened.stream.close()


class Line:
    """What a page does that no websocket reaches: one event stream, and requests that are about it."""

    def __init__(self, browser, name, query):
        self.browser, self.name = browser, name
        self.stream = EventClient(browser, f"?presence={name}{query}")

    def do(self, event, **data):
        return self.browser.post(f"/api/v1/do/{event}", json=data).json

    def here(self, *, active=True, room=None, name=None):
        return self.do("here", active=active, room=room and room.id, presence=name or self.name)

    def writes(self, room, on=True):
        return self.do("typing", room=room.id, on=on)

    def states(self):
        return [(p["user"], p["state"]) for p in self.stream.received("presence")]

    def typing(self):
        return [(p["room"], p["user"], p["on"]) for p in self.stream.received("typing")]

    def quiet(self):
        self.stream.received()
        return self


# Who is here


def test_who_comes_is_seen_and_sees_who_is_here(line, live, alice, bob):
    window = live(alice)
    window.received(namespace="/presence")

    bobs = line(bob)

    assert sorted(bobs.states()) == [(alice.id, "online"), (bob.id, "online")]
    assert window.received("presence", "/presence") == [{"user": bob.id, "state": "online"}]
    bobs.stream.close()
    assert window.received("presence", "/presence") == [{"user": bob.id, "state": "offline"}]


def test_whoever_did_not_ask_for_it_gets_none_of_it(sign_in, line, presence, alice, bob, general):
    browser = sign_in(bob)
    plain, alices = EventClient(browser), line(alice)
    browser.post("/api/v1/do/here", json={"active": True, "room": general.id})

    alices.here(room=general)
    alices.writes(general)

    assert presence.shown.keys() == {alice.id, bob.id}, "what they say counts all the same"
    assert {event for event, _ in plain.received()} == {"hello"}
    plain.close()


def test_a_request_is_about_the_stream_that_it_names(line, sign_in, presence, alice, bob, general, secret):
    browser, alices = sign_in(bob), line(alice)
    desk, phone = line(bob, "desk", browser=browser), line(bob, "phone", browser=browser)
    desk.here(room=general)
    phone.here(room=secret, active=False)
    for each in (desk, phone, alices):
        each.quiet()

    alices.writes(general)
    assert (desk.typing(), phone.typing()) == ([(general.id, alice.id, True)], [])
    alices.writes(secret)
    assert (desk.typing(), phone.typing()) == ([], [(secret.id, alice.id, True)])
    desk.here(active=False)
    assert alices.states() == [(bob.id, "away")]


def test_without_a_name_it_is_about_all_streams_of_the_session(line, sign_in, alice, bob, general):
    browser, alices = sign_in(bob), line(alice)
    desk, phone = line(bob, "desk", browser=browser), line(bob, "phone", browser=browser)
    elsewhere = line(bob, "desk")
    assert desk.do("here", active=True, room=general.id) == {"ok": True}
    for each in (desk, phone, elsewhere):
        each.quiet()

    alices.writes(general)

    assert desk.typing() == phone.typing() == [(general.id, alice.id, True)]
    assert elsewhere.typing() == [], "another session"


def test_a_request_moves_no_websocket(line, live, alice, bob, general, secret):
    window, bobs, alices = live(bob, general), line(bob), line(alice)

    bobs.here(room=secret)
    alices.writes(general)

    assert [p["room"] for p in window.received("typing", "/presence")] == [general.id]
    refused = window.emit("here", {"active": True, "presence": "desk"}, namespace="/presence")
    assert (refused["code"], refused["field"]) == ("invalid", "presence")


def test_a_lease_that_no_request_renews_ends(line, presence, monkeypatch, alice, bob):
    now = 1000.0
    monkeypatch.setattr(presence, "monotonic", lambda: now)
    alices, bobs = line(alice), line(bob)
    alices.quiet()

    now += 20
    alices.here()
    now += 11
    presence.sweep()
    assert alices.states() == [(bob.id, "offline")]
    bobs.here()
    assert alices.states() == [(bob.id, "online")]


@pytest.mark.parametrize("name", ["", "a desk", "x" * 65, "é", "a.b", "a%0Aid:%207"])
def test_a_name_that_is_none_is_refused(sign_in, bob, name):
    browser = sign_in(bob)

    opened = browser.get(f"/api/v1/events?presence={name}")
    said = browser.post("/api/v1/do/here", json={"active": True, "presence": name})

    for answer in (opened, said):
        assert (answer.status_code, answer.json["code"], answer.json["field"]) == (422, "invalid", "presence")
        assert "1 to 64 letters" in answer.json["message"]


# Who is writing


def test_who_has_the_room_on_screen_sees_who_writes_whichever_way_they_came(line, live, alice, bob, general):
    alices, bobs, window = line(alice), line(bob), live(bob, general)
    alices.here(room=general)
    bobs.here(room=general)
    for each in (alices, bobs):
        each.quiet()

    assert alices.writes(general) == {"ok": True}
    assert bobs.typing() == [(general.id, alice.id, True)]
    assert [p["on"] for p in window.received("typing", "/presence")] == [True]
    window.emit("typing", {"room": general.id, "on": True}, namespace="/presence")
    assert alices.typing() == [(general.id, alice.id, True), (general.id, bob.id, True)]


def test_only_the_rooms_that_a_stream_follows_are_heard_of(line, alice, bob, general, secret):
    bobs, alices = line(bob, query=f"&rooms={secret.id}"), line(alice)
    bobs.here(room=general)
    bobs.quiet()

    alices.writes(general)

    assert bobs.typing() == []


@pytest.mark.parametrize("way", ["from outside", "removed"])
def test_an_outsider_hears_of_no_private_room(line, alice, carol, secret, way):
    if way == "removed":
        add_member(alice, secret, carol)
    carols, alices = line(carol, query=f"&rooms={secret.id}"), line(alice)
    answer = carols.here(room=secret)
    if way == "removed":
        assert answer == {"ok": True}
        remove_member(alice, secret, carol)
    else:
        assert answer == {"ok": False, "code": "not_found", "message": answer["message"], "field": "room"}
    carols.quiet()

    alices.here(room=secret)
    assert alices.writes(secret) == {"ok": True}

    assert alices.typing() == [(secret.id, alice.id, True)], "a member hears it"
    assert carols.typing() == []
    assert carols.writes(secret)["code"] == "not_found"
    assert carols.here(room=secret)["code"] == "not_found"


def test_a_guest_sees_the_people_of_their_rooms_and_nobody_else(line, ada, alice, carol, robot, general):
    leave_room(robot, general)
    set_person_role(ada, robot, "guest")
    club = create_room(alice, "club", kind="private")
    add_member(alice, club, robot)
    line(alice), line(carol)

    guests = line(robot)

    assert sorted(guests.states()) == [(alice.id, "online"), (robot.id, "online")]
    add_member(alice, club, carol)
    assert guests.states() == [(carol.id, "online")]
    remove_member(alice, club, carol)
    remove_member(alice, club, robot)
    assert (alice.id, "offline") in guests.states()
    line(ada)
    assert guests.states() == []


def test_a_token_that_may_only_read_says_that_somebody_is_here_and_not_that_they_write(client, presence, bob, general):
    token, _ = make_token(bob, "a script", scopes=("read",), days=7)
    headers = {"Authorization": f"Bearer {token}"}
    stream = client.get("/api/v1/events?presence=script", headers=headers)

    here, typing = (
        client.post(f"/api/v1/do/{event}", json=data | {"room": general.id}, headers=headers)
        for event, data in (("here", {"active": False, "presence": "script"}), ("typing", {"on": True}))
    )

    assert (here.status_code, presence.shown[bob.id]) == (200, "away")
    assert (typing.status_code, typing.json["code"]) == (403, "forbidden")
    stream.close()


# The end


def test_after_a_session_has_ended_nothing_of_it_comes(line, presence, alice, bob, general):
    bobs, alices = line(bob), line(alice)
    bobs.here(room=general)
    bobs.quiet()

    end_other_sessions(bob)
    alices.writes(general)
    alices.here(active=False)

    assert [event for event, _ in bobs.stream.received()] == ["bye"]
    assert bobs.stream.has_ended
    assert bob.id not in presence.shown
    assert bobs.here()["code"] == "unauthorized"


def test_a_stream_that_is_closed_leaves_nothing_behind(line, app, presence, bob, general):
    fanout = app.extensions["live"].presence_fanout
    bobs = line(bob)
    bobs.here(room=general)

    bobs.stream.close()

    assert not fanout._readers
    assert not fanout._reading
    assert not presence._here
    assert not presence.shown


def test_whoever_does_not_read_has_only_the_newest_about_each_person_waiting(line, alice, bob, general):
    bobs, alices = line(bob), line(alice)
    bobs.here(room=general)
    bobs.quiet()

    for _ in range(20):
        alices.here(active=False)
        alices.writes(general)
        alices.here(active=True)
        alices.writes(general, on=False)

    assert len(bobs.stream.stream.passing) == 2
    assert bobs.stream.stream.owed == 0
    assert [p for _, p in bobs.stream.received()] == [
        {"user": alice.id, "state": "online"},
        {"room": general.id, "user": alice.id, "on": False},
    ]


def test_much_of_it_comes_piece_by_piece_and_without_an_id(line, app, monkeypatch, bob):
    monkeypatch.setattr(sse, "BATCH", 1000)
    bobs = line(bob).quiet()
    before = bobs.stream.id

    for user in range(1000, 1100):
        app.extensions["live"].presence_fanout.publish("everyone", "presence", {"user": user, "state": "online"})
    pieces = []
    while bobs.stream.stream.passing:
        pieces.append(next(bobs.stream.chunks))

    assert len(pieces) > 4
    assert b"id:" not in b"".join(pieces)
    for piece in pieces:
        bobs.stream.feed(piece)
    assert [p["user"] for _, p in bobs.stream.received()] == list(range(1000, 1100))
    assert bobs.stream.id == before


def test_an_id_follows_what_is_numbered_also_behind_it(line, alice, bob, general):
    bobs, alices = line(bob), line(alice)
    bobs.here(room=general)
    bobs.quiet()
    before = bobs.stream.id

    alices.writes(general)
    message = say(alice, general, "Hello")
    alices.writes(general, on=False)

    assert [event for event, _ in bobs.stream.received()] == ["message", "typing"]
    assert f".{general.id}-{message.seq - 1}" in before
    assert bobs.stream.id == before.replace(f".{general.id}-{message.seq - 1}", f".{general.id}-{message.seq}")


# Several processes


def test_what_a_request_says_is_passed_on_to_the_process_that_has_the_stream(line, app, monkeypatch, bob, general):
    bobs, said, presence = line(bob), [], app.extensions["live"].presence
    monkeypatch.setattr(presence.bus, "say", lambda kind, payload: said.append((kind, payload)))
    session = bobs.stream.stream.connection.session_id

    bobs.here(room=general)
    assert said == [], "it is open here"
    bobs.here(room=general, active=False, name="phone")
    assert said == [("screen", (bob.id, session, "phone", False, general.id))]
    bobs.do("here", active=True)
    assert ("screen", (bob.id, session, None, True, None)) in said


def test_what_another_process_was_told_counts_here(line, presence, alice, bob, general):
    bobs, alices = line(bob), line(alice)
    connection = bobs.stream.stream.connection
    bobs.quiet(), alices.quiet()

    presence._heard_screen([bob.id, connection.session_id, "desk", False, general.id], "another process")
    alices.writes(general)

    assert (bob.id, "away") in alices.states()
    assert bobs.typing() == [(general.id, alice.id, True)]
    for user, session, name in ((alice.id, connection.session_id, "desk"), (bob.id, 0, "desk"), (bob.id, 0, None)):
        presence._heard_screen([user, session, name, True, None], "another process")
    assert connection.room_on_screen == general.id
