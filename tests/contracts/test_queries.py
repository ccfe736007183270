"""How often the database is asked: the same for much as for little."""

from functools import partial

import pytest

from chat.messages.actions import post_message
from chat.rooms.actions import add_member, change_room, create_room
from chat.rooms.queries import public_room_named
from tests.assertions import assert_queries, counted_queries
from tests.databases import ON_POSTGRESQL
from tests.factories import say

LOCKING = 1 if ON_POSTGRESQL else 0  # the question that locks a room's stream; SQLite has one lock, and holds it


@pytest.fixture
def window(sign_in, bob):
    return sign_in(bob)


def asked(function):
    """How often, the second time: the first leaves what tests hold in the session as another request would find it."""
    function()
    with counted_queries() as statements:
        function()
    return len(statements)


def busy(alice, bob, general, *, messages, rooms):
    """So many messages of several people, and so many rooms that bob is in."""
    for n in range(messages):
        say((alice, bob)[n % 2], general, f"{n} @bob @alice")
    for n in range(rooms):
        add_member(alice, create_room(alice, f"room {n}"), bob)
    change_room(alice, general, name="general", topic=f"{messages} messages", description="")


ROOM_PAGE = 17  # one of them for whom the reader muted


def test_the_room_page_with_one_message(window, alice, bob, general):
    busy(alice, bob, general, messages=1, rooms=2)
    path = general.path

    assert asked(lambda: window.get(path)) == ROOM_PAGE


def test_the_room_page_with_two_hundred_messages_and_thirty_rooms(window, alice, bob, general):
    busy(alice, bob, general, messages=200, rooms=29)
    path = general.path

    assert asked(lambda: window.get(path)) == ROOM_PAGE
    # Nobody joined there, which saves a question; a page around a number is two halves of two questions each.
    for where, number in (("before=100", ROOM_PAGE - 1), ("after=100", ROOM_PAGE - 1), ("around=100", ROOM_PAGE + 1)):
        assert asked(partial(window.get, f"{path}?{where}")) == number


def test_the_room_page_that_did_not_change(window, alice, bob, general):
    busy(alice, bob, general, messages=3, rooms=3)
    path = general.path
    window.get(path)
    tag = window.get(path).headers["ETag"]

    with assert_queries(7):
        window.get(path, headers={"If-None-Match": tag})


@pytest.mark.parametrize(
    "path", ["/", "/rooms", "/rooms/1/members", "/rooms/1/settings", "/rooms/1/timeline", "/people", "/people/alice"]
)
def test_other_pages_cost_the_same_with_more_of_everything(window, alice, bob, general, path):
    busy(alice, bob, general, messages=2, rooms=2)
    before = asked(lambda: window.get(path))

    busy(alice, bob, general, messages=20, rooms=0)
    for n in range(10):
        add_member(alice, create_room(alice, f"another {n}"), bob)
    assert asked(lambda: window.get(path)) == before


# Posting


@pytest.mark.parametrize(("text", "number"), [("Hi", 4), ("@alice, see #general", 7)])
def test_posting_when_nobody_is_connected(app, alice, bob, text, number):
    room = public_room_named("general")
    with assert_queries(number + LOCKING):
        post_message(bob, room, text, key="k")


def test_posting_to_listeners_asks_nothing_more(app, live, alice, bob, general):
    watcher = live(alice, general)
    bob.id, general.id  # noqa: B018  loaded
    with assert_queries(4 + LOCKING):
        post_message(bob, general, "Hi", key="k")

    assert watcher.frames() == [("message", "posted", "Hi")]


def test_posting_costs_the_same_for_one_listener_as_for_many(app, live, alice, bob, ada, robot, general):
    clients = [live(alice, general)]
    one = asked(lambda: say(bob, general, "1"))
    clients += [live(person, general) for person in (alice, bob, ada, robot) for _ in range(3)]

    assert asked(lambda: say(bob, general, "2")) == one
    assert all(client.frames()[-1] == ("message", "posted", "2") for client in clients)


# Resuming


def resume(socket, streams):
    return socket.emit("resume", {"epoch": socket.hello["epoch"], "streams": streams, "all": True})


def test_resuming_costs_the_same_for_one_change_as_for_fifty(live, alice, bob, general):
    socket = live(bob)
    cursor = socket.hello["streams"][general.stream]
    say(alice, general, "@bob")
    one = asked(lambda: resume(socket, {general.stream: cursor}))
    for n in range(49):
        say(alice, general, f"{n} @bob @alice")

    assert asked(lambda: resume(socket, {general.stream: cursor})) == one
    assert len(resume(socket, {general.stream: cursor})["streams"][general.stream]["frames"]) == 50


def test_resuming_costs_one_question_for_each_room_where_nothing_happened(live, alice, bob, general):
    socket = live(bob)
    few = asked(lambda: resume(socket, {}))
    for n in range(10):
        add_member(alice, create_room(alice, f"room {n}"), bob)

    assert asked(lambda: resume(socket, {})) <= few + 10
