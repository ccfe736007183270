"""Taking away what somebody wrote, and putting it back as it was."""

import uuid
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.admin.actions import set_legal_hold
from chat.admin.models import TEXTS_KEPT, Removal, RemovedText
from chat.admin.moderation.actions import decide_report, remove, remove_content, report_message, undo_removal
from chat.admin.moderation.presenter import choices_for
from chat.admin.moderation.queries import removable
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Conflict, Forbidden, Invalid
from chat.core.transaction import transaction
from chat.messages.actions import delete_message, edit_message
from chat.messages.models import Edit, Mention, Message
from chat.messages.queries import unread_counts
from chat.ops.housekeeping import tidy
from chat.rooms.actions import add_member, archive_room, create_room
from tests.contracts.test_old_page_and_frames import Copy
from tests.factories import say


def texts(room):
    db.session.rollback()
    found = db.session.query(Message).filter_by(room_id=room.id).order_by(Message.seq)
    return [message.text for message in found]


def state_of(room):
    """Everything that undoing has to bring back."""
    db.session.rollback()
    found = db.session.query(Message).filter_by(room_id=room.id).order_by(Message.seq)
    columns = ("id", "seq", "rev", "text", "html", "mentions_room", "edited_at", "deleted_at", "deleted_by_id")
    rows = [(*(getattr(m, c) for c in columns), tuple(x.user_id for x in m.mentions)) for m in found]
    edits = db.session.query(Edit.message_id, Edit.rev, Edit.text, Edit.html, Edit.replaced_at)
    return rows, sorted(map(tuple, edits)), sorted(map(tuple, db.session.query(Mention.message_id, Mention.seq)))


def test_what_somebody_wrote_goes_in_the_rooms_that_the_moderator_looks_after(
    live, mo, alice, bob, general, secret, jobs_done
):
    watcher = live(alice, general)
    say(bob, general, "One")
    say(alice, general, "Not his")
    say(bob, secret, "Between us")
    watcher.received()

    removal = remove_content(mo, bob, "all", reason="Spam")
    assert texts(general) == ["One", "Not his"]  # a job does it
    jobs_done()

    assert texts(general) == ["", "Not his"]
    assert texts(secret) == ["Between us"]
    assert watcher.frames() == [("message", "deleted", "")]
    assert [kept.text for kept in db.session.query(RemovedText)] == ["One"]
    assert (removal.user_id, removal.actor_id, removal.reason) == (bob.id, mo.id, "Spam")


def test_a_moderator_reaches_the_private_rooms_that_they_look_after(mo, bob, jobs_done):
    room = create_room(mo, "attic", kind="private")
    add_member(mo, room, bob)
    say(bob, room, "One")

    remove_content(mo, bob, "all")
    jobs_done()

    assert texts(room) == [""]


def test_the_preview_counts_what_would_go(mo, alice, bob, general, secret):
    archived = create_room(bob, "old")
    for room in (general, general, secret, archived):
        say(bob, room, "One")
    delete_message(bob, say(bob, general, "Deleted already"))
    archive_room(bob, archived)

    assert [(room.name, number) for room, number in removable(mo, bob, None)] == [("general", 2)]


def test_a_room_on_legal_hold_loses_nothing_also_when_the_hold_came_meanwhile(ada, mo, bob, general, jobs_done):
    said = say(bob, general, "Evidence")
    report = report_message(mo, said, "Rude")
    removal = remove_content(mo, bob, "all")
    set_legal_hold(ada, general, True)
    jobs_done()

    assert texts(general) == ["Evidence"]
    assert db.session.query(RemovedText).filter_by(removal_id=removal.id).count() == 0
    assert removable(mo, bob, None) == []
    with pytest.raises(Forbidden, match="legal hold"):
        decide_report(mo, report, "removed")
    assert "removed" not in choices_for(mo, report)

    set_legal_hold(ada, general, False)
    assert "removed" in choices_for(mo, report)


def test_only_the_time_that_was_chosen(mo, bob, general, jobs_done):
    for hours, text in ((30, "Old"), (3, "Today"), (0, "Now")):
        message = say(bob, general, text)
        with transaction():
            message.created_at = now() - timedelta(hours=hours)

    remove_content(mo, bob, "hour")
    jobs_done()
    assert texts(general) == ["Old", "Today", ""]

    remove_content(mo, bob, "day")
    jobs_done()
    assert texts(general) == ["Old", "", ""]


def test_more_than_one_step_and_what_is_written_meanwhile_stays(monkeypatch, mo, bob, general, jobs_done):
    monkeypatch.setattr(remove, "STEP", 3)
    monkeypatch.setattr(remove, "AT_A_TIME", -1)  # every step is a job of its own
    for n in range(8):
        say(bob, general, str(n))
    remove_content(mo, bob, "all")
    later = say(bob, general, "Later")
    with transaction():
        later.created_at = now() + timedelta(seconds=5)

    jobs_done()

    assert texts(general) == [""] * 8 + ["Later"]


def test_undoing_brings_back_all_of_it(live, mo, alice, bob, general, jobs_done):
    edited = say(bob, general, "Frist @alice")
    edit_message(bob, edited, "First, @alice and @carol")
    say(alice, general, "@bob")
    say(bob, general, "| a |\n|-|\n| `b` |")
    before, counts = state_of(general), unread_counts(alice.id)[general.id][1:]
    removal = remove_content(mo, bob, "all")
    jobs_done()
    assert unread_counts(alice.id)[general.id][1:] != counts
    watcher = live(alice, general)

    undo_removal(mo, removal)
    jobs_done()

    assert state_of(general) == before
    assert unread_counts(alice.id)[general.id][1:] == counts
    assert [change for _, change, _ in watcher.frames()] == ["undeleted", "undeleted"]
    assert db.session.query(RemovedText).count() == 0


def test_undone_before_it_was_done_it_is_not_done(mo, bob, general, jobs_done):
    say(bob, general, "One")
    undo_removal(mo, remove_content(mo, bob, "all"))

    jobs_done()

    assert texts(general) == ["One"]


def test_whoever_lost_the_right_meanwhile_removes_nothing(ada, mo, bob, general, jobs_done):
    from chat.accounts.actions import set_person_role

    say(bob, general, "One")
    remove_content(mo, bob, "all")
    set_person_role(ada, mo, "member")

    jobs_done()

    assert texts(general) == ["One"]


STEPS = st.lists(st.sampled_from(["say", "edit", "remove", "undo", "other", "mention"]), max_size=12)


@given(steps=STEPS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_page_before_and_frames_make_the_page_after(sign_in, live, mo, alice, bob, general, jobs_done, steps):
    """Removing and undoing in any order, with other things between: one copy follows all of it."""
    window, socket = sign_in(alice), live(alice, general)
    say(bob, general, "At first")
    socket.received()
    copy = Copy(window.get("/rooms/1").text)
    for n, step in enumerate(steps):
        mine = db.session.query(Message).filter_by(author_id=bob.id, deleted_at=None).order_by(Message.id.desc())
        if step == "say":
            say(bob, general, f"**{n}**", key=str(uuid.uuid4()))
        elif step == "mention":
            say(bob, general, f"@alice {n}")
        elif step == "other":
            say(alice, general, f"{n}")
        elif step == "edit" and mine.first():
            edit_message(bob, mine.first(), f"Changed {n}")
        elif step == "remove" and mine.first():
            remove_content(mo, bob, "all")
        elif step == "undo" and (last := db.session.query(Removal).order_by(Removal.id.desc()).first()):
            undo_removal(mo, last)
        jobs_done()

    for name, frame in socket.received():
        if "seq" in frame:
            copy.apply(name, frame)
    fresh = Copy(window.get("/rooms/1").text)
    copy.unread = fresh.unread  # browsers count themselves: see tests/js
    copy.items = {seq: item for seq, item in copy.items.items() if seq >= min(fresh.items)}  # a page has its bounds
    assert vars(copy) == vars(fresh)


def test_after_a_week_the_words_are_gone_for_good(mo, bob, general, jobs_done):
    say(bob, general, "One")
    removal = remove_content(mo, bob, "all")
    jobs_done()
    tidy()
    assert db.session.query(RemovedText).count() == 1
    with transaction():
        removal.created_at = now() - TEXTS_KEPT - timedelta(minutes=1)

    while tidy():
        pass

    assert db.session.query(RemovedText).count() == 0
    with pytest.raises(Conflict, match="gone"):
        undo_removal(mo, removal)


def test_who_may_not_remove_and_who_may_not_undo(ada, mo, alice, bob, robot, general, jobs_done):
    say(bob, general, "One")
    say(ada, general, "Two")
    for actor, user in ((alice, bob), (bob, alice), (mo, ada), (mo, mo)):
        with pytest.raises(Forbidden):
            remove_content(actor, user, "all")
    removal = remove_content(mo, bob, "all")
    jobs_done()
    for actor in (alice, bob):
        with pytest.raises(Forbidden):
            undo_removal(actor, removal)

    assert texts(general) == ["", "Two"]


def test_nothing_to_remove_and_no_such_time_are_said(mo, bob):
    for period in ("all", "year", ""):
        with pytest.raises(Invalid) as refusal:
            remove_content(mo, bob, period)
        assert refusal.value.field == "period"


def test_the_page_shows_first_and_then_removes_and_puts_back(sign_in, mo, bob, general, jobs_done):
    browser = sign_in(mo)
    say(bob, general, "One")

    page = browser.get("/people/bob/moderation?period=day").text
    assert "Remove 1 message" in page
    assert texts(general) == ["One"]

    browser.post("/people/bob/remove-messages", data={"period": "day", "reason": ""})
    jobs_done()
    assert texts(general) == [""]
    assert "Put back" in browser.get("/reports/removals").text
    browser.post("/removals/1/undo")
    jobs_done()
    assert texts(general) == ["One"]
