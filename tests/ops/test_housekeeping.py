from datetime import timedelta

from chat.accounts.actions import make_reset_link
from chat.accounts.models import Link
from chat.admin.actions import set_legal_hold
from chat.admin.models import Export
from chat.core.clock import now
from chat.core.db import db
from chat.core.jobs import run_due
from chat.ops.housekeeping import ENTRIES_KEPT, LINKS_KEPT, Housekeeping, tidy
from chat.rooms.actions import join_room
from chat.streams import log
from chat.streams.models import Entry
from chat.transfer.exports import request_export
from tests.factories import say


def test_what_is_old_goes_and_whoever_was_away_so_long_starts_afresh(alice, general):
    say(alice, general, "Long ago")
    head = log.heads([general.stream])[general.stream]
    db.session.query(Entry).update({"created_at": now() - ENTRIES_KEPT - timedelta(days=1)})
    db.session.commit()
    say(alice, general, "Today")

    while tidy():
        pass

    assert log.since(general.stream, head - 1) is None
    assert [entry.kind for entry in log.since(general.stream, head)] == ["posted"]


def test_of_a_room_on_legal_hold_the_lines_stay_too_until_it_is_lifted(ada, alice, carol, general, secret):
    join_room(carol, general)
    set_legal_hold(ada, general, True)
    db.session.query(Entry).update({"created_at": now() - ENTRIES_KEPT - timedelta(days=1)})
    db.session.commit()

    def kept(room):
        return db.session.query(Entry).filter_by(stream=room.stream).count()

    before = kept(general)
    while tidy():
        pass
    assert before > 0
    assert (kept(general), kept(secret)) == (before, 0)

    set_legal_hold(ada, general, False)
    while tidy():
        pass
    assert kept(general) == 0


def test_links_that_ran_out_and_files_whose_time_is_over_go(app, ada, alice):
    make_reset_link(ada, alice)
    export = request_export(alice, alice)
    run_due()
    assert Housekeeping(app, None).step() == 0
    db.session.query(Link).update({"expires_at": now() - LINKS_KEPT - timedelta(days=1)})
    db.session.get(Export, export.id).expires_at = now()
    db.session.commit()

    assert Housekeeping(app, None).step() == 2
    assert db.session.query(Link).count() == db.session.query(Export).count() == 0


def test_nothing_goes_before_its_time(ada, alice, general):
    say(alice, general, "Today")
    make_reset_link(ada, alice)

    assert tidy() == 0
