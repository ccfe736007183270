"""The audit log is a chain: what was said cannot be changed without breaking it."""

import csv
import json
import re
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

import chat
from chat.accounts.actions import (
    accept_invite,
    begin_session,
    change_password,
    create_invite,
    end_other_sessions,
    end_session,
    make_token,
    replace_password,
    revoke_invite,
    set_sign_up,
)
from chat.accounts.signed_in import session_for
from chat.admin.actions import change_settings
from chat.admin.audit import VERBS, link
from chat.admin.models import AuditEntry
from chat.admin.moderation.actions import decide_report, remove_content, report_message, undo_removal
from chat.admin.queries import audit_page, broken_at
from chat.core.clock import now
from chat.core.db import db, is_sqlite
from chat.core.errors import Forbidden
from chat.core.transaction import transaction
from chat.rooms.actions import (
    add_member,
    archive_room,
    change_room,
    create_room,
    remove_member,
    restore_room,
    set_role,
)
from chat.site.events import Audited
from tests.factories import PASSWORD, say


def entries():
    db.session.rollback()
    return db.session.query(AuditEntry).order_by(AuditEntry.seq).all()


def holds(chain):
    before = ""
    for entry in chain:
        if entry.hash != link(before, entry):
            return False
        before = entry.hash
    return True


@pytest.fixture
def three(ada, bob):
    for verb in ("suspended", "role_changed", "suspension_lifted"):
        with transaction() as record:
            record(Audited(ada.id, verb, "user", bob.id, {"role": "guest"}))
    return entries()


def test_every_entry_carries_the_hash_of_all_before_it(three, ada):
    assert [entry.verb for entry in three][-3:] == ["suspended", "role_changed", "suspension_lifted"]
    assert [entry.seq for entry in three] == list(range(1, len(three) + 1))
    assert three[-1].actor_id == ada.id
    assert holds(three)


@pytest.mark.parametrize("change", [{"verb": "nothing"}, {"actor_id": None}, {"data": {}}, {"subject_id": 1}])
def test_an_entry_that_was_changed_breaks_the_chain(three, change):
    for name, value in change.items():
        setattr(three[-2], name, value)

    assert not holds(three)


def test_an_entry_that_was_taken_out_breaks_the_chain(three):
    assert not holds(three[:-2] + three[-1:])


def test_what_did_not_happen_is_not_in_the_log(ada, bob):
    before = len(entries())
    with pytest.raises(ZeroDivisionError), transaction() as record:
        record(Audited(ada.id, "suspended", "user", bob.id))
        raise ZeroDivisionError

    assert len(entries()) == before


# What is written down


def test_what_matters_in_rooms_is_written_down(ada, alice, bob, general, audited):
    room = create_room(alice, "harbour")
    add_member(alice, room, bob)
    change_room(alice, room, name="harbour", topic="Boats", description="")
    set_role(alice, room, bob, "owner")
    remove_member(alice, room, bob)
    archive_room(alice, room)
    archive_room(alice, room)
    restore_room(alice, room)

    assert [(verb, data) for verb, _, _, data in audited()] == [
        ("room_created", {"kind": "public"}),
        ("room_changed", {"changed": ["topic"]}),
        ("room_role_changed", {"user": bob.id, "from": "member", "to": "owner"}),
        ("member_removed", {"user": bob.id}),
        ("room_archived", None),
        ("room_restored", None),
    ]
    assert {(who, about) for _, who, about, _ in audited()} == {(alice.id, ("room", room.id))}


def test_what_matters_in_accounts_is_written_down(ada, bob, audited):
    invite = create_invite(bob, expires_days=7)
    revoke_invite(bob, invite)
    revoke_invite(bob, invite)
    set_sign_up(ada, "open")
    set_sign_up(ada, "open")
    session = session_for(begin_session(bob))
    begin_session(bob)
    change_password(bob, session, current=PASSWORD, new="seven odd tide gauges")
    end_other_sessions(bob)
    replace_password(bob, "nine odd tide gauges")

    assert [(verb, who, about, data) for verb, who, about, data in audited()] == [
        ("invite_made", bob.id, ("invite", invite.id), {"days": 7, "uses": None}),
        ("invite_revoked", bob.id, ("invite", invite.id), None),
        ("sign_up_changed", ada.id, ("site", None), {"from": "invite", "to": "open"}),
        ("password_changed", bob.id, ("user", bob.id), None),
        ("sessions_ended", bob.id, ("user", bob.id), {"browsers": 1}),
        ("password_replaced", None, ("user", bob.id), None),
    ]


def test_whoever_came_by_an_invite_is_written_down(bob, audited):
    invite = create_invite(bob)
    user = accept_invite(invite.code, name="Dana", email="dana@example.org", password=PASSWORD)

    assert audited()[-1] == ("invite_used", user.id, ("invite", invite.id), None)


def test_signing_in_at_another_device_is_written_down(bob, audited):
    begin_session(bob, user_agent="Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", address="192.0.2.1")
    begin_session(bob, user_agent="Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", address="192.0.2.1")
    phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1"
    session = session_for(begin_session(bob, user_agent=phone, address="198.51.100.7"))

    assert audited() == [("signed_in", bob.id, ("session", session.id), None)]


def test_what_was_refused_is_not(bob, general, audited):
    for act in (lambda: archive_room(bob, general), lambda: set_sign_up(bob, "open")):
        with pytest.raises(Forbidden):
            act()

    assert audited() == []


def test_everything_that_is_written_down_has_words(app):
    source = "\n".join(path.read_text() for path in Path(chat.__file__).parent.rglob("*.py"))
    verbs = set(re.findall(r"Audited\(\s*[^,]+(?:\([^)]*\))?,\s*\"(\w+)\"", source))

    assert len(verbs) > 10
    assert verbs <= set(VERBS)


# It stays as it was written


@pytest.mark.parametrize(
    "change", ["UPDATE audit SET verb = 'nothing'", "DELETE FROM audit", "DELETE FROM audit WHERE seq = 1"]
)
def test_the_database_itself_refuses_to_change_it(three, change):
    with pytest.raises(DBAPIError, match="append-only"):
        db.session.execute(text(change))
    db.session.rollback()
    assert holds(entries())


def behind_the_back(*statements):
    """What somebody with the database in their hands could do."""
    if is_sqlite():
        off = ["DROP TRIGGER audit_refuses_update", "DROP TRIGGER audit_refuses_delete"]
    else:
        off = ["ALTER TABLE audit DISABLE TRIGGER ALL"]
    for statement in (*off, *statements):
        db.session.execute(text(statement))
    db.session.commit()


def test_a_chain_that_was_not_touched_holds(app, three, sign_in, ada):
    count = len(entries())

    assert broken_at(batch=2) == (None, count)
    assert f"all {count} entries are as they were written" in sign_in(ada).get("/admin/audit?verify=1").text
    result = app.test_cli_runner().invoke(args=["audit", "verify"])
    assert (result.exit_code, f"all {count} entries" in result.output) == (0, True)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit SET actor_id = NULL WHERE seq = {n}", "DELETE FROM audit WHERE seq = {n}",
     "DELETE FROM audit WHERE seq >= {n}", "UPDATE audit SET data = '{{}}' WHERE seq = {n}"],
)  # fmt: skip
def test_a_chain_that_was_touched_breaks_where_it_was(app, three, sign_in, ada, statement):
    number, count = three[-2].seq, len(three)
    behind_the_back(statement.format(n=number))

    assert broken_at(batch=2) == (number, count)
    assert f"The chain breaks at entry {number} of {count}" in sign_in(ada).get("/admin/audit?verify=1").text
    result = app.test_cli_runner().invoke(args=["audit", "verify"])
    assert (result.exit_code, f"breaks at entry {number}" in result.output) == (1, True)


# Looking things up


@pytest.fixture
def some(ada, alice, bob, general):
    set_sign_up(ada, "open")
    archive_room(alice, general)
    with transaction() as record:
        record(Audited(ada.id, "role_changed", "user", bob.id, {"from": "member", "to": "guest"}))
    return general


def test_entries_read_as_sentences(some, sign_in, ada):
    page = re.sub(r"<[^>]+>", "", sign_in(ada).get("/admin/audit").text)

    assert "Ada changed who may make an account" in page
    assert "changed: only people with an invite → anyone who finds the address" in page
    assert "Alice archived the room #general" in page
    assert "Ada changed the role of Bob" in page


def sentences(browser, query=""):
    """The entries as they read, with where their links lead, newest first."""
    page = browser.get(f"/admin/audit?{query}").text
    items = re.findall(r'<li class="item item--plain">.*?</li>', page, re.DOTALL)
    linked = [re.sub(r'<a class="link" href="([^"]+)">(.*?)</a>', r"\2 [\1]", item) for item in items]
    plain = [unescape(re.sub(r"<[^>]+>", " ", item)) for item in linked]
    return [re.sub(r"\s+", " ", words) for words in plain]


def test_a_decided_report_leads_to_it_while_it_is_kept(sign_in, ada, alice, bob, general):
    message = say(bob, general, "Buy my boat")
    report = report_message(alice, message, "Selling things")
    decide_report(ada, report, "removed")

    newest = sentences(sign_in(ada), "verb=report_decided")[0]
    assert f"decided about reports of a message of Bob [/reports/{report.id}]" in newest
    assert "decided: The message was removed" in newest

    db.session.delete(report)  # as when the message is purged
    db.session.commit()
    assert "decided about reports of a message that is no longer kept" in sentences(sign_in(ada))[0]


def test_nobody_is_led_to_a_report_about_themselves(sign_in, become, ada, alice, bob, general):
    become(bob, "admin")
    report = report_message(alice, say(bob, general, "Buy my boat"), "Selling things")
    decide_report(ada, report, "dismissed")

    newest = sentences(sign_in(bob), "verb=report_decided")[0]
    assert "a message of Bob" in newest
    assert "/reports/" not in newest


def test_what_was_taken_away_says_what_became_of_it(sign_in, ada, bob, general):
    say(bob, general, "Buy my boat")
    removal = remove_content(ada, bob, "day", reason="Adverts")
    window = sign_in(ada)

    assert "removed messages of Bob" in sentences(window)[0]
    assert "now: can still be put back [/reports/removals] from: last day" in sentences(window)[0]
    undo_removal(ada, removal)
    assert "now: put back [/reports/removals]" in sentences(window, "verb=content_removed")[0]
    assert "removal:" not in " ".join(sentences(window))


def test_an_invite_leads_to_the_list_where_it_is_the_first(sign_in, ada, bob):
    invites = [create_invite(bob, expires_days=7, max_uses=5), create_invite(bob)]
    accept_invite(invites[0].code, name="Dana", email="dana@example.org", password=PASSWORD)
    window = sign_in(ada)
    where = f"/admin/invites?before={invites[0].id + 1}"

    used, _, made = sentences(window)[:3]
    assert f"Dana came by an invite of Bob [{where}]" in used
    assert f"made an invite [{where}] for: 7 days at most: 5 people" in made
    assert window.get(where).text.count("By <bdi") == 1


def test_tokens_devices_jobs_and_settings_are_said_in_words(sign_in, ada, bob):
    make_token(bob, "Backup", scopes=["read", "write"], days=30)
    begin_session(bob, user_agent="Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", address="192.0.2.1")
    begin_session(bob, user_agent="Mozilla/5.0 (Macintosh) Firefox/140.0", address="198.51.100.7")
    change_settings(ada, who_may_invite="admin")
    with transaction() as record:
        record(Audited(ada.id, "job_retried", "job", 12))
        record(Audited(ada.id, "signed_in", "session", 99_999))
    window = sign_in(ada)

    gone, job, settings, device, token = sentences(window)[:5]
    assert re.search(r"Ada signed in at a new device \d", gone)
    assert "had tried again job 12 [/admin/jobs]" in job
    assert "Who invites people: All members → Administrators" in settings
    assert "signed in at a new device device: Firefox on macOS" in device
    assert "made a token may: read, write for: 30 days" in token


def test_no_entry_shows_a_bare_number_of_the_database(sign_in, ada, alice, bob, general):
    room = create_room(alice, "harbour")
    add_member(alice, room, bob)
    set_role(alice, room, bob, "moderator")
    change_room(alice, room, name="harbour", topic="Boats", description="")
    remove_member(alice, room, bob)
    session = session_for(begin_session(bob))
    end_session(bob, session)
    begin_session(bob)
    end_other_sessions(bob)

    said = " ".join(sentences(sign_in(ada)))
    assert "who: Bob [/people/bob]" in said
    assert "what: topic" in said
    assert not re.search(r"\b(user|session|removal|report|passkey|invite|token): ?\d", said)


@pytest.mark.parametrize(
    ("query", "found"),
    [("actor=alice", {"room_archived"}), ("actor=@ada&verb=role_changed", {"role_changed"}),
     ("subject=%23general", {"room_archived"}), ("subject=@bob", {"role_changed"}),
     ("since={today}", {"sign_up_changed", "room_archived", "role_changed"}), ("until={yesterday}", set()),
     ("actor=nobody", set())],
)  # fmt: skip
def test_entries_are_found_by_who_what_whom_and_when(some, sign_in, ada, query, found):
    today = now().date()
    query = query.format(today=today, yesterday=today - timedelta(days=1))
    page = sign_in(ada).get(f"/admin/audit?{query}").text

    shown = {
        verb for verb in ("sign_up_changed", "room_archived", "role_changed") if re.search(rf"</a> {VERBS[verb]}", page)
    }
    assert shown == found


def test_every_entry_is_on_one_page(ada):
    with transaction() as record:
        for _ in range(9):
            record(Audited(ada.id, "suspended", "site"))
    count, seen, before, more = len(entries()), [], None, True
    while more:
        found, more = audit_page(before=before, limit=4)
        seen += [entry.seq for entry in found]
        before = seen[-1]

    assert seen == list(range(count, 0, -1))


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_the_export_holds_everything_that_the_chain_is_made_of(some, sign_in, ada, kind):
    answer = sign_in(ada).post("/admin/audit/export", data={"format": kind})
    lines = answer.text.splitlines()
    rows = list(csv.DictReader(lines)) if kind == "csv" else [json.loads(line) for line in lines]
    stored = entries()

    assert answer.headers["Content-Disposition"].endswith(f'.{kind}"')
    assert [int(row["seq"]) for row in rows] == [entry.seq for entry in reversed(stored)]
    assert [row["hash"] for row in rows] == [entry.hash for entry in reversed(stored)]
    assert stored[-1].verb == "audit_exported"


def test_the_export_holds_what_the_filters_leave(some, sign_in, ada):
    answer = sign_in(ada).post(
        "/admin/audit/export", data={"format": "jsonl", "actor": "alice", "verb": "room_archived"}
    )

    assert [json.loads(line)["verb"] for line in answer.text.splitlines()] == ["room_archived"]
