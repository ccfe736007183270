"""Invites into rooms, for members and for guests."""

import pytest

from chat.accounts.actions import accept_invite, deactivate, sign_up
from chat.accounts.models import Invite
from chat.accounts.policy import state_of_invite
from chat.accounts.queries import user_by_email
from chat.core.db import db
from chat.core.errors import Forbidden, Invalid, NotFound
from chat.core.transaction import transaction
from chat.rooms.actions import add_member, archive_room, create_room, invite_to_rooms, remove_member, set_role
from chat.rooms.queries import joined_numbers

GRACE = {"name": "Grace", "email": "grace@example.org", "password": "walnut ferry copper dusk"}


def rooms_of(user):
    return set(joined_numbers(user.id))


@pytest.fixture
def workshop(alice):
    return create_room(alice, "workshop", kind="private")


def test_a_guest_is_in_exactly_the_rooms_of_the_invite(alice, general, workshop, secret):
    invite = invite_to_rooms(alice, [workshop, secret], role="guest")
    grace = accept_invite(invite.code, **GRACE)

    assert grace.role == "guest"
    assert rooms_of(grace) == {workshop.id, secret.id}


def test_a_member_is_in_the_rooms_of_the_invite_or_where_everybody_begins(alice, general, workshop):
    grace = accept_invite(invite_to_rooms(alice, [workshop]).code, **GRACE)
    hopper = accept_invite(invite_to_rooms(alice, []).code, **(GRACE | {"email": "hopper@example.org"}))

    assert (grace.role, rooms_of(grace)) == ("member", {workshop.id})
    assert (hopper.role, rooms_of(hopper)) == ("member", {general.id})


def test_guests_need_a_room(alice):
    with pytest.raises(Invalid) as refused:
        invite_to_rooms(alice, [], role="guest")

    assert refused.value.field == "rooms"


@pytest.mark.parametrize("role", ["owner", "admin", "moderator", "bot", "", "Member"])
def test_nobody_is_invited_as_anything_else(alice, general, role):
    with pytest.raises(Invalid):
        invite_to_rooms(alice, [general], role=role)


def test_one_invites_only_into_rooms_that_one_may_add_people_to(bob, carol, general, workshop):
    assert invite_to_rooms(bob, [general])
    with pytest.raises(Forbidden):
        invite_to_rooms(carol, [general])  # she is not in it
    with pytest.raises(NotFound):
        invite_to_rooms(bob, [workshop])  # he may not know of it


@pytest.mark.parametrize("what", ["removed", "archived"])
def test_what_the_inviter_may_no_longer_do_the_invite_cannot_do_either(alice, bob, general, workshop, what):
    add_member(alice, workshop, bob)
    invite = invite_to_rooms(bob, [general, workshop])
    remove_member(alice, workshop, bob) if what == "removed" else archive_room(alice, workshop)
    grace = accept_invite(invite.code, **GRACE)

    assert rooms_of(grace) == {general.id}


def test_a_member_whose_rooms_are_all_gone_begins_where_everybody_does_as_the_page_says(
    client, alice, bob, general, workshop
):
    add_member(alice, workshop, bob)
    invite = invite_to_rooms(bob, [workshop])
    remove_member(alice, workshop, bob)
    assert "<bdi>general</bdi>" in client.get(invite.path).text

    assert rooms_of(accept_invite(invite.code, **GRACE)) == {general.id}


def test_a_guest_whose_rooms_are_all_gone_gets_no_account(client, alice, bob, workshop):
    add_member(alice, workshop, bob)
    invite = invite_to_rooms(bob, [workshop], role="guest")
    remove_member(alice, workshop, bob)

    with pytest.raises(NotFound):
        accept_invite(invite.code, **GRACE)
    assert client.get(invite.path).status_code == 404
    assert user_by_email(GRACE["email"]) is None
    assert db.session.get(Invite, invite.id).uses == 0


@pytest.mark.parametrize("how", ["closed", "guest"])
def test_an_invite_ends_with_the_right_of_who_made_it(ada, bob, general, how):
    invite = invite_to_rooms(bob, [general])
    assert state_of_invite(invite) == "open"
    if how == "closed":
        deactivate(ada, bob)
    else:
        with transaction():
            bob.role = "guest"

    assert state_of_invite(invite) == "revoked"
    with pytest.raises(NotFound):
        accept_invite(invite.code, **GRACE)


def test_whoever_signs_up_without_an_invite_begins_in_general(ada, general):
    from chat.accounts.actions import set_sign_up

    set_sign_up(ada, "open")
    assert rooms_of(sign_up(**GRACE)) == {general.id}


# The pages


def test_the_form_offers_the_rooms_that_one_may_add_to_and_takes_no_others(sign_in, bob, alice, general, workshop):
    window = sign_in(bob)
    page = window.get("/invites").text
    assert f'name="rooms" value="{general.id}"' in page
    assert f'name="rooms" value="{workshop.id}"' not in page

    assert window.post("/invites", data={"role": "guest", "rooms": [general.id]}).status_code == 303
    assert window.post("/invites", data={"role": "guest", "rooms": [workshop.id]}).status_code == 422
    assert window.post("/invites", data={"role": "admin"}).status_code == 422
    assert [(i.role, i.room_ids) for i in db.session.query(Invite)] == [("guest", [general.id])]


def test_whoever_is_invited_reads_where_they_will_be(client, alice, workshop):
    guest = client.get(invite_to_rooms(alice, [workshop], role="guest").path).text
    member = client.get(invite_to_rooms(alice, []).path).text

    assert "You will be a guest" in guest
    assert "#<bdi>workshop</bdi>" in guest
    assert "facepile" in member
    assert "facepile" not in guest  # guests never learn of people outside their rooms
    assert "join as a member and start in #<bdi>general</bdi>" in member


def test_a_rooms_list_of_people_makes_a_link_for_one_guest(sign_in, client, alice, workshop):
    window = sign_in(alice)
    assert f"{workshop.path}/guest-link" in window.get(f"{workshop.path}/members").text
    assert window.post(f"{workshop.path}/guest-link").location == "/invites"
    invite = db.session.query(Invite).one()
    assert (invite.role, invite.room_ids, invite.max_uses) == ("guest", [workshop.id], 1)

    assert "Guests in #<bdi>workshop</bdi>" in window.get("/invites").text
    client.post(invite.path, data=GRACE)
    assert rooms_of(user_by_email(GRACE["email"])) == {workshop.id}


def test_who_may_not_add_people_makes_none(sign_in, carol, general, workshop):
    assert sign_in(carol).post(f"{general.path}/guest-link").status_code == 403
    assert sign_in(carol).post(f"{workshop.path}/guest-link").status_code == 404
    assert db.session.query(Invite).count() == 0


def test_others_read_no_name_of_a_room_that_is_hidden_from_them(sign_in, alice, ada, workshop):
    invite_to_rooms(alice, [workshop])

    assert "workshop" not in sign_in(ada).get("/invites").text
    assert "workshop" in sign_in(alice).get("/invites").text


def test_an_owner_who_is_none_any_more_still_adds_as_a_member(alice, bob, general):
    invite = invite_to_rooms(alice, [general])
    set_role(alice, general, bob, "owner")
    set_role(bob, general, alice, "member")

    assert rooms_of(accept_invite(invite.code, **GRACE)) == {general.id}
