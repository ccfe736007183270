from types import SimpleNamespace

import pytest

from chat.accounts.policy import ROLES, TABLE, can_edit_profile, can_invite, can_revoke_invite, can_set_sign_up, may


def someone(role, id=1):
    return SimpleNamespace(id=id, role=role)


def test_the_table_answers_for_every_role():
    assert all(len(answers) == len(ROLES) for answers, _ in TABLE.values())


def test_only_those_who_run_the_community_decide_who_may_sign_up():
    assert [bool(can_set_sign_up(someone(role))) for role in ROLES] == [True, True, False]


def test_everyone_invites_and_members_revoke_only_their_own():
    own, other = SimpleNamespace(created_by_id=1), SimpleNamespace(created_by_id=2)

    assert [bool(can_invite(someone(role))) for role in ROLES] == [True, True, True]
    assert [bool(can_revoke_invite(someone(role), own)) for role in ROLES] == [True, True, True]
    assert [bool(can_revoke_invite(someone(role), other)) for role in ROLES] == [True, True, False]


@pytest.mark.parametrize("role", ROLES)
def test_nobody_edits_the_profile_of_somebody_else(role):
    assert can_edit_profile(someone(role), someone("member", id=1))
    assert not can_edit_profile(someone(role), someone("member", id=2))


@pytest.mark.parametrize("verb", TABLE)
def test_a_role_that_is_not_in_the_table_may_nothing_and_is_told_so(verb):
    verdict = may(someone("guest"), verb, 1)

    assert not verdict
    assert verdict.reason.endswith(".")
