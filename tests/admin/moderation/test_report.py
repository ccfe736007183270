"""Reporting a message, and deciding about it."""

import re

import pytest

from chat.accounts.actions import assign_role
from chat.admin.models import Report
from chat.admin.moderation.actions import decide_report, report_message
from chat.admin.moderation.queries import decided_reports, open_reports, removals, reports_by, texts_kept
from chat.core.db import db
from chat.core.errors import Conflict, Forbidden, Invalid, NotFound, RateLimited
from chat.core.transaction import transaction
from chat.messages.actions import delete_message, edit_message
from chat.rooms.actions import join_room
from tests.factories import say


def decided():
    db.session.rollback()
    return [report.decision for report in db.session.query(Report).order_by(Report.id)]


@pytest.fixture
def reported(alice, bob, general):
    """What alice reported of bob's."""
    return report_message(alice, say(bob, general, "You are all fools"), "Insults")


def test_a_report_keeps_what_the_message_said(alice, bob, general):
    message = say(bob, general, "You are all fools")
    report = report_message(alice, message, " Insults ")
    edit_message(bob, message, "You are all cool")

    assert (report.text, report.reason, report.reporter_id) == ("You are all fools", "Insults", alice.id)
    assert report.decided_at is None


def test_reporting_it_again_while_it_waits_is_one_report(alice, bob, general):
    message = say(bob, general, "You are all fools")
    report_message(alice, message, "Insults")
    report_message(alice, message, "And lies")

    assert [report.reason for report in db.session.query(Report)] == ["And lies"]


def test_what_cannot_be_reported(alice, bob, carol, general, secret):
    message = say(bob, general, "Hi")
    with pytest.raises(Forbidden, match="yours"):
        report_message(bob, message, "Me")
    with pytest.raises(Invalid) as refusal:
        report_message(alice, message, " ")
    assert refusal.value.field == "reason"
    with pytest.raises(NotFound):
        report_message(carol, say(bob, secret, "Hi"), "Not mine to see")
    delete_message(bob, message)
    with pytest.raises(NotFound):
        report_message(alice, message, "Gone")
    assert db.session.query(Report).count() == 0


def test_a_moderator_removes_the_message_and_everybody_sees_it_go(live, audited, mo, alice, bob, general, reported):
    watcher = live(alice, general)

    decide_report(mo, reported, "removed")

    assert watcher.frames() == [("message", "deleted", "")]
    assert decided() == ["removed"]
    assert audited()[-1] == "report_decided"


def waiting(page):
    found = re.search(r'href="/reports".*?<span class="badge">(\d+)<', page)
    return found and int(found[1])


def test_what_waits_is_counted_where_a_moderator_sees_it_on_every_page(
    sign_in, mo, alice, robot, bob, general, reported
):
    window = sign_in(mo)
    report_message(robot, reported.message, "Rude")  # the same message: one thing to decide about
    other = report_message(bob, say(alice, general, "No, you are"), "Insults")

    assert waiting(window.get("/people").text) == 2
    assert '<a class="link" href="/reports">2 reported messages wait</a>' in window.get("/").text
    for report in (reported, other):
        decide_report(mo, report, "dismissed")
    assert waiting(window.get("/people").text) is None
    assert "reported message" not in window.get("/").text


def test_nobody_else_sees_that_something_waits_nor_who_wrote_it(sign_in, mo, alice, bob, general, reported):
    join_room(mo, general)
    report_message(alice, say(mo, general, "Fools, all of you"), "Insults")

    assert waiting(sign_in(mo).get("/people").text) == 1  # not what is about her
    for user in (alice, bob):
        assert waiting(sign_in(user).get("/people").text) is None


def test_the_page_of_a_room_is_another_when_something_waits(sign_in, mo, alice, bob, general):
    window = sign_in(mo)
    message = say(bob, general, "You are all fools")
    window.get(general.path)
    tag = window.get(general.path).headers["ETag"]
    assert window.get(general.path, headers={"If-None-Match": tag}).status_code == 304

    report_message(alice, message, "Insults")

    again = window.get(general.path, headers={"If-None-Match": tag})
    assert again.status_code == 200
    assert waiting(again.text) == 1


def test_whoever_may_not_report_is_led_back_to_the_message(sign_in, bob, general):
    message = say(bob, general, "Mine")
    answer = sign_in(bob).get(f"/messages/{message.id}/report")

    assert answer.status_code == 403
    assert f'href="{message.path}">Back to the message</a>' in answer.text


def test_one_decision_is_about_all_who_reported_it(mo, alice, robot, bob, general, reported):
    other = report_message(robot, reported.message, "Rude")

    decide_report(mo, other, "dismissed")

    assert decided() == ["dismissed", "dismissed"]
    with pytest.raises(Conflict):
        decide_report(mo, reported, "removed")
    assert reported.message.text == "You are all fools"


def test_suspending_and_banning_are_decisions_too(boss, alice, bob, general, reported):
    with pytest.raises(Invalid) as refusal:
        decide_report(boss, reported, "banned", reason="Insults", typed="")
    assert (refusal.value.field, decided()) == ("typed", [None])

    decide_report(boss, reported, "suspended", hours=24, reason="Insults")

    assert bob.is_suspended
    assert decided() == ["suspended"]
    again = report_message(alice, reported.message, "Still there")
    decide_report(boss, again, "banned", reason="Insults", typed="bob")
    assert bob.banned_at


@pytest.mark.parametrize("who", ["alice", "bob", "robot"])
@pytest.mark.parametrize("decision", ["dismissed", "removed", "suspended", "banned"])
def test_nobody_else_decides(request, reported, who, decision):
    with pytest.raises(Forbidden):
        decide_report(request.getfixturevalue(who), reported, decision, reason="x", typed="bob")

    assert decided() == [None]


def test_nobody_sees_or_decides_what_was_reported_about_themselves(sign_in, mo, alice, general):
    from chat.rooms.actions import join_room

    join_room(mo, general)
    report = report_message(alice, say(mo, general, "You are all fools"), "Insults")

    assert open_reports(mo) == ([], False)
    assert sign_in(mo).get(f"/reports/{report.id}").status_code == 404
    with pytest.raises(Forbidden):
        decide_report(mo, report, "dismissed")


def test_a_moderator_decides_about_a_message_but_not_about_who_stands_above(mo, ada, alice, general):
    report = report_message(alice, say(ada, general, "Because I say so"), "Rude")
    for decision in ("suspended", "banned"):
        with pytest.raises(Forbidden):
            decide_report(mo, report, decision, reason="x", typed="ada")

    decide_report(mo, report, "removed")  # they moderate the room

    assert report.message.deleted_at


def test_of_a_private_room_a_moderator_sees_that_message_and_nothing_else(sign_in, mo, alice, bob, secret):
    say(alice, secret, "The plan is ready")
    report = report_message(alice, say(bob, secret, "You are a fool"), "Insults")
    say(alice, secret, "Never mind him")
    browser = sign_in(mo)

    for path in ("/reports", f"/reports/{report.id}"):
        page = browser.get(path).text
        assert "You are a fool" in page
        assert "a private room" in page
        assert not any(hidden in page for hidden in ("The plan is ready", "Never mind him", "secret", secret.path))
    assert "nothing else of the room" in sign_in(alice).get(f"/messages/{report.message_id}/report").text
    decide_report(mo, report, "removed")
    assert report.message.text == ""


def test_of_a_public_room_what_was_said_around_it_is_shown(sign_in, mo, alice, bob, general):
    for n in range(7):
        say(alice, general, f"before {n}")
    report = report_message(alice, say(bob, general, "You are all fools"), "Insults")
    for n in range(7):
        say(alice, general, f"after {n}")

    page = sign_in(mo).get(f"/reports/{report.id}").text

    assert [n for n in range(7) if f"before {n}" in page] == [2, 3, 4, 5, 6]
    assert [n for n in range(7) if f"after {n}" in page] == [0, 1, 2, 3, 4]


def test_there_is_a_bound_to_reporting(sign_in, limits_on, alice, bob, general):
    browser = sign_in(alice)
    answers = [
        browser.post(f"/messages/{say(bob, general, str(n)).id}/report", data={"reason": "x"}).status_code
        for n in range(12)
    ]

    assert answers == [303] * 10 + [429] * 2


# On the pages


def test_reporting_and_deciding_without_script(sign_in, mo, alice, bob, general):
    message = say(bob, general, "You are all fools")
    hers, theirs = sign_in(alice), sign_in(mo)
    assert f'href="/messages/{message.id}/report"' in hers.get(general.path).text
    assert hers.post(f"/messages/{message.id}/report", data={"reason": ""}).status_code == 422

    answer = hers.post(f"/messages/{message.id}/report", data={"reason": "Insults"})

    assert (answer.status_code, answer.location) == (303, "/reports/mine")
    assert "Waiting for a moderator" in hers.get("/reports/mine").text
    assert "You are all fools" in theirs.get("/reports").text
    refused = theirs.post("/reports/1/decide", data={"decision": "suspended", "hours": "24", "reason": ""})
    assert refused.status_code == 422
    assert "Say why" in refused.text
    theirs.post("/reports/1/decide", data={"decision": "removed"})
    assert "The message was removed" in hers.get("/reports/mine").text
    assert "Nothing is waiting" in theirs.get("/reports").text
    assert "The message was removed" in theirs.get("/reports/decided").text


def test_others_find_no_report_at_all(sign_in, alice, reported):
    browser = sign_in(alice)

    assert browser.get(f"/reports/{reported.id}").status_code == 404
    assert browser.post(f"/reports/{reported.id}/decide", data={"decision": "dismissed"}).status_code == 404
    assert "You are all fools" in browser.get("/reports/mine").text


def test_guests_report_and_bots_do_not(ada, alice, bob, robot, general):
    message = say(bob, general, "Hi")
    assign_role(robot, "guest")
    report_message(robot, message, "Rude")
    with transaction():
        robot.role = "bot"

    with pytest.raises(Forbidden):
        report_message(robot, message, "Rude")


def test_the_limit_says_when(app, limits_on):
    from chat.core.rate_limit import limiter

    for _ in range(10):
        limiter.take("report", 1)
    with pytest.raises(RateLimited):
        limiter.take("report", 1)


# A page at a time


@pytest.fixture
def many(alice, robot, bob, general):
    """Five messages of bob's that alice reported, and robot, too, the first of them."""
    messages = [say(bob, general, f"Number {n}") for n in range(5)]
    reports = [report_message(alice, message, "Rude") for message in messages]
    return [*reports, report_message(robot, messages[0], "Very")]


def texts(found):
    return [[report.text for report in together] for together in found]


def test_what_waits_comes_a_page_at_a_time_with_all_that_is_said_about_a_message(mo, many):
    first, more = open_reports(mo, limit=2)
    decide_report(mo, first[-1][0], "dismissed")
    second, _ = open_reports(mo, after=first[-1][0].id, limit=2)
    third, end = open_reports(mo, after=second[-1][0].id, limit=2)

    assert texts(first) == [["Number 0", "Number 0"], ["Number 1"]]
    assert texts(second) == [["Number 2"], ["Number 3"]]
    assert (texts(third), more, end) == ([["Number 4"]], True, False)


def test_what_was_decided_comes_a_page_at_a_time_newest_first(mo, many):
    for number in (3, 0, 4):
        decide_report(mo, many[number], "dismissed")

    first, more = decided_reports(mo, limit=2)
    second, end = decided_reports(mo, before=first[-1][0].message_id, limit=2)

    assert texts(first) == [["Number 4"], ["Number 0", "Number 0"]]
    assert (texts(second), more, end) == ([["Number 3"]], True, False)


def test_what_one_reported_comes_a_page_at_a_time(alice, many):
    first, more = reports_by(alice, limit=3)
    second, end = reports_by(alice, before=first[-1].id, limit=3)

    assert [report.text for report in first + second] == [f"Number {n}" for n in (4, 3, 2, 1, 0)]
    assert (more, end) == (True, False)


def test_removals_come_a_page_at_a_time_with_what_each_took(boss, many):
    for report in many[:3]:
        decide_report(boss, report, "removed")

    first, more = removals(boss, limit=2)
    second, end = removals(boss, before=first[-1].id, limit=2)

    assert [removal.id for removal in first + second] == [3, 2, 1]
    assert texts_kept(first) == {3: 1, 2: 1}
    assert (more, end) == (True, False)


@pytest.mark.parametrize("number", [0, -1, 2**31, 2**70])
def test_an_end_of_a_page_that_is_none_begins_at_the_beginning(sign_in, mo, many, number):
    window = sign_in(mo)
    for page in ("/reports", "/reports/decided", "/reports/people", "/reports/removals", "/reports/mine", "/invites"):
        assert window.get(f"{page}?after={number}&before={number}").status_code == 200
    assert "5 messages wait for a decision" in window.get(f"/reports?after={number}").text


def test_the_queue_says_how_many_wait_and_leads_to_the_next_page(sign_in, mo, alice, bob, general):
    for n in range(101):
        report_message(alice, say(bob, general, f"Number {n}"), "Rude")

    window = sign_in(mo)
    first = window.get("/reports").text
    second = window.get("/reports" + re.search(r'class="button" href="([^"]+)">Next page', first)[1]).text

    assert "101 messages wait for a decision, 100 of them on this page" in first
    assert ("Number 99" in first, "Number 100" in first) == (True, False)
    assert ("Number 99" in second, "Number 100" in second, "Next page" in second) == (False, True, False)
