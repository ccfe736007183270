from datetime import timedelta

import pytest

from chat.accounts.actions import create_invite, revoke_invite, set_sign_up
from chat.accounts.policy import state_of_invite
from chat.accounts.queries import invite_for, invites_for
from chat.core.clock import now
from chat.core.errors import Forbidden, Invalid, NotFound
from chat.site.queries import the_site
from chat.streams.log import SITE, since


def test_an_invite_is_a_code_that_nobody_can_guess(alice):
    first, second = create_invite(alice, expires_days=7, max_uses=3), create_invite(alice)

    assert len(first.code) >= 22  # 128 bits
    assert first.code != second.code
    assert first.path == f"/invite/{first.code}"
    assert first.expires_at - first.created_at == timedelta(days=7)
    assert (second.expires_at, second.max_uses) == (None, None)


@pytest.mark.parametrize(
    ("days", "uses", "field"),
    [
        (0, 1, "expires_days"),
        (366, 1, "expires_days"),
        (-1, 1, "expires_days"),
        (1, 0, "max_uses"),
        (1, 10_001, "max_uses"),
    ],
)
def test_times_and_uses_have_bounds(alice, days, uses, field):
    with pytest.raises(Invalid) as refused:
        create_invite(alice, expires_days=days, max_uses=uses)

    assert refused.value.field == field


def test_whoever_runs_the_community_sees_all_invites_and_others_their_own(alice, bob, ada):
    of_alice, of_bob = create_invite(alice), create_invite(bob)

    assert invites_for(ada) == ([of_bob, of_alice], False)
    assert invites_for(alice) == ([of_alice], False)
    assert invite_for(ada, of_alice.id) == invite_for(alice, of_alice.id) == of_alice
    with pytest.raises(NotFound):
        invite_for(bob, of_alice.id)


def test_invites_come_a_page_at_a_time_newest_first(alice, bob):
    made = [create_invite(alice) for _ in range(3)]
    create_invite(bob)

    first, more = invites_for(alice, limit=2)
    rest, end = invites_for(alice, before=first[-1].id, limit=2)

    assert first + rest == made[::-1]
    assert (more, end) == (True, False)


def test_one_revokes_ones_own_and_whoever_runs_the_community_any(alice, bob, ada):
    invite, other = create_invite(alice), create_invite(alice)

    with pytest.raises(Forbidden):
        revoke_invite(bob, invite)
    assert state_of_invite(invite) == "open"
    revoke_invite(alice, invite)
    revoke_invite(ada, other)
    assert state_of_invite(invite) == state_of_invite(other) == "revoked"


def test_revoking_again_keeps_the_moment(alice):
    invite = create_invite(alice)
    revoke_invite(alice, invite)
    first = invite.revoked_at
    revoke_invite(alice, invite)

    assert invite.revoked_at == first


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({}, "open"),
        ({"uses": 2}, "used up"),
        ({"expires_at": now() - timedelta(seconds=1)}, "expired"),
        ({"expires_at": now() - timedelta(seconds=1), "uses": 2}, "used up"),
        ({"uses": 2, "revoked_at": now()}, "revoked"),
    ],
)
def test_an_invite_is_in_one_state(alice, change, values, state):
    assert state_of_invite(change(create_invite(alice, expires_days=1, max_uses=2), **values)) == state


def test_who_may_sign_up_is_decided_by_whoever_runs_the_community(alice, ada):
    with pytest.raises(Forbidden):
        set_sign_up(alice, "open")
    assert not the_site().is_open

    set_sign_up(ada, "open")
    assert the_site().is_open
    newest = since(SITE, 0)[-1]
    assert (newest.kind, newest.subject_id, newest.seq) == ("settings", 1, the_site().v)


def test_setting_what_is_set_takes_no_number(ada):
    set_sign_up(ada, "open")
    v = the_site().v
    set_sign_up(ada, "open")

    assert the_site().v == v


@pytest.mark.parametrize("wrong", ["", "closed", "OPEN", None])
def test_there_are_two_answers(ada, wrong):
    with pytest.raises(Invalid) as refused:
        set_sign_up(ada, wrong)

    assert refused.value.field == "sign_up"
