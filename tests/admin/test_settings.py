"""What those who run a community can set: checked, told to everybody, and written down."""

import pytest

from chat.accounts.actions import set_person_role
from chat.admin.actions import change_settings
from chat.core.db import db
from chat.core.errors import Forbidden, Invalid
from chat.site.queries import setting, the_site
from chat.site.settings import SETTINGS
from chat.streams.log import SITE, heads
from tests.accounts.factors import Clock, with_app


def test_a_setting_that_changes_is_told_once_and_written_down(ada, live, bob, audited):
    watcher = live(bob)

    changed = change_settings(ada, who_may_invite="admin", new_account_hours="24", second_factor="nobody")

    assert sorted(changed) == ["new_account_hours", "who_may_invite"]
    assert (setting("who_may_invite"), setting("new_account_hours")) == ("admin", 24)
    assert [(f["change"], f["seq"]) for f in watcher.received("site")] == [("settings", the_site().v)]
    assert audited() == [
        ("settings_changed", ada.id, ("site", None),
         {"who_may_invite": {"from": "member", "to": "admin"}, "new_account_hours": {"from": 0, "to": 24}})
    ]  # fmt: skip


def test_everybody_sees_another_name_and_accent(ada, live, bob, audited):
    watcher = live(bob)

    change_settings(ada, name="  Lowwater ", hue=25)

    [frame] = watcher.received("site")
    assert frame["site"] == {"name": "Lowwater", "hue": 25, "v": the_site().v}
    assert audited()[0][3]["name"] == {"from": "Tidewater", "to": "Lowwater"}


def test_setting_what_is_set_takes_no_number_and_is_not_written_down(ada, audited):
    before = heads([SITE])

    assert change_settings(ada, who_may_invite="member", name="Tidewater") == []
    assert (heads([SITE]), audited()) == (before, [])


def test_what_has_its_default_is_not_kept(ada):
    change_settings(ada, who_may_invite="admin")
    change_settings(ada, who_may_invite="member")

    assert the_site().settings == {}


def test_what_an_older_version_kept_does_no_harm_and_goes_with_the_next_change(sign_in, ada):
    the_site().settings = {"who_may_make_bot": "member"}
    db.session.commit()

    page = sign_in(ada).get("/admin/settings")
    assert (page.status_code, "who_may_make_bot" in page.text) == (200, False)
    change_settings(ada, who_may_invite="admin")
    assert the_site().settings == {"who_may_invite": "admin"}


@pytest.mark.parametrize("role", ["moderator", "member", "guest", "bot"])
def test_only_who_runs_the_community_sets_anything(become, bob, role, audited):
    become(bob, role)

    with pytest.raises(Forbidden):
        change_settings(bob, who_may_invite="admin")
    assert (setting("who_may_invite"), audited()) == ("member", [])


@pytest.mark.parametrize(
    ("name", "value"),
    [("who_may_invite", "nobody"), ("new_account_hours", "721"), ("new_account_hours", "x"), ("new_account_hours", ""),
     ("retention_days", 0), ("name", " "), ("hue", 7), ("no_such_setting", 1)],
)  # fmt: skip
def test_what_cannot_be_is_refused_at_its_field_and_nothing_changes(ada, audited, name, value):
    with pytest.raises(Invalid) as refusal:
        change_settings(ada, who_may_create_room="admin", **{name: value})
    assert (refusal.value.field, setting("who_may_create_room"), audited()) == (name, "member", [])


def test_every_setting_stands_on_a_page(sign_in, ada):
    window = sign_in(ada)
    pages = "".join(window.get(f"/admin/{page}").text for page in ("settings", "sign-in"))
    elsewhere = {"retention_days"}  # its page asks for the days, and shows what would go

    for name, entry in SETTINGS.items():
        assert f'name="{name}"' in pages or name in elsewhere, name
        assert entry.label in pages or name in elsewhere


@pytest.fixture
def provider(app):
    """An identity provider that is set up. Nobody asks it."""
    settings = app.config["PARLEY"]
    for name, value in (("oidc_issuer", "https://id.example"), ("oidc_client_id", "p"), ("oidc_client_secret", "s")):
        object.__setattr__(settings, name, value)


def test_passwords_cannot_be_switched_off_while_there_is_no_other_way_in(sign_in, ada, audited):
    page = sign_in(ada).post("/admin/sign-in", data={"password_sign_in": "False", "second_factor": "nobody"})

    assert page.status_code == 422
    assert "There is no identity provider yet" in page.text
    assert "OIDC_ISSUER" in page.text
    assert (setting("password_sign_in"), audited()) == (True, [])
    with pytest.raises(Invalid) as refusal:
        change_settings(ada, password_sign_in=False, who_may_invite="admin")
    assert (refusal.value.field, setting("who_may_invite")) == ("password_sign_in", "member")


def test_with_a_provider_they_can_and_stay_so_when_it_is_taken_away(app, ada, provider):
    assert change_settings(ada, password_sign_in=False) == ["password_sign_in"]
    app.extensions["providers"].clear()

    assert change_settings(ada, password_sign_in=False, who_may_invite="admin") == ["who_may_invite"]
    assert change_settings(ada, password_sign_in=True) == ["password_sign_in"]


def test_only_an_owner_decides_whether_passwords_sign_in(sign_in, ada, alice, provider):
    set_person_role(ada, alice, "admin")
    window = sign_in(alice)
    page = window.get("/admin/sign-in").text
    assert 'name="password_sign_in"' not in page
    assert "Whether they can is for the owner to decide." in page
    assert 'name="password_sign_in"' in sign_in(ada).get("/admin/sign-in").text

    window.post("/admin/sign-in", data={"password_sign_in": "False", "second_factor": "nobody"})
    with pytest.raises(Forbidden, match="Only the owner"):
        change_settings(alice, password_sign_in=False)
    assert setting("password_sign_in") is True


def test_the_pages_set_what_is_typed(sign_in, ada, provider):
    with_app(ada, Clock())
    window = sign_in(ada)

    window.post("/admin/settings", data={"who_may_invite": "moderator", "who_may_create_room": "member",
                                         "new_account_hours": "48"})  # fmt: skip
    window.post("/admin/sign-in", data={"password_sign_in": "False", "second_factor": "admin"})
    window.post("/admin/community", data={"name": "Lowwater", "hue": "25"})

    assert (setting("who_may_invite"), setting("new_account_hours")) == ("moderator", 48)
    assert (setting("password_sign_in"), setting("second_factor")) == (False, "admin")
    assert (the_site().name, the_site().hue) == ("Lowwater", 25)


def test_a_page_says_beside_the_field_what_cannot_be(sign_in, ada):
    typed = {"who_may_invite": "member", "who_may_create_room": "member"}
    page = sign_in(ada).post("/admin/settings", data={**typed, "new_account_hours": "721"})

    assert page.status_code == 422
    assert "Use a whole number from 0 to 720." in page.text
    assert 'value="721"' in page.text
    assert setting("new_account_hours") == 0
