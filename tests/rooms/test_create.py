import pytest

from chat.core.errors import Conflict, Forbidden, Invalid
from chat.core.transaction import transaction
from chat.rooms.actions import add_member, change_room, create, create_room, found_community, leave_room
from chat.rooms.queries import members, membership_of
from chat.streams import log


def test_a_new_room_has_its_creator_as_owner_and_a_stream_of_its_own(live, alice):
    mine = live(alice)

    room = create_room(alice, "Sea Trials", topic=" All about  the sea ")

    assert (room.name, room.topic, room.kind) == ("sea-trials", "All about the sea", "public")
    assert membership_of(alice, room).role == "owner"
    assert [entry.kind for entry in log.since(room.stream, 0)] == ["created", "joined"]
    assert [payload["room"]["id"] for payload in mine.received("me")] == [room.id]


def test_a_private_room_tells_nobody_else(live, alice, carol):
    others = live(carol)
    create_room(alice, "plans", kind="private")

    assert others.received() == others.received("hello") == []


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": "x", "kind": "secret"}, "kind"),
        ({"name": "x", "topic": "x" * 251}, "topic"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(alice, values, field):
    with pytest.raises(Invalid) as refusal:
        create_room(alice, **values)
    assert refusal.value.field == field


def test_a_guest_cannot_create_rooms(carol):
    with transaction():
        carol.role = "guest"

    with pytest.raises(Forbidden, match="Guests"):
        create_room(carol, "x")


# Names


def test_a_public_name_is_taken_for_public_rooms(alice, carol, general):
    with pytest.raises(Conflict, match="already a room called general") as refusal:
        create_room(carol, "#General")
    assert refusal.value.field == "name"


def test_the_name_of_a_hidden_room_is_free_or_it_would_be_told(alice, carol, secret):
    assert create_room(carol, "secret").name == "secret"
    assert create_room(carol, "secret-2", kind="private").name == "secret-2"


def test_one_does_not_see_two_rooms_of_one_name(alice, bob, secret):
    for actor in (alice, bob):
        with pytest.raises(Conflict):
            create_room(actor, "secret")
    with pytest.raises(Conflict):
        change_room(alice, create_room(alice, "other"), name="secret", topic="", description="")


def test_a_room_one_has_left_is_hidden_again(alice, bob, secret):
    leave_room(bob, secret)

    assert create_room(bob, "secret").kind == "public"


def test_of_two_at_once_the_index_refuses_the_second(monkeypatch, alice, carol, general):
    """As when another process commits the name between the look-up and the insert."""
    monkeypatch.setattr(create, "refuse_taken_name", lambda *args, **more: None)

    with pytest.raises(Conflict, match="already a room called general") as refusal:
        create_room(carol, "general")
    assert refusal.value.field == "name"


def test_the_community_is_founded_once(app, ada):
    with pytest.raises(Conflict, match="set up already"):
        found_community("Second", name="Eve", username="eve", email="eve@example.org", password_hash="x")


def test_members_are_listed_owners_first_then_by_name(alice, bob, carol, robot):
    room = create_room(robot, "x")
    for person in (carol, bob, alice):
        add_member(robot, room, person)

    assert [membership.user.name for membership in members(room)] == ["Robot", "Alice", "Bob", "Carol"]
