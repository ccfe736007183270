"""The table of rooms, cell by cell: who may do what to which kind of room."""

import pytest

from chat.core.errors import NotFound
from chat.core.transaction import transaction
from chat.rooms.actions import archive_room
from chat.rooms.policy import TABLE, can_create_room, may, standing
from chat.rooms.queries import room_for

PEOPLE = ("alice", "bob", "ada", "carol")  # an owner, a member, who runs the community, somebody else

# What each may do in a public room; ada is in #general, so she counts as an owner of it.
PUBLIC = {
    #               owner  member steward other
    "see":         (True,  True,  True,  True),
    "join":        (False, False, False, True),
    "leave":       (True,  True,  True,  False),
    "post":        (True,  True,  True,  False),
    "mention_all": (True,  False, True,  False),
    "add":         (True,  True,  True,  False),
    "remove":      (True,  False, True,  False),
    "set_role":    (True,  False, True,  False),
    "change":      (True,  False, True,  False),
    "archive":     (True,  False, True,  False),
    "moderate":    (True,  False, True,  False),
    "slow_down":   (True,  False, True,  False),
    "history":     (True,  False, True,  False),
}  # fmt: skip

# A private one knows no stewards: ada is as much outside as carol.
PRIVATE = {verb: (*cells[:2], False, False) for verb, cells in PUBLIC.items()}

# Who runs the community and is not in a public room looks after it, without being heard in it.
OUTSIDE_STEWARD = {
    "see": True, "join": True, "leave": False, "post": False, "mention_all": False, "add": False, "remove": True,
    "set_role": True, "change": True, "archive": True, "moderate": True, "slow_down": True,
    "history": True,
}  # fmt: skip

STILL_IN_ARCHIVED = {"see", "leave", "archive", "history"}


def answers(request, room, verb):
    return tuple(bool(may(request.getfixturevalue(name), room, verb)) for name in PEOPLE)


def test_every_verb_is_in_the_tables_here():
    assert set(PUBLIC) == set(OUTSIDE_STEWARD) == set(TABLE)


@pytest.mark.parametrize("verb", TABLE)
def test_a_public_room(request, general, verb):
    assert answers(request, general, verb) == PUBLIC[verb]


@pytest.mark.parametrize("verb", TABLE)
def test_a_private_room(request, secret, verb):
    assert answers(request, secret, verb) == PRIVATE[verb]


@pytest.mark.parametrize("verb", TABLE)
def test_who_runs_the_community_and_is_not_in_the_room(request, ada, general, verb):
    from chat.rooms.actions import leave_room

    leave_room(ada, general)
    assert bool(may(ada, general, verb)) is OUTSIDE_STEWARD[verb]


@pytest.mark.parametrize("verb", TABLE)
@pytest.mark.parametrize("kind", ["general", "secret"])
def test_an_archived_room_can_be_read_left_and_opened_again(request, alice, kind, verb):
    room = request.getfixturevalue(kind)
    before = answers(request, room, verb)
    archive_room(alice, room)

    assert answers(request, room, verb) == (before if verb in STILL_IN_ARCHIVED else (False,) * 4)


@pytest.mark.parametrize("verb", TABLE)
def test_a_refusal_is_a_sentence_about_this_room(carol, bob, secret, general, verb):
    for actor, room in ((carol, secret), (bob, general), (carol, general)):
        verdict = may(actor, room, verb)
        assert verdict or verdict.reason.endswith(".")
        assert "{" not in verdict.reason


def test_an_administrator_runs_public_rooms_too_and_no_private_one(carol, general, secret):
    with transaction():
        carol.role = "admin"

    assert (standing(carol, general), standing(carol, secret)) == ("steward", "outsider")
    with pytest.raises(NotFound):
        room_for(carol, secret.id)


def test_everyone_but_guests_may_open_rooms(carol):
    assert can_create_room(carol)
    carol.role = "guest"
    assert not can_create_room(carol)
