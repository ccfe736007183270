import pytest

from chat.accounts.actions import create_user
from chat.core.clock import now
from chat.core.errors import Conflict, Forbidden, Invalid, NotFound
from chat.core.transaction import transaction
from chat.messages.queries import unread_counts
from chat.rooms.actions import (
    add_member,
    archive_room,
    join_room,
    leave_room,
    mark_read,
    remove_member,
    restore_room,
    set_role,
)
from chat.rooms.queries import members, membership_of, position_of, public_room_named
from chat.streams.log import heads
from tests.factories import say


def people(room):
    return {membership.user.username: membership.role for membership in members(room)}


def head(stream):
    return heads([stream])[stream]


# Joining


def test_joining_is_seen_in_the_room_and_by_the_person(live, alice, carol, general):
    in_room, mine = live(alice, general), live(carol)

    membership = join_room(carol, general)

    assert [(frame["change"], frame["user"]["name"], frame["role"]) for frame in in_room.received("member")] == [
        ("joined", "Carol", "member")
    ]
    received = mine.received()
    [added] = [payload for name, payload in received if name == "me"]
    assert (added["change"], added["room"]["id"], added["room"]["member"]) == ("room_added", general.id, True)
    assert ("subscribed", {"stream": general.stream, "head": head(general.stream)}) in received
    assert (membership.joined, membership.v) == (head(general.stream), head(general.stream))


def test_nobody_starts_with_unread_messages(alice, carol, general):
    say(alice, general, "@carol")
    join_room(carol, general)

    assert position_of(carol.id, general.id).seq == head(general.stream)


def test_joining_twice_is_joining_once(carol, general):
    first = join_room(carol, general)
    numbers = head(general.stream), head(carol.stream)

    assert join_room(carol, general) is first
    assert (head(general.stream), head(carol.stream)) == numbers


def test_coming_back_is_a_new_membership_in_the_old_row(alice, bob, general):
    before = membership_of(bob, general).joined
    leave_room(bob, general)
    say(alice, general, "while he was away")

    assert join_room(bob, general).joined > before
    assert unread_counts(bob.id)[general.id][1] == 0


def test_what_cannot_be_joined(alice, carol, general, secret):
    with pytest.raises(NotFound):
        join_room(carol, secret)
    archive_room(alice, general)
    with pytest.raises(Forbidden, match="archived"):
        join_room(carol, general)


def test_a_new_account_is_in_general_from_the_start(general):
    user = create_user(name="Grace", email="grace@example.org", password_hash="x")

    assert membership_of(user, general).role == "member"


def test_a_new_account_does_not_enter_an_archived_general(alice, general):
    archive_room(alice, general)
    user = create_user(name="Grace", email="grace@example.org", password_hash="x")

    assert membership_of(user, general) is None


# Leaving


def test_leaving_ends_the_stream_and_tells_the_room(live, alice, bob, general):
    in_room, mine = live(alice, general), live(bob, general)

    leave_room(bob, general)
    say(alice, general, "now that he is gone")

    [left] = in_room.received("member")
    assert (left["change"], left["user"]["id"], left["role"]) == ("left", bob.id, None)
    received = mine.received()
    assert [p["change"] for name, p in received if name == "me"] == ["room_removed"]
    assert not [p for _, p in received if p.get("stream") == general.stream]


def test_who_is_not_in_cannot_leave(carol, general, secret):
    for room in (general, secret):
        with pytest.raises((Forbidden, NotFound)):
            leave_room(carol, room)


def test_the_last_owner_stays_while_others_are_there(alice, bob, secret):
    with pytest.raises(Conflict, match="someone else an owner"):
        leave_room(alice, secret)
    assert people(secret) == {"alice": "owner", "bob": "member"}

    set_role(alice, secret, bob, "owner")
    leave_room(alice, secret)
    assert people(secret) == {"bob": "owner"}


def test_the_last_person_may_turn_out_the_light(alice, bob, secret):
    remove_member(alice, secret, bob)
    leave_room(alice, secret)

    assert people(secret) == {}


def test_an_archived_room_can_be_left(alice, bob, general):
    archive_room(alice, general)
    leave_room(bob, general)

    assert "bob" not in people(general)


# Adding


def test_a_member_adds_somebody_to_a_private_room(live, bob, carol, secret):
    mine = live(carol)

    add_member(bob, secret, carol)

    assert people(secret) == {"alice": "owner", "bob": "member", "carol": "member"}
    [added] = mine.received("me")
    assert added["room"]["id"] == secret.id
    assert "secret" in added["room"]["html"]


def test_adding_who_is_there_changes_nothing(alice, bob, secret):
    number = head(secret.stream)

    assert add_member(alice, secret, bob) is membership_of(bob, secret)
    assert head(secret.stream) == number


def test_who_may_not_add(ada, alice, bob, carol, robot, general, secret):
    with pytest.raises(Forbidden, match="Join #general"):
        add_member(carol, general, robot)
    for outsider in (carol, ada):
        with pytest.raises(NotFound):
            add_member(outsider, secret, outsider)
    archive_room(alice, secret)
    with pytest.raises(Forbidden, match="archived"):
        add_member(bob, secret, carol)


def test_a_closed_account_cannot_be_added(alice, carol, secret):
    with transaction():
        carol.deactivated_at = now()

    with pytest.raises(Invalid, match="no longer has an account"):
        add_member(alice, secret, carol)


# Removing


def test_from_the_removal_on_nothing_reaches_them(live, alice, bob, secret):
    theirs, mine = live(bob, secret), live(alice, secret)

    say(alice, secret, "with him")
    remove_member(alice, secret, bob)
    say(alice, secret, "without him")

    assert [text for _, _, text in theirs.frames()] == ["with him"]
    assert [change for _, change, _ in mine.frames()] == ["posted", "left", "posted"]


def test_the_line_says_who_removed_whom(live, alice, bob, secret):
    mine = live(alice, secret)
    remove_member(alice, secret, bob)

    [frame] = mine.received("member")
    assert (frame["by"], frame["user"]["id"]) == (alice.id, bob.id)
    assert "removed" in frame["html"]


def test_who_may_not_remove(alice, bob, carol, robot, general, secret):
    for actor, room, person in ((bob, general, robot), (carol, general, bob), (bob, secret, alice)):
        with pytest.raises(Forbidden, match="Only an owner"):
            remove_member(actor, room, person)
    with pytest.raises(NotFound):
        remove_member(carol, secret, bob)


def test_whoever_is_not_there_cannot_be_removed(alice, carol, general):
    with pytest.raises(NotFound, match="Carol is not in #general"):
        remove_member(alice, general, carol)


def test_who_runs_the_community_removes_from_public_rooms_only(ada, bob, general, secret):
    leave_room(ada, general)
    remove_member(ada, general, bob)
    assert "bob" not in people(general)

    with pytest.raises(NotFound):
        remove_member(ada, secret, bob)


def test_the_only_owner_cannot_be_removed(ada, alice, general):
    set_role(alice, general, ada, "member")
    leave_room(ada, general)

    with pytest.raises(Conflict, match="Alice is the only owner"):
        remove_member(ada, general, alice)


# Roles


def test_a_role_is_seen_in_the_room(live, alice, bob, general):
    watcher = live(bob, general)

    set_role(alice, general, bob, "owner")

    [frame] = watcher.received("member")
    assert (frame["change"], frame["role"], frame["user"]["id"]) == ("role", "owner", bob.id)
    assert people(general)["bob"] == "owner"


def test_setting_what_is_set_takes_no_number(alice, bob, general):
    number = head(general.stream)
    set_role(alice, general, bob, "member")

    assert head(general.stream) == number


def test_the_last_owner_stays_one(alice, secret):
    with pytest.raises(Conflict, match="only owner"):
        set_role(alice, secret, alice, "member")


@pytest.mark.parametrize("role", ["", "admin", "OWNER", None])
def test_there_are_three_roles(alice, bob, general, role):
    with pytest.raises(Invalid) as refusal:
        set_role(alice, general, bob, role)
    assert refusal.value.field == "role"


def test_a_moderator_takes_members_out_and_nobody_of_their_own_rank_or_above(live, ada, alice, bob, robot, general):
    leave_room(ada, general)
    set_role(alice, general, bob, "moderator")
    set_role(alice, general, robot, "moderator")
    assert people(general) == {"alice": "owner", "bob": "moderator", "robot": "moderator"}

    for person in (alice, robot):
        with pytest.raises(Forbidden, match="Only an owner of #general can remove its owners and moderators"):
            remove_member(bob, general, person)
    set_role(alice, general, robot, "member")
    remove_member(bob, general, robot)

    assert people(general) == {"alice": "owner", "bob": "moderator"}
    with pytest.raises(Forbidden):
        set_role(bob, general, bob, "owner")


def test_the_page_offers_what_one_may(sign_in, alice, bob, robot, general):
    set_role(alice, general, bob, "moderator")

    mine, his, theirs = (sign_in(user).get(f"{general.path}/members").text for user in (alice, bob, robot))

    assert f'action="{general.path}/members/{robot.id}/role"' in mine
    assert "/role" not in his
    assert f"/members/{robot.id}/remove" in his
    assert f"/members/{alice.id}/remove" not in his
    assert "/remove" not in theirs


def test_who_may_not_set_roles(bob, carol, general, secret):
    with pytest.raises(Forbidden):
        set_role(bob, general, bob, "owner")
    with pytest.raises(NotFound):
        set_role(carol, secret, carol, "owner")


def test_somebody_outside_has_no_role(alice, carol, general):
    with pytest.raises(NotFound):
        set_role(alice, general, carol, "owner")


def test_coming_back_does_not_bring_the_old_role_or_position_back(alice, bob, general):
    set_role(alice, general, bob, "owner")
    mark_read(bob, general, head(general.stream))
    leave_room(bob, general)

    assert join_room(bob, general).role == "member"


def test_general_can_be_restored_and_is_the_default_again(alice, general):
    archive_room(alice, general)
    restore_room(alice, general)
    user = create_user(name="Grace", email="grace@example.org", password_hash="x")

    assert membership_of(user, public_room_named("general")).role == "member"
