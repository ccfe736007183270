from datetime import timedelta

from chat.core.clock import now
from chat.core.db import db
from chat.ops.housekeeping import ENTRIES_KEPT, tidy
from chat.streams import log
from chat.streams.models import Entry
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


def test_nothing_goes_before_its_time(alice, general):
    say(alice, general, "Today")

    assert tidy() == 0
