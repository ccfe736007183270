"""Suspending and banning: who may, what becomes of the windows that are open, and of coming in."""

from datetime import timedelta

import pytest

from chat.accounts.actions import accept_invite, assign_role, create_invite, set_person_role, sign_in, step_down
from chat.accounts.queries import people_for, people_shut_out, sessions_of
from chat.admin.moderation.actions import ban_person, lift_suspension, suspend_person, unban_person
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Conflict, Forbidden, Invalid, NotFound, Unauthorized
from chat.core.transaction import transaction
from chat.streams.log import ACCESS, since
from tests.assertions import pages_of
from tests.factories import PASSWORD, say

DAY = timedelta(days=1)


def suspend(actor, user, *, for_=DAY, reason="Shouting"):
    suspend_person(actor, user, until=now() + for_, reason=reason)


def ban(actor, user, *, reason="Spam"):
    ban_person(actor, user, reason=reason, typed=user.username)


def access():
    return [(entry.kind, entry.subject_id) for entry in since(ACCESS, 0)]


@pytest.fixture
def trio(ada, boss, alice, bob, robot):
    """Everyone of another role: an owner, an administrator, a moderator, a member, a bot."""
    assign_role(alice, "moderator")
    with transaction():
        robot.role = "bot"
    return {"owner": ada, "admin": boss, "moderator": alice, "member": bob, "bot": robot}


def test_a_suspension_ends_all_windows_at_once_and_is_one_entry_of_access(live, audited, mo, alice, bob, general):
    window, other = live(bob), live(alice)
    before = len(access())

    suspend(mo, bob)
    say(alice, general, "newer")

    assert window.received() == [("bye", {"reason": "revoked", "after_ms": 0})]
    assert other.frames() == [("message", "posted", "newer")]
    assert access()[before:] == [("user_ended", bob.id)]
    assert audited()[-1] == "suspended"
    assert window.emit("read", {"room": general.id, "seq": 1})["code"] == "unauthorized"
    with pytest.raises(Forbidden):
        live(bob)
    assert sessions_of(bob) == []


def test_another_process_ends_them_when_it_hears_of_it(live, app, mo, bob):
    window, pump = live(bob), app.extensions["live"].pump
    pump.wake, wake = (lambda *_: None), pump.wake
    suspend(mo, bob)
    pump.wake = wake
    db.session.rollback()

    pump.poll()

    assert [name for name, _ in window.received()] == ["bye"]


def test_who_is_suspended_reads_why_when_they_sign_in_and_only_with_the_right_password(client, mo, bob):
    suspend(mo, bob, reason="Shouting at newcomers")

    wrong = client.post("/login", data={"login": "bob", "password": "not this one at all"})
    right = client.post("/login", data={"login": "bob", "password": PASSWORD})

    assert "suspended" not in wrong.text
    assert right.status_code == 403
    assert "Your account is suspended until" in right.text
    assert "Shouting at newcomers" in right.text


def test_a_suspension_is_over_when_its_time_is(monkeypatch, mo, bob):
    suspend(mo, bob, for_=timedelta(hours=1))
    with pytest.raises(Forbidden):
        sign_in("bob", PASSWORD)
    with transaction():
        bob.suspended_until = now() - timedelta(seconds=1)

    assert sign_in("bob", PASSWORD).token


def test_a_suspension_can_be_lifted_and_lifting_nothing_is_nothing(audited, mo, bob):
    suspend(mo, bob)
    lift_suspension(mo, bob)
    lift_suspension(mo, bob)

    assert audited()[-1] == "suspension_lifted"
    assert audited().count("suspension_lifted") == 1
    assert sign_in("bob", PASSWORD).token


@pytest.mark.parametrize(
    ("for_", "reason", "field"),
    [(timedelta(0), "x", "until"), (-DAY, "x", "until"), (400 * DAY, "x", "until"), (DAY, " ", "reason"),
     (DAY, "x" * 201, "reason")],
)  # fmt: skip
def test_what_cannot_be_is_refused_at_its_field(mo, bob, for_, reason, field):
    with pytest.raises(Invalid) as refusal:
        suspend(mo, bob, for_=for_, reason=reason)

    assert refusal.value.field == field
    assert bob.suspended_until is None


@pytest.mark.parametrize("who", ["owner", "admin", "moderator", "member", "bot"])
def test_people_are_suspended_and_banned_from_above_and_by_nobody_else(trio, who):
    ranks = ["owner", "admin", "moderator", "member", "bot"]
    actor, may_suspend, may_ban = trio[who], who in ranks[:3], who in ranks[:2]
    for role, user in trio.items():
        below = user is not actor and ranks.index(role) > ranks.index(who)
        for act, may in ((suspend, may_suspend), (ban, may_ban)):
            if below and may:
                continue
            with pytest.raises(Forbidden):
                act(actor, user)
        assert not user.suspended_until
        assert not user.banned_at
    below = [trio[role] for role in ranks[ranks.index(who) + 1 :]]
    for user in below if may_suspend else []:
        suspend(actor, user)
        assert user.is_suspended
    for user in below if may_ban else []:
        ban(actor, user)
        assert user.banned_at


def test_of_two_owners_who_shut_each_other_out_the_second_is_out_already(ada, bob):
    set_person_role(ada, bob, "owner", typed="bob")
    suspend(ada, bob)

    for act in (suspend, ban):
        with pytest.raises(Unauthorized):
            act(bob, ada)
    with pytest.raises(Conflict):
        step_down(ada)  # the other owner cannot come in


def test_a_banned_person_cannot_come_in_by_any_way_nor_come_again(live, client, ada, boss, bob, jobs_done):
    window, invite = live(bob), create_invite(bob)
    code = create_invite(ada).code

    ban(boss, bob)

    assert [name for name, _ in window.received()] == ["bye"]
    with pytest.raises(Invalid):
        sign_in("bob", PASSWORD)  # as for a wrong password
    with pytest.raises(Conflict) as refusal:
        accept_invite(code, name="Rob", email="bob@example.org", password="walnut ferry copper dusk")
    assert refusal.value.field == "email"
    with pytest.raises(NotFound):
        accept_invite(invite.code, name="Rob", email="rob@example.org", password="walnut ferry copper dusk")
    jobs_done()
    assert "Bob" not in [user.name for user in people_for(ada)[0]]


def test_a_ban_can_be_lifted(audited, boss, bob):
    ban(boss, bob)
    unban_person(boss, bob)
    unban_person(boss, bob)

    assert (bob.banned_at, bob.deactivated_at) == (None, None)
    assert audited().count("unbanned") == 1
    assert sign_in("bob", PASSWORD).token


def test_an_account_that_was_closed_before_stays_closed_when_a_ban_is_lifted(boss, bob):
    closed_at = now() - DAY
    with transaction():
        bob.deactivated_at = closed_at
    ban(boss, bob)

    unban_person(boss, bob)

    assert (bob.banned_at, bob.deactivated_at) == (None, closed_at)


def test_a_ban_takes_the_name_once_more(boss, bob):
    with pytest.raises(Invalid, match="Type bob") as refusal:
        ban_person(boss, bob, reason="Spam", typed="rob")

    assert refusal.value.field == "typed"
    assert bob.banned_at is None


# On the page


def test_a_moderator_suspends_on_the_persons_page_without_script(sign_in, mo, bob):
    browser = sign_in(mo)
    assert 'href="/people/bob/moderation"' in browser.get("/people/bob").text
    refused = browser.post("/people/bob/suspend", data={"hours": "24", "reason": ""})
    assert refused.status_code == 422
    assert "Say why" in refused.text

    answer = browser.post("/people/bob/suspend", data={"hours": "24", "reason": "Shouting"})

    assert (answer.status_code, answer.location) == (303, "/people/bob/moderation")
    assert "Suspended until" in browser.get("/people/bob").text
    assert "Shouting" in browser.get("/reports/people").text
    browser.post("/people/bob/lift")
    assert "In good standing" in browser.get("/people/bob/moderation").text


def test_a_date_means_the_end_of_that_day(sign_in, mo, bob):
    day = (now() + 3 * DAY).date()
    sign_in(mo).post("/people/bob/suspend", data={"hours": "1", "until": day.isoformat(), "reason": "Shouting"})
    db.session.rollback()

    assert bob.suspended_until.date() == day + DAY


def test_members_see_nothing_of_it_and_can_do_nothing(sign_in, alice, bob):
    browser = sign_in(alice)

    assert "/people/bob/moderation" not in browser.get("/people/bob").text
    for path in ("/people/bob/moderation", "/reports", "/reports/people", "/reports/removals", "/reports/decided"):
        assert browser.get(path).status_code == 403, path
    for what in ("suspend", "lift", "ban", "unban", "remove-messages"):
        data = {"hours": "24", "reason": "x", "typed": "bob", "period": "all"}
        assert browser.post(f"/people/bob/{what}", data=data).status_code == 403, what
    db.session.rollback()
    assert not bob.suspended_until
    assert not bob.banned_at


def test_a_ban_on_the_page(sign_in, boss, bob):
    browser = sign_in(boss)
    refused = browser.post("/people/bob/ban", data={"reason": "Spam", "typed": ""})
    assert refused.status_code == 422
    assert "Type bob to ban Bob." in refused.text

    browser.post("/people/bob/ban", data={"reason": "Spam", "typed": "bob"})

    assert "Banned on" in browser.get("/reports/people").text
    browser.post("/people/bob/unban")
    db.session.rollback()
    assert bob.banned_at is None


def test_who_is_shut_out_is_listed_a_page_at_a_time(sign_in, mo, boss, alice, bob, robot):
    ban(boss, robot)
    suspend(boss, bob)
    suspend(boss, alice)

    assert [[user.name for user in page] for page in pages_of(people_shut_out, 2)] == [["Alice", "Bob"], ["Robot"]]
    assert "Next page" not in sign_in(mo).get("/reports/people").text
