"""The audit log is a chain: what was said cannot be changed without breaking it."""

import csv
import json
import re
from datetime import timedelta
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
    replace_password,
    revoke_invite,
    set_sign_up,
)
from chat.accounts.signed_in import session_for
from chat.admin.audit import VERBS, link
from chat.admin.models import AuditEntry
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
from tests.factories import PASSWORD


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
    assert "changed: invite → open" in page
    assert "Alice archived the room #general" in page
    assert "Ada changed the role of Bob" in page


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
