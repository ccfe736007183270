from types import SimpleNamespace

import pytest

from chat.accounts.policy import (
    ROLES,
    TABLE,
    can_edit_profile,
    can_give_role,
    can_invite,
    can_revoke_invite,
    can_set_sign_up,
    can_to,
    may,
)
from chat.site.queries import the_site


def someone(role, id=1):
    return SimpleNamespace(id=id, role=role)


@pytest.fixture(autouse=True)
def community(app):
    """Some answers are settings of the community."""


def test_the_table_answers_for_every_role():
    assert all(len(answers) == len(ROLES) for answers, _ in TABLE.values())


def test_only_those_who_run_the_community_decide_who_may_sign_up():
    assert [bool(can_set_sign_up(someone(role))) for role in ROLES] == [True, True, False, False, False, False]


def test_members_invite_and_revoke_only_their_own():
    own, other = SimpleNamespace(created_by_id=1), SimpleNamespace(created_by_id=2)

    assert [bool(can_invite(someone(role))) for role in ROLES] == [True] * 4 + [False] * 2
    assert [bool(can_revoke_invite(someone(role), own)) for role in ROLES] == [True] * 4 + [False] * 2
    assert [bool(can_revoke_invite(someone(role), other)) for role in ROLES] == [True, True, False, False, False, False]


@pytest.mark.parametrize("role", ROLES)
def test_nobody_edits_the_profile_of_somebody_else(role):
    assert bool(can_edit_profile(someone(role), someone("member", id=1))) is (role != "bot")
    assert not can_edit_profile(someone(role), someone("member", id=2))


@pytest.mark.parametrize("verb", TABLE)
def test_a_role_that_is_not_in_the_table_may_nothing_and_is_told_so(verb):
    verdict = may(someone("visitor"), verb, 1)

    assert not verdict
    assert verdict.reason.endswith(".")


def test_the_community_decides_who_invites(app):
    the_site().settings = {"who_may_invite": "moderator"}

    assert [bool(can_invite(someone(role))) for role in ROLES] == [True, True, True, False, False, False]


def test_nobody_suspends_somebody_of_their_own_rank_or_above_nor_themselves():
    def suspended_by(role):
        return [r for r in ROLES if can_to(someone(role), "suspend", someone(r, id=2))]

    assert suspended_by("owner") == list(ROLES)
    assert suspended_by("admin") == ["moderator", "member", "guest", "bot"]
    assert suspended_by("moderator") == ["member", "guest", "bot"]
    assert not any(suspended_by(role) for role in ("member", "guest", "bot"))
    assert not can_to(someone("owner"), "suspend", someone("owner"))


def test_roles_are_given_from_above():
    member = someone("member", id=2)

    assert [bool(can_give_role(someone("admin"), member, role)) for role in ROLES] == [
        False, False, True, True, True, False,
    ]  # fmt: skip
    assert can_give_role(someone("owner"), member, "owner")
    assert not can_give_role(someone("moderator"), member, "guest")
    assert not can_give_role(someone("admin"), someone("admin", id=2), "member")
