"""What groups at the provider make of people here, at each sign-in."""

import pytest

from chat.accounts.actions import begin_session, create_invite
from chat.accounts.actions.providers import role_by_groups
from chat.accounts.models import Identity
from chat.accounts.queries import user_by_email
from chat.accounts.signed_in import session_for
from chat.admin.models import AuditEntry
from chat.core.clock import now
from chat.core.db import db
from tests.accounts.oidc.provider import GRACE
from tests.accounts.test_views import token_of

MAP = (("admins", "admin"), ("guests", "guest"))


@pytest.fixture
def more_settings():
    return {"OIDC_ROLE_MAP": "admins:admin,guests:guest", "OIDC_SCOPES": "openid email profile groups"}


@pytest.mark.parametrize(
    ("role", "groups", "becomes"),
    [
        ("member", ["admins"], "admin"),
        ("member", ["guests"], "guest"),
        ("guest", ["admins", "guests"], "admin"),
        ("admin", ["other"], "member"),
        ("admin", [], "member"),
        ("guest", [], "guest"),
        ("guest", ["other"], "guest"),
        ("moderator", [], "moderator"),
        ("moderator", ["guests"], "guest"),
        ("owner", ["guests"], "owner"),
        ("owner", [], "owner"),
        ("bot", ["admins"], "bot"),
        ("member", ["Admins", "admins:admin", "owner"], "member"),
    ],
)
def test_groups_give_and_take_the_roles_of_the_map(role, groups, becomes):
    assert role_by_groups(role, groups, MAP) == becomes


def test_a_new_person_comes_with_the_role_of_their_groups(sign_in_there, provider, invite):
    provider.be({**GRACE, "groups": ["staff", "admins"]})
    answer = sign_in_there(invite=invite.code)

    assert session_for(token_of(answer)).user.role == "admin"


def test_whoever_left_the_group_is_no_administrator_from_the_next_sign_in_on(sign_in_there, provider, invite):
    provider.be({**GRACE, "groups": ["admins"]})
    sign_in_there(invite=invite.code)
    provider.be({**GRACE, "groups": []})
    answer = sign_in_there()

    assert session_for(token_of(answer)).user.role == "member"
    changes = [e.data for e in db.session.query(AuditEntry).filter_by(verb="role_changed").order_by(AuditEntry.seq)]
    assert changes[-1] == {"from": "admin", "to": "member"}


def test_who_came_by_an_invite_for_guests_stays_one_without_a_group(sign_in_there, provider, alice, general):
    invite = create_invite(alice, role="guest", room_ids=[general.id])
    provider.be({**GRACE, "groups": ["other"]})
    for options in ({"invite": invite.code}, {}):
        assert session_for(token_of(sign_in_there(**options))).user.role == "guest"

    provider.be({**GRACE, "groups": ["admins"]})
    assert session_for(token_of(sign_in_there())).user.role == "admin"


@pytest.mark.parametrize("groups", [None, "admins-not", {"admins": True}, [["admins"]], [1], 7])
def test_what_is_no_list_of_names_gives_nothing(sign_in_there, provider, invite, groups):
    provider.be({**GRACE, "groups": groups})
    answer = sign_in_there(invite=invite.code)

    assert session_for(token_of(answer)).user.role == "member"


def test_the_owner_stays_one_whatever_the_groups(sign_in_there, provider, ada, change):
    moment = now()
    provider.be({**GRACE, "groups": ["guests"]})
    with_identity = Identity(
        user_id=ada.id, provider="oidc", issuer=provider.issuer, subject="grace-1", created_at=moment, used_at=moment
    )
    db.session.add(with_identity)
    db.session.commit()
    answer = sign_in_there()

    assert session_for(token_of(answer)).user.role == "owner"


def test_a_session_from_before_goes_on_with_the_new_role(sign_in_there, provider, invite):
    provider.be({**GRACE, "groups": ["admins"]})
    sign_in_there(invite=invite.code)
    elsewhere = begin_session(user_by_email(GRACE["email"]))
    provider.be({**GRACE, "groups": ["guests"]})
    sign_in_there()

    assert session_for(elsewhere).user.role == "guest"
