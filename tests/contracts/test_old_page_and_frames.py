"""For everything people do: the old page and the frames since make the new page."""

import re

import pytest

from chat.messages.actions import delete_message, edit_message
from chat.rooms.actions import (
    add_member,
    archive_room,
    change_room,
    create_room,
    join_room,
    leave_room,
    mark_all_read,
    mark_read,
    mark_unread,
    remove_member,
    restore_room,
    set_role,
)
from tests.contracts.test_one_shape import without_tools
from tests.factories import say


class Copy:
    """What a browser has of a room's page and of the sidebar beside it, in the fewest words."""

    def __init__(self, text):
        column = text.partition('data-room-target="column">')[2].partition("<template")[0]
        column = without_tools(column.replace(" message--grouped", ""))
        found = re.findall(r'<article class="message.*?</article>|<p class="event".*?</p>', column, re.DOTALL)
        self.items = {int(re.search(r'data-seq="(\d+)"', item)[1]): item for item in found}
        room = re.search(r'<section class="room"[^>]*>', text)[0]
        self.cursor, self.position = (int(re.search(rf'data-{n}="(\d+)"', room)[1]) for n in ("cursor", "position"))
        self.name = re.search(r'data-room-name="1">([^<]*)</span>', text)[1]
        self.topic = re.search(r'data-room-topic="1"[^>]*>([^<]*)<', text)[1]
        self.places = dict(
            re.findall(r'data-room-id="(\d+)" data-stream[^>]*>.*?<bdi data-room-name="\d+">([^<]*)', text)
        )
        self.unread = self.counts(text)

    def counts(self, text):
        found = re.search(r'<a class="place"[^>]*data-room-id="1"[^>]*data-unread="(\d+)" data-mentions="(\d+)"', text)
        return tuple(map(int, found.groups()))

    def apply(self, name, frame):
        """The client rule, as far as one page needs it."""
        if frame["stream"] == "room:1":
            assert frame["seq"] == self.cursor + 1, "in order, without a gap"
            self.cursor = frame["seq"]
        if name == "message" and frame["stream"] == "room:1":
            self.items[frame["message"]["seq"]] = frame["html"].strip()
        elif name in ("member", "room"):
            if frame["stream"] == "room:1":
                self.items[frame["seq"]] = frame["html"].strip()
            if name == "room":
                room = frame["room"]
                self.places[str(room["id"])] = room["name"]
                if room["id"] == 1:
                    self.name, self.topic = room["name"], room["topic"]
        elif name == "me" and frame["change"] == "read":
            if frame["room"] == 1:
                self.position, self.unread = frame["position"], (frame["unread"], frame["mentions"])
                assert frame["at"] == self.cursor
        elif name == "me":
            room = frame["room"]
            self.places.pop(str(room["id"]), None)
            if room["member"]:
                [[number, named]] = re.findall(r'data-room-id="(\d+)".*?<bdi[^>]*>([^<]*)', room["html"])
                self.places[number] = named


def secret_of(alice):
    return create_room(alice, "secret", kind="private")


# What somebody does, with bob looking at #general. `m` is a message of bob's, `n` one of alice's that names him.
ACTIONS = {
    "post": lambda c: say(c.alice, c.general, "Hi **you**"),
    "post by oneself": lambda c: say(c.bob, c.general, "Hi"),
    "post twice with one key": lambda c: [say(c.alice, c.general, "Hi", key="k") for _ in range(2)],
    "edit": lambda c: edit_message(c.bob, c.m, "Changed"),
    "edit twice": lambda c: [edit_message(c.bob, c.m, text) for text in ("Once", "Twice")],
    "delete": lambda c: delete_message(c.alice, c.m),
    "edit, then delete": lambda c: [edit_message(c.bob, c.m, "Once"), delete_message(c.bob, c.m)],
    "join": lambda c: join_room(c.carol, c.general),
    "leave": lambda c: leave_room(c.robot, c.general),
    "join and leave": lambda c: [join_room(c.carol, c.general), leave_room(c.carol, c.general)],
    "add": lambda c: add_member(c.alice, c.general, c.carol),
    "remove": lambda c: remove_member(c.alice, c.general, c.robot),
    "role": lambda c: set_role(c.alice, c.general, c.bob, "owner"),
    "change": lambda c: change_room(c.alice, c.general, name="lobby", topic="Come in", description="All of you"),
    "archive": lambda c: archive_room(c.alice, c.general),
    "archive and restore": lambda c: [archive_room(c.alice, c.general), restore_room(c.alice, c.general)],
    "read": lambda c: mark_read(c.bob, c.general, c.n.seq),
    "read a part": lambda c: mark_read(c.bob, c.general, c.m.seq),
    "unread": lambda c: [mark_read(c.bob, c.general, c.n.seq), mark_unread(c.bob, c.general, c.n.seq)],
    "read all": lambda c: mark_all_read(c.bob),
    "create a room": lambda c: create_room(c.bob, "attic"),
    "be added": lambda c: add_member(c.alice, secret_of(c.alice), c.bob),
    "be added and removed": lambda c: [
        add_member(c.alice, room := secret_of(c.alice), c.bob),
        say(c.alice, room, "psst"),
        remove_member(c.alice, room, c.bob),
    ],
    "another room renamed": lambda c: change_room(c.alice, c.other, name="renamed", topic="", description=""),
    "leave another room": lambda c: leave_room(c.bob, c.other),
    "much": lambda c: [
        say(c.alice, c.general, "1"),
        edit_message(c.bob, c.m, "2"),
        join_room(c.carol, c.general),
        say(c.carol, c.general, "3"),
        delete_message(c.alice, c.m),
        change_room(c.alice, c.general, name="lobby", topic="4", description=""),
        mark_all_read(c.bob),
    ],
}


@pytest.fixture
def cast(alice, bob, carol, robot, general):
    class Cast:
        pass

    cast = Cast()
    vars(cast).update(alice=alice, bob=bob, carol=carol, robot=robot, general=general, m=say(bob, general, "Mine"))
    cast.n, cast.other = say(alice, general, "@bob and so on"), create_room(alice, "other")
    add_member(alice, cast.other, bob)
    return cast


@pytest.mark.parametrize("action", ACTIONS)
def test_the_old_page_and_the_frames_make_the_new_page(sign_in, live, cast, action):
    window, socket = sign_in(cast.bob), live(cast.bob, cast.general)
    copy = Copy(window.get("/rooms/1").text)

    ACTIONS[action](cast)
    received = [(name, payload) for name, payload in socket.received() if "seq" in payload]

    for name, frame in received:
        copy.apply(name, frame)
    fresh = Copy(window.get("/rooms/1").text)
    if not any(name == "me" and frame["change"] == "read" for name, frame in received):
        copy.unread = fresh.unread  # browsers count what comes in between themselves: see tests/js
    assert vars(copy) == vars(fresh)


@pytest.mark.parametrize("action", ACTIONS)
def test_the_old_page_and_what_resume_answers_make_the_new_page(sign_in, live, cast, action):
    window, socket = sign_in(cast.bob), live(cast.bob, cast.general)
    streams, copy = socket.hello["streams"], Copy(window.get("/rooms/1").text)

    ACTIONS[action](cast)
    answer = socket.emit("resume", {"epoch": socket.hello["epoch"], "streams": streams, "all": True})

    for part in answer["streams"].values():
        for name, frame in part.get("frames", []):
            if not (name == "me" and frame["change"] == "read"):
                copy.apply(name, frame)
    part = answer["streams"]["room:1"]
    copy.position, copy.unread = part["read"]["seq"], (part["unread"], part["mentions"])
    assert vars(copy) == vars(Copy(window.get("/rooms/1").text))
