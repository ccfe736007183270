"""The matrix, cell by cell, each over its real entry: pages, forms, websockets, event streams, and events as requests.

A cell is an actor, a kind of room, and a way in. What is hidden answers as what never was, to the letter; what is
refused has stored nothing.
"""

import re
from functools import partial

import pytest

from chat.accounts.actions import update_profile
from chat.core.db import db
from chat.realtime import wire
from chat.rooms.actions import remove_member, restore_room
from chat.rooms.models import Room
from chat.rooms.queries import members
from tests.assertions import LiveClient
from tests.factories import person, say
from tests.policies.matrix import ACTORS, KINDS, of_community, of_rooms
from tests.policies.ways import IN_COMMUNITY, IN_ROOMS
from tests.policies.world import NEVER, filled

pytestmark = pytest.mark.sqlite  # the rules are Python, whatever the database; the way back is SQLite's

ROOMS, COMMUNITY = of_rooms(), of_community()


def cells(name):
    """(actor, kind of room or None, way, expected letter) of an action."""
    if name in IN_ROOMS:
        row, ways = IN_ROOMS[name]
        found = [(actor, kind, way, ROOMS[row, kind][actor]) for kind in KINDS for way in ways for actor in ACTORS]
    else:
        row, ways = IN_COMMUNITY[name]
        found = [(actor, None, way, COMMUNITY[row][actor]) for way in ways for actor in ACTORS]
    return [cell for cell in found if cell[3] != "."]


ALL = [cell for name in (*IN_ROOMS, *IN_COMMUNITY) for cell in cells(name)]


@pytest.mark.parametrize("name", [*IN_ROOMS, *IN_COMMUNITY])
def test_everybody_can_what_they_may_and_nothing_else(world, name):
    wrong, never = [], {}
    for actor, kind, way, expected in cells(name):
        if world.changed():
            world.restore()
        things = world.things(actor, kind)
        letter, text = world.take(way, actor, things)
        where = f"{actor} {kind or ''} {way}"
        if letter != expected:
            wrong.append(f"{where}: {letter}, not {expected}")
        if letter != "Y" and world.changed():
            wrong.append(f"{where}: refused, and stored something")
            world.restore()
        if letter == "N":
            nothing = world.things(actor, kind, never=True)
            if (actor, str(way)) not in never:
                never[actor, str(way)] = anonymous(world.take(way, actor, nothing)[1], nothing)
            if anonymous(text, things) != never[actor, str(way)]:
                wrong.append(f"{where}: not what is said of what never was")
    world.restore()
    assert not wrong, f"{len(wrong)} wrong cells: " + "; ".join(wrong[:40])


# Where ids and names stand in answers, by what stands before them.
ABOUT = {
    "rooms/": ("room",), "room:": ("room",), "messages/": ("own", "foreign"), "people/": ("mia", "stan", "adam"),
    "invites/": ("foreign_invite",), "sessions/": ("foreign_session",), "tokens/": ("foreign_session",),
    "passkeys/": ("foreign_passkey",), "exports/": ("foreign_export",), "reports/": ("foreign_report",),
}  # fmt: skip


def anonymous(text, things):
    """An answer without the ids and names that were asked about, nor the token of its forms."""
    text = re.sub(r'(csrf.token"[^>]*)="[^"]{20,}"', r"\1", text)
    for before, names in ABOUT.items():
        for name in names:
            if name in things:
                text = re.sub(rf"{before}{things[name]}\b", f"{before}#", text)
    return text


def test_there_are_thousands_of_cells():
    assert len(ALL) == len({(actor, kind, way.how, way.where, str(way.fields)) for actor, kind, way, _ in ALL})
    assert len(ALL) >= 3000


def test_every_route_is_in_the_matrix(world):
    adapter, taken = world.app.url_map.bind("localhost"), set()
    for _, kind, way, _ in ALL:
        if way.how not in ("socket", "do"):
            things = world.things("MR", kind or "public")
            path = filled(way.where, things).partition("?")[0]
            method = "GET" if way.how == "sse" else way.how
            taken.add((adapter.match(path, method=method)[0], method))
        elif way.how == "do":
            taken.add(("api.do", "POST"))
    there = {
        (rule.endpoint, method)
        for rule in world.app.url_map.iter_rules()
        for method in rule.methods & {"GET", "POST", "PUT", "PATCH", "DELETE"}
    }
    assert there - taken == set()


@pytest.mark.parametrize("how", ["socket", "do"])
def test_every_event_is_in_the_matrix(how):
    taken = {way.where for _, _, way, _ in ALL if way.how == how}
    assert taken == {event for events in wire.CLIENT.values() for event in events}


# Frames. Whoever follows a room sees what happens there; nobody else does, and nobody any more who was removed.


@pytest.fixture
def follow(world):
    """follow() → {(actor, "socket" or "sse"): a function that gives the payloads since the last look}."""
    opened = []

    def follow():
        found = {}
        for actor in ACTORS:
            socket, stream = world.socket(actor), world.stream(actor)
            opened.append(stream)
            found[actor, "socket"] = partial(received, socket)
            found[actor, "sse"] = partial(received, stream)
        for look in found.values():
            look()
        return found

    yield follow
    for stream in opened:
        if stream is not None:
            stream.close()
    world.restore()


def received(client):
    return [payload for _, payload in client.received()] if client else []


def has_heard(look, stream):
    return any(payload.get("stream") == stream and "change" in payload for payload in look())


def something_happens(room, kind):
    found = db.session.get(Room, room.room)
    if "archived" in kind:
        restore_room(person("alice"), found)
    else:
        say(person("alice"), found, "News")


@pytest.mark.parametrize("kind", KINDS)
def test_frames_of_a_room_reach_whoever_follows_it_and_nobody_else(world, follow, kind):
    room, expected, looks = world.rooms[kind], ROOMS["follow", kind], follow()

    world.act(lambda: something_happens(room, kind))

    heard = {key: has_heard(look, f"room:{room.room}") for key, look in looks.items()}
    assert heard == {(actor, how): expected[actor] == "Y" for actor, how in looks}


@pytest.mark.parametrize("kind", KINDS)
def test_frames_after_the_removal_reach_nobody_who_was_removed(world, follow, kind):
    room, looks = world.rooms[kind], follow()

    def everybody_is_removed():
        found = restore_room(person("alice"), db.session.get(Room, room.room))
        for membership in members(found):
            if membership.user.username != "alice":
                remove_member(person("alice"), found, membership.user)

    world.act(everybody_is_removed)
    for look in looks.values():
        look()
    world.act(lambda: say(person("alice"), db.session.get(Room, room.room), "News"))

    assert [key for key, look in looks.items() if has_heard(look, f"room:{room.room}")] == []


def test_news_of_a_stranger_are_a_tick_for_guests(world, follow):
    looks = follow()

    world.act(lambda: update_profile(person("stan"), name="Stanislav", username="stan", bio="", time_zone="UTC"))

    heard = {key: [p.get("change", "tick") for p in look() if p.get("stream") == "site"] for key, look in looks.items()}
    assert heard == {
        (actor, how): [] if COMMUNITY["signed-in"][actor] == "L" else ["tick"] if actor[0] in "GB" else ["person"]
        for actor, how in looks
    }


@pytest.mark.parametrize("kind", KINDS)
def test_that_somebody_writes_is_seen_by_whoever_has_the_room_open(world, kind):
    room, expected, seen = world.rooms[kind], ROOMS["follow", kind], {}
    for actor in ACTORS:
        if client := world.socket(actor):
            client.emit("here", {"active": True, "room": room.room}, namespace="/presence")
    for actor in ACTORS:
        if client := world.socket(actor):
            client.received(namespace="/presence")

    world.act(lambda: LiveClient(world.app, person("mia")).emit("typing", {"room": room.room, "on": True}, "/presence"))

    for actor in ACTORS:
        client = world.socket(actor)
        seen[actor] = bool(client and client.received("typing", namespace="/presence"))
    world.restore()
    assert seen == {actor: expected[actor] == "Y" for actor in ACTORS}


def test_that_a_stranger_is_here_is_no_news_for_guests(world):
    seen = {}
    for actor in ACTORS:
        if client := world.socket(actor):
            client.received(namespace="/presence")

    world.act(lambda: LiveClient(world.app, person("stan")))

    stan = world.id_of("stan")
    for actor in ACTORS:
        client = world.socket(actor)
        payloads = client.received("presence", namespace="/presence") if client else []
        seen[actor] = any(payload["user"] == stan for payload in payloads)
    world.restore()
    assert seen == {actor: COMMUNITY["see-stan"][actor] == "Y" for actor in ACTORS}


def test_an_id_of_what_never_was_is_none(world):
    assert all(NEVER not in vars(room).values() for room in world.rooms.values())
