import pytest

from chat.accounts.presenter import presence_of
from chat.rooms.actions import leave_room, remove_member


class Clock:
    """Time that passes when told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(presence):
    presence.monotonic = Clock()
    return presence.monotonic


@pytest.fixture
def passes(presence, clock):
    """passes(seconds): that time goes by, and the sweep that runs every second has run."""

    def passes(seconds):
        clock.now += seconds
        presence.sweep()

    return passes


def states(client):
    return [(payload["user"], payload["state"]) for payload in client.received("presence", namespace="/presence")]


def typing(client):
    found = client.received("typing", namespace="/presence")
    return [(payload["room"], payload["user"], payload["on"]) for payload in found]


def quiet(*clients):
    for client in clients:
        client.received(namespace="/presence")


def here(client, active=True, room=None):
    return client.emit("here", {"active": active, "room": room and room.id}, namespace="/presence")


def type_in(client, room, on=True):
    return client.emit("typing", {"room": room.id, "on": on}, namespace="/presence")


# Who is here


def test_who_comes_is_seen_and_sees_who_is_here(clock, live, alice, bob):
    first = live(alice)
    assert states(first) == [(alice.id, "online")]

    second = live(bob)
    assert states(first) == [(bob.id, "online")]
    assert sorted(states(second)) == [(alice.id, "online"), (bob.id, "online")]
    assert presence_of(bob) == "online"


def test_a_lease_that_is_not_renewed_ends(live, passes, alice, bob):
    watcher, other = live(alice), live(bob)
    quiet(watcher)

    passes(29)
    here(watcher)
    passes(2)
    assert states(watcher) == [(bob.id, "offline")]
    assert presence_of(bob) == "offline"
    here(other)
    assert states(watcher) == [(bob.id, "online")]


def test_renewing_says_nothing_new(live, passes, alice, bob):
    watcher, other = live(alice), live(bob)
    quiet(watcher)
    for _ in range(4):
        passes(15)
        here(other), here(watcher)

    assert states(watcher) == []


def test_away_while_no_window_has_somebody_before_it(live, clock, alice, bob):
    watcher, desk, phone = live(alice), live(bob), live(bob)
    quiet(watcher)

    here(desk, active=False)
    assert states(watcher) == []
    here(phone, active=False)
    assert states(watcher) == [(bob.id, "away")]
    here(desk)
    assert states(watcher) == [(bob.id, "online")]


def test_gone_when_the_last_window_is(live, clock, alice, bob):
    watcher, desk, phone = live(alice), live(bob), live(bob)
    quiet(watcher)

    desk.client.disconnect("/chat")
    assert states(watcher) == []
    phone.client.disconnect("/presence")
    assert states(watcher) == [(bob.id, "offline")]


# Typing


@pytest.fixture
def room_open(live, clock, alice, bob, general):
    """alice and bob with #general on their screens."""
    both = live(alice, general), live(bob, general)
    quiet(*both)
    return both


def test_typing_is_seen_by_who_has_the_room_open(live, room_open, alice, bob, robot, general, secret):
    watcher, writer = room_open
    elsewhere, nowhere = live(robot), live(bob, secret)

    assert type_in(writer, general) == {"ok": True}
    assert typing(watcher) == [(general.id, bob.id, True)]
    assert typing(elsewhere) == typing(nowhere) == []
    type_in(writer, general, on=False)
    assert typing(watcher) == [(general.id, bob.id, False)]


def test_typing_ends_by_itself(room_open, passes, bob, general):
    watcher, writer = room_open
    type_in(writer, general)
    passes(5)
    type_in(writer, general)
    quiet(watcher)

    passes(5)
    assert typing(watcher) == []
    passes(1)
    assert typing(watcher) == [(general.id, bob.id, False)]
    passes(10)
    assert typing(watcher) == []


def test_no_longer_typing_is_said_once(room_open, general):
    watcher, writer = room_open
    type_in(writer, general, on=False)
    type_in(writer, general, on=False)

    assert typing(watcher) == []


def test_another_room_on_the_screen_hears_no_typing(room_open, secret, general):
    watcher, writer = room_open
    here(watcher, room=secret)
    type_in(writer, general)

    assert typing(watcher) == []


def test_who_was_removed_hears_no_typing(room_open, alice, bob, general):
    watcher, writer = room_open
    remove_member(alice, general, bob)
    type_in(watcher, general)

    assert typing(writer) == []
    answer = type_in(writer, general)
    assert (answer["ok"], answer["code"]) == (False, "not_found")


@pytest.mark.parametrize("room", ["general", "secret", "none"])
def test_nobody_types_or_looks_at_rooms_they_are_not_in(request, live, carol, room, secret):
    client = live(carol)
    number = {"none": 999}.get(room) or request.getfixturevalue(room).id

    for event, data in (("typing", {"room": number, "on": True}), ("here", {"active": True, "room": number})):
        answer = client.emit(event, data, namespace="/presence")
        assert (answer["ok"], answer["code"], answer["field"]) == (False, "not_found", "room")


@pytest.mark.parametrize(
    ("event", "data"),
    [
        ("typing", {"room": 1}),
        ("typing", {"room": 1, "on": 1}),
        ("here", {}),
        ("here", {"active": "yes"}),
        ("here", None),
    ],
)
def test_what_is_no_such_event_is_invalid(live, bob, event, data):
    assert live(bob).emit(event, data, namespace="/presence")["code"] == "invalid"


@pytest.mark.parametrize("event", ["message", "resume", "react", "nonsense"])
def test_what_belongs_elsewhere_is_unknown_here(live, bob, event):
    assert live(bob).emit(event, {}, namespace="/presence")["code"] == "unknown_event"


def test_there_is_no_presence_without_a_chat(app):
    client = app.extensions["live"].socketio.test_client(app, namespace="/presence")
    assert not client.is_connected("/presence")


def test_leaving_a_room_keeps_the_person_here(live, clock, alice, bob, general):
    watcher, _ = live(alice), live(bob, general)
    quiet(watcher)
    leave_room(bob, general)

    assert states(watcher) == []
