"""Roles in the community: who gives which, and what becomes of the windows that are open."""

import pytest

from chat.accounts.actions import assign_role, set_person_role, step_down
from chat.admin.models import AuditEntry
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Conflict, Forbidden, Invalid, NotFound
from chat.core.transaction import transaction
from chat.streams.log import ACCESS, SITE, since
from tests.events import EventClient
from tests.factories import say


@pytest.fixture
def boss(carol):
    """carol, as an administrator."""
    assign_role(carol, "admin")
    return carol


def audited():
    entries = db.session.scalars(
        db.select(AuditEntry).where(AuditEntry.verb != "room_role_changed").order_by(AuditEntry.seq)
    ).all()
    return [(e.actor_id, e.verb, e.subject_id, e.data) for e in entries]


def test_a_role_is_one_entry_of_access_one_of_the_site_and_one_of_the_audit_log(ada, bob):
    site, access = len(since(SITE, 0)), len(since(ACCESS, 0))

    set_person_role(ada, bob, "moderator")

    assert bob.role == "moderator"
    assert [(e.kind, e.subject_id) for e in since(ACCESS, access)] == [("role_changed", bob.id)]
    assert [(e.kind, e.subject_id, e.seq) for e in since(SITE, site)] == [("person", bob.id, bob.v)]
    assert audited() == [(ada.id, "role_changed", bob.id, {"from": "member", "to": "moderator"})]


def test_setting_what_is_set_changes_nothing(ada, bob):
    set_person_role(ada, bob, "member")

    assert audited() == []
    assert since(ACCESS, 0) == []


def test_an_administrator_gives_roles_below_their_own(boss, ada, alice, bob):
    set_person_role(boss, bob, "moderator")
    set_person_role(boss, bob, "guest")

    for user, role in ((bob, "admin"), (bob, "owner"), (ada, "member"), (boss, "owner"), (boss, "member")):
        with pytest.raises(Forbidden):
            set_person_role(boss, user, role)
    assert (bob.role, ada.role, boss.role) == ("guest", "owner", "admin")


def test_nobody_below_gives_any_role(alice, bob, robot, ada):
    set_person_role(ada, alice, "moderator")
    set_person_role(ada, robot, "guest")

    for actor in (alice, bob, robot):
        for role in ("admin", "moderator", "guest", "owner"):
            with pytest.raises(Forbidden):
                set_person_role(actor, robot if actor is bob else bob, role)


@pytest.mark.parametrize("role", ["bot", "king", "", "Admin"])
def test_what_is_no_role_for_a_person(ada, bob, role):
    with pytest.raises(Forbidden, match="Choose owner, admin, moderator, member or guest"):
        set_person_role(ada, bob, role)


def test_a_closed_account_gets_no_role(ada, bob):
    with transaction():
        bob.deactivated_at = now()

    with pytest.raises(NotFound):
        set_person_role(ada, bob, "admin")


def test_an_owner_is_made_by_typing_their_name(ada, bob):
    for typed in ("", "Bob Ross", "alice"):
        with pytest.raises(Invalid, match="Type bob") as refusal:
            set_person_role(ada, bob, "owner", typed=typed)
        assert refusal.value.field == "typed"

    set_person_role(ada, bob, "owner", typed=" @Bob ")

    assert bob.role == "owner"


def test_handing_over_is_making_an_owner_and_stepping_down(ada, bob):
    with pytest.raises(Conflict, match="Ada is the only owner"):
        step_down(ada)
    set_person_role(ada, bob, "owner", typed="bob")

    step_down(ada)

    assert (ada.role, bob.role) == ("admin", "owner")
    with pytest.raises(Forbidden):
        step_down(ada)
    assert [entry[3] for entry in audited()] == [
        {"from": "member", "to": "owner"},
        {"from": "owner", "to": "admin"},
    ]


def test_an_owner_whose_account_is_closed_does_not_count(ada, bob):
    set_person_role(ada, bob, "owner", typed="bob")
    with transaction():
        bob.deactivated_at = now()

    with pytest.raises(Conflict):
        step_down(ada)


def test_the_server_keeps_an_owner_too(ada, bob):
    with pytest.raises(Conflict):
        assign_role(ada, "member")
    assign_role(bob, "owner")
    assign_role(ada, "member")

    assert (ada.role, bob.role) == ("member", "owner")
    with pytest.raises(Invalid):
        assign_role(ada, "bot")


def test_open_windows_end_and_come_back_with_the_new_rights(live, sign_in, ada, alice, bob, general):
    window, other = live(bob), live(alice)
    stream = EventClient(sign_in(bob))
    stream.received()

    set_person_role(ada, bob, "guest")
    say(alice, general, "newer")

    assert window.received() == [("bye", {"reason": "rights", "after_ms": 0})]
    assert stream.received() == [("bye", {"reason": "rights", "after_ms": 0})]
    assert stream.has_ended
    assert other.frames() == [("message", "posted", "newer")]
    again = live(bob)
    assert again.connected
    assert again.emit("join", {"room": general.id})["ok"]  # in it already
    stream.close()


# On the page


def test_an_administrator_changes_a_role_on_the_persons_page(sign_in, ada, bob):
    browser = sign_in(ada)
    assert 'action="/people/bob/role"' in browser.get("/people/bob").text

    answer = browser.post("/people/bob/role", data={"role": "moderator"})

    assert (answer.status_code, answer.location) == (303, "/people/bob")
    assert "Bob is a moderator now." in browser.get("/people/bob").text
    db.session.rollback()
    assert bob.role == "moderator"


def test_owner_without_the_name_is_asked_again(sign_in, ada, bob):
    answer = sign_in(ada).post("/people/bob/role", data={"role": "owner", "typed": "rob"})

    assert answer.status_code == 422
    assert "Type bob to make Bob an owner." in answer.text
    db.session.rollback()
    assert bob.role == "member"


def test_others_have_no_such_form_and_no_such_power(sign_in, alice, bob):
    browser = sign_in(alice)

    assert "/people/bob/role" not in browser.get("/people/bob").text
    assert browser.post("/people/bob/role", data={"role": "guest"}).status_code == 403
    assert browser.post("/settings/step-down").status_code == 403


def test_an_owner_steps_down_on_their_own_page(sign_in, ada, bob):
    browser = sign_in(ada)
    assert browser.post("/settings/step-down").location == "/people/ada"
    assert "Ada is the only owner." in browser.get("/people/ada").text
    browser.post("/people/bob/role", data={"role": "owner", "typed": "bob"})

    browser.post("/settings/step-down")

    db.session.rollback()
    assert (ada.role, bob.role) == ("admin", "owner")
    assert "/settings/step-down" not in browser.get("/people/ada").text
