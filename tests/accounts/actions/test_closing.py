"""Closing accounts, opening them again, erasing people."""

import pytest
from sqlalchemy import update

from chat.accounts.actions import (
    begin_session,
    close_own_account,
    create_invite,
    deactivate,
    erase,
    reactivate,
    set_avatar,
    sign_in,
    update_profile,
)
from chat.accounts.actions.closing import ERASED_NAME
from chat.accounts.models import Block, Identity, Link, Passkey, RecoveryCode, Session, Totp, User
from chat.accounts.policy import state_of_invite
from chat.accounts.queries import sessions_of, user_by_id
from chat.accounts.signed_in import session_for
from chat.admin.actions import set_legal_hold
from chat.admin.models import AuditEntry, Report
from chat.core import storage
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Conflict, Forbidden, Invalid, Unauthorized
from chat.core.jobs import Job, run_due
from chat.core.transaction import transaction
from chat.messages.actions import edit_message
from chat.messages.models import Edit, Message
from chat.rooms.actions import add_member, create_room, join_room, set_role
from chat.rooms.queries import joined_numbers, membership_of
from chat.streams.log import ACCESS, since
from tests.accounts.test_views import picture
from tests.factories import say

EVERY_WAY = pytest.mark.parametrize(("actor_role", "user_role", "may"), [
    ("admin", "member", True), ("admin", "guest", True), ("admin", "moderator", True), ("admin", "admin", False),
    ("admin", "owner", False), ("owner", "admin", True), ("owner", "owner", True), ("moderator", "member", False),
    ("member", "member", False), ("guest", "guest", False),
])  # fmt: skip


def audited(verb):
    db.session.rollback()
    return [(e.actor_id, e.subject_id, e.data) for e in db.session.query(AuditEntry).filter_by(verb=verb)]


def head(stream):
    return len(since(stream, 0))


# Closing


@EVERY_WAY
def test_closing_an_account_takes_a_higher_rank(alice, bob, change, actor_role, user_role, may):
    change(alice, role=actor_role), change(bob, role=user_role)

    if may:
        deactivate(alice, bob)
    else:
        with pytest.raises(Forbidden):
            deactivate(alice, bob)
    assert bool(user_by_id(bob.id).deactivated_at) == may


def test_nobody_comes_in_any_more(ada, alice, password):
    token, invite = begin_session(alice), create_invite(alice)
    deactivate(ada, alice)

    assert session_for(token) is None
    assert sessions_of(alice) == []
    assert state_of_invite(invite) == "revoked"
    with pytest.raises(Invalid):
        sign_in("alice", password)
    assert audited("account_closed") == [(ada.id, alice.id, None)]


def test_the_first_entry_ends_the_connections_and_the_rooms_follow_one_by_one(ada, bob, general, live):
    watcher, before = live(bob, general), head(ACCESS)
    deactivate(ada, bob)

    assert [(e.kind, e.subject_id) for e in since(ACCESS, before)] == [("user_ended", bob.id)]
    assert watcher.received() == [("bye", {"reason": "revoked", "after_ms": 0})]
    assert membership_of(bob, general).role  # that is the job's
    run_due()
    assert joined_numbers(bob.id) == {}
    assert membership_of(bob, general).role is None


def test_closing_twice_is_closing_once(ada, alice):
    deactivate(ada, alice)
    before = head(ACCESS)
    deactivate(ada, alice)

    assert head(ACCESS) == before
    assert len(audited("account_closed")) == 1


def test_a_room_that_one_alone_owned_goes_to_whoever_was_there_for_longest(ada, alice, bob, carol, robot, change):
    room = create_room(alice, "workshop", kind="private")
    for person in (robot, bob, carol):
        add_member(alice, room, person)
    change(robot, role="bot")
    deactivate(ada, alice)
    run_due()

    assert membership_of(bob, room).role == "owner"
    assert membership_of(carol, room).role == "member"


def test_a_room_with_another_owner_keeps_it_and_an_empty_one_is_simply_left(ada, alice, bob):
    shared, own = create_room(alice, "shared"), create_room(alice, "own")
    add_member(alice, shared, bob)
    add_member(alice, shared, ada)
    set_role(alice, shared, ada, "owner")
    deactivate(ada, alice)
    run_due()

    assert membership_of(bob, shared).role == "member"
    assert membership_of(alice, own).role is None


def test_opened_again_one_signs_in_as_before_and_the_rest_of_the_rooms_stay(ada, alice, password, general):
    deactivate(ada, alice)
    reactivate(ada, alice)
    run_due()

    assert sign_in("alice", password)
    assert membership_of(alice, general).role == "owner"  # it was opened before the job came
    assert audited("account_opened") == [(ada.id, alice.id, None)]


def test_opening_takes_the_same_rank(ada, alice, bob, change):
    deactivate(ada, alice)
    with pytest.raises(Forbidden):
        reactivate(bob, alice)

    assert user_by_id(alice.id).deactivated_at


def test_who_is_banned_or_erased_is_not_opened(ada, alice, bob, change):
    change(alice, deactivated_at=now(), banned_at=now())
    with pytest.raises(Conflict, match="banned"):
        reactivate(ada, alice)
    erase(ada, bob, confirmation="bob", empty=False)
    with pytest.raises(Conflict, match="erased"):
        reactivate(ada, bob)


def test_ones_own_account_takes_the_password(alice, password):
    with pytest.raises(Invalid) as refused:
        close_own_account(alice, password="a wrong password")
    assert refused.value.field == "password"
    assert not user_by_id(alice.id).deactivated_at

    close_own_account(alice, password=password)
    assert user_by_id(alice.id).deactivated_at
    assert audited("account_closed") == [(alice.id, alice.id, None)]


def test_the_only_owner_stays_until_there_is_another(ada, alice, change, password):
    with pytest.raises(Conflict):
        close_own_account(ada, password=password)
    change(alice, role="owner")

    close_own_account(ada, password=password)
    assert user_by_id(ada.id).deactivated_at


@pytest.mark.parametrize("way", [deactivate, lambda *who: erase(*who, confirmation="ada", empty=False), reactivate])
def test_of_two_owners_who_shut_each_other_out_the_second_is_out_already(ada, alice, change, way):
    """Both requests were let in while both were owners; the locks make one of them the second."""
    change(alice, role="owner")
    deactivate(ada, alice)

    with pytest.raises(Unauthorized):
        way(alice, ada)
    assert not user_by_id(ada.id).deactivated_at


# Erasing


@EVERY_WAY
def test_only_an_owner_erases(alice, bob, change, actor_role, user_role, may):
    change(alice, role=actor_role), change(bob, role=user_role)

    if actor_role == "owner":
        erase(alice, bob, confirmation="bob", empty=False)
    else:
        with pytest.raises(Forbidden):
            erase(alice, bob, confirmation="bob", empty=False)
    assert bool(user_by_id(bob.id).erased_at) == (actor_role == "owner")


def test_the_user_name_is_typed_to_confirm(ada, alice):
    for typed in ("", "bob", "ALIC"):
        with pytest.raises(Invalid) as refused:
            erase(ada, alice, confirmation=typed, empty=False)
        assert refused.value.field == "confirmation"
    assert not user_by_id(alice.id).erased_at

    erase(ada, alice, confirmation=" @Alice ", empty=False)
    assert user_by_id(alice.id).erased_at


@pytest.fixture
def known(alice, bob, app, change):
    """Everything that may be kept about alice."""
    set_avatar(alice, picture())
    update_profile(alice, name="Alice Lidell", username="alice", bio="CANARY", time_zone="Europe/Riga", title="CANARY",
                   pronouns="CANARY")  # fmt: skip
    begin_session(alice, address="198.51.100.77", user_agent="CANARY")
    change(alice, suspended_until=now(), suspended_reason="CANARY")
    with transaction():
        moment = now()
        db.session.add_all([
            Identity(user_id=alice.id, provider="x", issuer="x", subject="CANARY", created_at=moment, used_at=moment),
            Totp(user_id=alice.id, sealed_secret="CANARY", created_at=moment),
            RecoveryCode(user_id=alice.id, code_hash="CANARY", created_at=moment),
            Passkey(user_id=alice.id, credential_id="CANARY", public_key="x", name="CANARY", created_at=moment),
            Link(user_id=alice.id, secret_hash="x", purpose="reset", created_at=moment, expires_at=moment),
            Block(user_id=alice.id, blocked_id=bob.id, kind="mute", since=moment),
            Block(user_id=bob.id, blocked_id=alice.id, kind="block", since=moment),
        ])  # fmt: skip
    return alice


def test_nothing_says_any_longer_who_it_was(ada, known):
    avatar, before = known.avatar, (known.username, known.email)
    erase(ada, known, confirmation="alice", empty=False)
    db.session.expire_all()

    gone = db.session.get(User, known.id)
    assert (gone.name, gone.username) == (ERASED_NAME, f"deleted-{gone.id}")
    assert (gone.bio, gone.title, gone.pronouns, gone.avatar, gone.password_hash) == ("", "", "", None, "")
    assert storage.path_of("avatars", avatar) is None
    for model in (Identity, Totp, RecoveryCode, Passkey, Link, Block):
        assert db.session.query(model).count() == 0, model
    rows = [repr(vars(row)) for model in (User, Session, AuditEntry) for row in db.session.query(model)]
    said = "\n".join(rows)
    for word in ("CANARY", "Lidell", before[1], "198.51.100.77"):
        assert word not in said
    assert audited("person_erased") == [(ada.id, known.id, {"messages": "kept"})]


def test_everybody_sees_it_at_once(ada, alice, bob, general, live):
    say(alice, general, "Hello")
    watcher = live(bob, general)
    erase(ada, alice, confirmation="alice", empty=False)

    names = [frame["user"]["name"] for frame in watcher.received("site") if frame["change"] == "person"]
    assert names == [ERASED_NAME]


def test_somebody_may_have_taken_the_name_for_a_joke(ada, alice, bob, change):
    change(bob, username=f"deleted-{alice.id}")
    erase(ada, alice, confirmation="alice", empty=False)

    assert user_by_id(alice.id).username == f"deleted-{alice.id}.2"


def test_messages_are_kept_when_that_was_chosen(ada, alice, general):
    message = say(alice, general, "Still here")
    erase(ada, alice, confirmation="alice", empty=False)
    run_due()
    db.session.expire_all()

    assert db.session.get(Message, message.id).text == "Still here"


def test_or_emptied_room_by_room_with_all_their_copies(ada, alice, bob, carol, general, secret):
    join_room(carol, general)
    texts = [say(alice, room, f"canary {n}") for n in range(60) for room in (general, secret)]
    edit_message(alice, texts[0], "another canary")
    other = say(bob, general, "mine")
    with transaction():
        db.session.add(Report(message_id=texts[0].id, reporter_id=bob.id, reason="", text="canary 0", created_at=now()))
    ids = [message.id for message in texts]
    erase(ada, alice, confirmation="alice", empty=True)
    while run_due():
        pass
    db.session.expire_all()

    emptied = db.session.query(Message).filter(Message.id.in_(ids)).all()
    assert {(m.text, m.html, bool(m.deleted_at), m.deleted_by_id) for m in emptied} == {("", "", True, ada.id)}
    assert len(emptied) == 120
    assert db.session.query(Edit).count() == 0
    assert db.session.query(Report).one().text == ""
    assert db.session.get(Message, other.id).text == "mine"
    assert audited("person_erased") == [(ada.id, alice.id, {"messages": "emptied"})]


def test_nothing_of_it_happens_while_a_legal_hold_keeps_what_was_to_be_emptied(ada, alice, general):
    message = say(alice, general, "Evidence")
    set_legal_hold(ada, general, True)

    with pytest.raises(Conflict, match="a room that is on legal hold") as refused:
        erase(ada, alice, confirmation="alice", empty=True)
    assert (refused.value.field, user_by_id(alice.id).erased_at, message.text) == ("messages", None, "Evidence")

    erase(ada, alice, confirmation="alice", empty=False)
    assert user_by_id(alice.id).erased_at
    assert db.session.get(Message, message.id).text == "Evidence"


def test_a_legal_hold_that_comes_before_the_work_is_done_keeps_what_is_left_until_it_is_lifted(
    ada, alice, general, secret
):
    held, other = say(alice, general, "Evidence"), say(alice, secret, "Hello")
    erase(ada, alice, confirmation="alice", empty=True)
    set_legal_hold(ada, general, True)
    run_due()
    db.session.expire_all()
    assert (held.text, other.text) == ("Evidence", "")

    for on, text in ((True, "Evidence"), (False, "")):
        set_legal_hold(ada, general, on)
        with transaction():
            db.session.execute(update(Job).values(run_at=now()))  # a day later
        run_due()
        db.session.expire_all()
        assert held.text == text
    assert db.session.query(Job).filter_by(kind="empty_messages", finished_at=None).count() == 0


def test_who_is_looking_sees_each_message_go(ada, alice, bob, general, live):
    say(alice, general, "one"), say(alice, general, "two")
    watcher = live(bob, general)
    erase(ada, alice, confirmation="alice", empty=True)
    run_due()

    frames = [(event, change) for event, change, _ in watcher.frames()]
    assert frames.count(("message", "deleted")) == 2


def test_erasing_twice_is_erasing_once(ada, alice):
    erase(ada, alice, confirmation="alice", empty=False)
    erase(ada, alice, confirmation=alice.username, empty=True)

    assert len(audited("person_erased")) == 1
