"""What is kept, for how long, and what happens to what is not: one bulk change a room."""

import pytest

from chat.admin import queries
from chat.admin.actions import change_settings, purge_room, retention, set_legal_hold, set_room_retention, start_purges
from chat.admin.models import Purge, RemovedText, Report
from chat.core import jobs
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Forbidden, Invalid, NotFound
from chat.core.transaction import transaction
from chat.messages.actions import delete_message, edit_message
from chat.messages.models import Edit, Mention, Message
from chat.messages.queries import unread_counts
from chat.ops.housekeeping import begin_day
from chat.rooms.actions import join_room, mark_unread
from chat.site.queries import setting
from chat.streams.log import head_and_floor, since
from tests.assertions import counted_queries
from tests.factories import say


def texts(room):
    db.session.rollback()
    return [m.text for m in db.session.query(Message).filter_by(room_id=room.id).order_by(Message.seq)]


def everything_due_is_done():
    start_purges()
    while jobs.run_due():
        pass


@pytest.fixture
def old_and_new(said_long_ago, alice, bob, general):
    said_long_ago(alice, general, "Very old", days=100)
    said_long_ago(bob, general, "Old, for @alice", days=40)
    said_long_ago(bob, general, "Fresh", days=5)
    say(alice, general, "Today")
    return general


def test_what_is_older_goes_in_one_bulk_change_and_the_rest_stays(ada, old_and_new, audited):
    before = head_and_floor(old_and_new.stream)
    change_settings(ada, retention_days=30)

    everything_due_is_done()

    assert texts(old_and_new) == ["Fresh", "Today"]
    after = head_and_floor(old_and_new.stream)
    assert (after.head, after.floor) == (before.head + 2, before.head + 2)
    [receipt] = db.session.query(Purge).all()
    assert (receipt.room_id, receipt.messages, receipt.days) == (old_and_new.id, 2, 30)
    assert receipt.at
    assert [verb for verb, *_ in audited()] == ["settings_changed", "messages_purged"]
    assert audited()[-1][1:3] == (None, ("room", old_and_new.id))


def test_with_a_message_goes_all_that_hangs_on_it(ada, alice, bob, said_long_ago, general):
    old = said_long_ago(bob, general, "Old, for @alice", days=40)
    edit_message(bob, db.session.get(Message, old.id), "Older words for @alice")
    young = say(bob, general, "@alice stays")
    with transaction():
        for message in (old, young):
            db.session.add(Report(message_id=message.id, reporter_id=alice.id, reason="?", text="", created_at=now()))
    change_settings(ada, retention_days=30)

    everything_due_is_done()

    for table in (Edit, Mention, RemovedText, Report):
        assert {row.message_id for row in db.session.query(table)} <= {young.id}, table
    assert db.session.query(Report).count() == db.session.query(Mention).count() == 1


def test_nothing_is_purged_unless_somebody_said_so(old_and_new):
    everything_due_is_done()

    assert len(texts(old_and_new)) == 4
    assert db.session.query(Purge).count() == 0


def test_a_second_time_there_is_nothing_to_do(ada, old_and_new):
    change_settings(ada, retention_days=30)
    everything_due_is_done()
    before = head_and_floor(old_and_new.stream)

    everything_due_is_done()
    purge_room({"room": old_and_new.id})

    assert head_and_floor(old_and_new.stream) == before
    assert db.session.query(Purge).count() == 1


def test_whoever_has_the_room_on_screen_loads_it_anew_and_sees_the_rest(ada, bob, live, sign_in, old_and_new):
    window, cursor = live(bob, old_and_new), head_and_floor(old_and_new.stream).head
    change_settings(ada, retention_days=30)

    everything_due_is_done()

    head = head_and_floor(old_and_new.stream).head
    assert {"stream": old_and_new.stream, "head": head} in window.received("subscribed")
    asked = {"epoch": window.hello["epoch"], "streams": {old_and_new.stream: cursor}}
    assert window.emit("resume", asked)["streams"][old_and_new.stream] == {"reset": True}
    asked["streams"][old_and_new.stream] = head
    answer = window.emit("resume", asked)["streams"][old_and_new.stream]
    assert (answer["head"], answer["frames"]) == (head, [])
    page = sign_in(bob).get(old_and_new.path).text
    assert "Fresh" in page
    assert "Very old" not in page
    assert f'data-cursor="{head}"' in page


def test_a_page_and_what_follows_it_are_the_same_again_after_a_purge(ada, alice, bob, live, old_and_new):
    window = live(bob, old_and_new)
    change_settings(ada, retention_days=30)
    everything_due_is_done()
    window.received()
    head = head_and_floor(old_and_new.stream).head

    say(alice, old_and_new, "And on it goes")

    assert window.frames() == [("message", "posted", "And on it goes")]
    assert [entry.kind for entry in since(old_and_new.stream, head)] == ["posted"]


def test_what_is_unread_is_counted_among_what_is_left(ada, alice, bob, old_and_new):
    mark_unread(bob, old_and_new, 1)
    mark_unread(alice, old_and_new, 1)
    assert unread_counts(alice.id)[old_and_new.id][1:] == (2, 1)  # of bob's two, the old one is for her
    change_settings(ada, retention_days=30)

    everything_due_is_done()

    assert unread_counts(alice.id)[old_and_new.id][1:] == (1, 0)
    assert unread_counts(bob.id)[old_and_new.id][1:] == (1, 0)


def test_a_deleted_message_goes_in_its_time_too(ada, bob, said_long_ago, general):
    message = said_long_ago(bob, general, "Never mind", days=40)
    delete_message(bob, db.session.get(Message, message.id))
    change_settings(ada, retention_days=30)

    everything_due_is_done()

    assert texts(general) == []


def test_a_room_has_its_own_number(ada, alice, old_and_new, audited):
    change_settings(ada, retention_days=30)
    set_room_retention(ada, old_and_new, 90)

    everything_due_is_done()

    assert texts(old_and_new) == ["Old, for @alice", "Fresh", "Today"]
    assert ("room_retention_changed", ada.id, ("room", old_and_new.id), {"from": None, "to": 90}) in audited()


def test_a_room_on_hold_keeps_everything_until_the_hold_is_lifted(ada, old_and_new, audited):
    change_settings(ada, retention_days=30)
    set_legal_hold(ada, old_and_new, True)
    set_legal_hold(ada, old_and_new, True)
    everything_due_is_done()
    assert len(texts(old_and_new)) == 4

    set_legal_hold(ada, old_and_new, False)
    everything_due_is_done()
    assert len(texts(old_and_new)) == 2
    assert [verb for verb, *_ in audited()][1:] == ["legal_hold_set", "legal_hold_lifted", "messages_purged"]


def test_a_hold_in_the_middle_stops_what_is_going_on_and_tells_what_went(ada, old_and_new, monkeypatch):
    monkeypatch.setattr(retention, "STEP", 1)
    change_settings(ada, retention_days=30)
    before = head_and_floor(old_and_new.stream).head
    retention._purge_step(old_and_new.id)
    set_legal_hold(ada, old_and_new, True)

    everything_due_is_done()

    assert texts(old_and_new) == ["Old, for @alice", "Fresh", "Today"]
    assert head_and_floor(old_and_new.stream) == (before + 1, before + 1)
    assert [(p.messages, p.at is not None) for p in db.session.query(Purge)] == [(1, True)]


def test_a_purge_that_was_interrupted_goes_on_where_it_was(ada, old_and_new, monkeypatch):
    monkeypatch.setattr(retention, "STEP", 1)
    change_settings(ada, retention_days=30)
    before = head_and_floor(old_and_new.stream).head
    assert retention._purge_step(old_and_new.id)  # and then the power went
    assert head_and_floor(old_and_new.stream).head == before

    everything_due_is_done()

    assert head_and_floor(old_and_new.stream) == (before + 2, before + 2)
    assert [p.messages for p in db.session.query(Purge)] == [2]


def test_longer_than_a_lease_it_is_done_by_another_job(ada, old_and_new, monkeypatch):
    monkeypatch.setattr(retention, "STEP", 1)
    monkeypatch.setattr(retention, "LONGEST", -1)
    change_settings(ada, retention_days=30)

    everything_due_is_done()

    assert [p.messages for p in db.session.query(Purge)] == [2]


def test_once_a_day_whatever_is_due_is_purged(ada, old_and_new):
    change_settings(ada, retention_days=30)
    begin_day()
    begin_day()

    assert jobs.run_due() == 2  # one that looks, and one for the room
    assert len(texts(old_and_new)) == 2
    begin_day()
    assert jobs.run_due() == 0


# Who decides


@pytest.mark.parametrize("role", ["moderator", "member", "guest", "bot"])
def test_only_who_runs_the_community_decides_for_all_and_sets_holds(become, bob, general, role, audited):
    become(bob, role)

    with pytest.raises(Forbidden):
        change_settings(bob, retention_days=1)
    with pytest.raises(Forbidden):
        set_legal_hold(bob, general, True)
    with pytest.raises(Forbidden):
        set_room_retention(bob, general, 1)
    assert (setting("retention_days"), general.legal_hold, general.retention_days, audited()) == (None, False, None, [])


def test_the_owner_of_a_room_may_keep_less_but_not_more_than_the_community(ada, alice, general):
    change_settings(ada, retention_days=30)

    set_room_retention(alice, general, 7)
    with pytest.raises(Invalid, match="keeps messages for 30 days"):
        set_room_retention(alice, general, 31)
    with pytest.raises(Forbidden):
        set_legal_hold(alice, general, True)
    assert general.retention_days == 7
    set_room_retention(alice, general, "")
    assert general.retention_days is None


def test_whoever_runs_the_community_decides_nothing_about_a_private_room_they_are_not_in(ada, alice, bob, secret):
    for act in (lambda: set_room_retention(ada, secret, 1), lambda: set_legal_hold(ada, secret, True)):
        with pytest.raises(NotFound):
            act()
    set_room_retention(alice, secret, 7)
    with pytest.raises(Forbidden):
        set_room_retention(bob, secret, 1)
    assert secret.retention_days == 7


def test_what_the_community_keeps_holds_for_private_rooms_too(ada, alice, secret, said_long_ago, sign_in):
    said_long_ago(alice, secret, "Psst", days=40)
    change_settings(ada, retention_days=30)
    everything_due_is_done()

    assert texts(secret) == []
    pages = "".join(sign_in(ada).get(f"/admin/{page}").text for page in ("retention", "audit"))
    assert "a private room" in pages
    assert "secret" not in pages


# Before it takes effect


@pytest.mark.parametrize(("days", "goes"), [(200, (0, 0)), (50, (1, 1)), (30, (2, 1)), (1, (3, 1)), (None, (0, 0))])
def test_how_much_would_go_is_said_before(old_and_new, days, goes):
    assert queries.would_go(days) == goes


def test_rooms_with_a_number_of_their_own_or_on_hold_are_counted_as_they_are(ada, old_and_new):
    set_room_retention(ada, old_and_new, 50)
    assert queries.would_go(1) == (1, 1)
    assert queries.would_go(30, room=old_and_new) == (2, 1)
    set_legal_hold(ada, old_and_new, True)
    assert queries.would_go(1) == queries.would_go(30, room=old_and_new) == (0, 0)


def test_counting_does_not_look_at_every_message(app, alice, general, old_and_new):
    """Halving: twice as many messages cost one look more."""
    for n in range(60):
        say(alice, general, str(n))
    with counted_queries() as statements:
        queries.would_go(30)
    assert len(statements) < 14


def test_the_page_shows_what_would_go_and_wants_it_confirmed(sign_in, ada, old_and_new):
    window = sign_in(ada)

    page = window.get("/admin/retention?days=30").text
    assert "<strong>2 messages</strong> in 1 room" in page
    refused = window.post("/admin/retention", data={"days": "30", "confirmation": "yes"})
    assert (refused.status_code, setting("retention_days")) == (422, None)
    assert "Type delete to confirm" in refused.text
    assert window.post("/admin/retention", data={"days": "30", "confirmation": "Delete"}).status_code == 303
    assert setting("retention_days") == 30
    assert window.post("/admin/retention", data={"days": ""}).status_code == 303  # keeping more wants no word
    assert setting("retention_days") is None
    assert window.get("/admin/retention?days=x").status_code == 422


def test_the_page_of_a_room_does_the_same(sign_in, alice, bob, carol, secret, old_and_new):
    window, path = sign_in(alice), f"{old_and_new.path}/retention"

    assert "<strong>2 messages</strong>" in window.get(f"{path}?days=30").text
    assert window.post(path, data={"days": "30"}).status_code == 422
    assert window.post(path, data={"days": "30", "confirmation": "delete"}).status_code == 303
    db.session.refresh(old_and_new)
    assert old_and_new.retention_days == 30
    assert sign_in(bob).get(path).status_code == 403
    assert sign_in(bob).post(path, data={"days": "1", "confirmation": "delete"}).status_code == 403
    assert sign_in(carol).get(f"{secret.path}/retention").status_code == 404
    assert path in window.get(f"{old_and_new.path}/settings").text


def test_a_hold_is_put_and_lifted_on_the_rooms_page(sign_in, ada, bob, general):
    path = f"{general.path}/legal-hold"
    assert sign_in(bob).post(path, data={"on": "1"}).status_code == 403
    sign_in(ada).post(path, data={"on": "1"})
    db.session.refresh(general)
    assert general.legal_hold
    sign_in(ada).post(path, data={"on": "0"})
    db.session.refresh(general)
    assert not general.legal_hold


def test_a_purged_message_leads_nowhere_and_its_key_is_free_again(ada, alice, bob, sign_in, said_long_ago, general):
    old = said_long_ago(alice, general, "Very old", days=100)
    key, path = old.key, old.path
    change_settings(ada, retention_days=30)
    everything_due_is_done()

    assert sign_in(bob).get(path).status_code == 404
    assert say(alice, general, "Something else", key=key).text == "Something else"


def test_whoever_comes_later_sees_what_is_left(ada, carol, sign_in, old_and_new):
    change_settings(ada, retention_days=30)
    everything_due_is_done()
    join_room(carol, old_and_new)

    page = sign_in(carol).get(old_and_new.path).text
    assert "Today" in page
    assert "Very old" not in page
