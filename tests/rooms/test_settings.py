import pytest

from chat.core.errors import Conflict, Forbidden, Invalid, NotFound
from chat.rooms.actions import archive_room, change_room, create_room, leave_room, restore_room, settings
from chat.streams.log import heads, since
from tests.factories import say

AS_IT_IS = {"name": "general", "topic": "Everyone is here", "description": ""}


def kinds(room, after):
    return [entry.kind for entry in since(room.stream, after)]


@pytest.fixture
def head(general):
    return lambda: heads([general.stream])[general.stream]


def test_each_thing_that_changes_is_told(live, alice, bob, general, head):
    before, watcher = head(), live(bob, general)

    change_room(alice, general, name="Lobby", topic="Come in", description="A\r\nB")

    assert kinds(general, before) == ["renamed", "topic", "description"]
    last = watcher.received("room")[-1]
    assert (last["change"], last["by"]) == ("description", alice.id)
    shown = {name: last["room"][name] for name in ("name", "topic", "description", "v")}
    assert shown == {"name": "lobby", "topic": "Come in", "description": "A\nB", "v": head()}


def test_setting_what_is_set_takes_no_number(alice, general, head):
    before = head()
    change_room(alice, general, **AS_IT_IS)

    assert head() == before


@pytest.mark.parametrize(
    ("changed", "field"),
    [({"name": " "}, "name"), ({"topic": "x" * 251}, "topic"), ({"description": "x" * 2001}, "description")],
)
def test_what_cannot_be_is_refused_at_its_field_and_nothing_changes(alice, general, head, changed, field):
    before = head()
    with pytest.raises(Invalid) as refusal:
        change_room(alice, general, **AS_IT_IS | {"name": "lobby"} | changed)
    assert (refusal.value.field, head(), general.name) == (field, before, "general")


def test_a_name_that_is_taken(alice, general):
    create_room(alice, "lobby")

    with pytest.raises(Conflict, match="already a room called lobby"):
        change_room(alice, general, **AS_IT_IS | {"name": "lobby"})


def test_of_two_renames_at_once_the_index_refuses_the_second(monkeypatch, alice, general):
    create_room(alice, "lobby")
    monkeypatch.setattr(settings, "refuse_taken_name", lambda *args, **more: None)

    with pytest.raises(Conflict, match="already a room called lobby") as refusal:
        change_room(alice, general, **AS_IT_IS | {"name": "lobby"})
    assert refusal.value.field == "name"


def test_who_may_not_change_a_room(ada, bob, carol, general, secret):
    for actor in (bob, carol):
        with pytest.raises(Forbidden, match="Only an owner"):
            change_room(actor, general, **AS_IT_IS | {"topic": "Mine"})
    for actor in (carol, ada):
        with pytest.raises(NotFound):
            change_room(actor, secret, name="x", topic="", description="")


def test_who_runs_the_community_looks_after_public_rooms(ada, general):
    leave_room(ada, general)
    change_room(ada, general, **AS_IT_IS | {"topic": "Be kind"})

    assert general.topic == "Be kind"


def test_an_archived_room_can_be_read_and_not_written(live, alice, bob, general):
    watcher = live(bob, general)
    archive_room(alice, general)

    [frame] = watcher.received("room")
    assert (frame["change"], frame["room"]["archived"]) == ("archived", True)
    with pytest.raises(Forbidden, match="archived"):
        say(bob, general, "Hello?")
    with pytest.raises(Forbidden, match="archived"):
        change_room(alice, general, **AS_IT_IS | {"topic": "Gone"})

    restore_room(alice, general)
    assert say(bob, general, "Back").text == "Back"


def test_archiving_and_restoring_twice_is_once(alice, general, head):
    before = head()
    archive_room(alice, general)
    archive_room(alice, general)
    restore_room(alice, general)
    restore_room(alice, general)

    assert kinds(general, before) == ["archived", "restored"]


@pytest.mark.parametrize("action", [archive_room, restore_room])
def test_who_may_not_close_or_open_a_room(action, bob, carol, general, secret):
    for actor in (bob, carol):
        with pytest.raises(Forbidden):
            action(actor, general)
    with pytest.raises(NotFound):
        action(carol, secret)
