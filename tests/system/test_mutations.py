"""Bugs put into the product, one at a time: the test that is there to find one has to fail.

Most are found in process, by the directed tests of test_rules.py and their like; what was acknowledged too early takes
a server that is killed. `make faults ARGS="--only R21"` has the search of test_delivery.py look for each as well.
"""

import inspect
import shutil
from datetime import timedelta

import pytest
from sqlalchemy import update

from chat.core.clock import now
from chat.core.db import db
from chat.core.transaction import transaction
from chat.messages.models import Message
from chat.rooms.actions import leave_room
from chat.streams.models import Entry
from tests.factories import say
from tests.faults.mutations import MUTATIONS
from tests.rooms import test_read
from tests.rooms.test_read import said  # noqa: F401 - a fixture of a test that is run here
from tests.system import test_rules
from tests.system.conftest import new_room
from tests.system.server import Server
from tests.system.test_rules import (  # noqa: F401 - fixtures of the tests that are run here
    beside,
    during,
    elsewhere,
    pump,
    subscribing,
    texts,
    where,
)
from tests.system.wire import Wire


def late_commit(live, pump, bob, alice, secret, elsewhere):  # noqa: F811
    """What a transaction wrote long before it committed is found by the poll all the same."""
    client = live(bob)
    with elsewhere(), transaction() as record:
        say(alice, secret, "took its time")
        written = update(Entry).where(Entry.stream == secret.stream).values(created_at=now() - timedelta(seconds=15))
        record.before_commit(lambda _: db.session.execute(written))

    pump.poll()

    assert texts(client) == ["took its time"]


def removal(live, bob, secret):
    """Whoever is removed gets no frame of it."""
    client = live(bob)

    leave_room(bob, secret)

    assert [payload["stream"] for _, payload in client.received()] == [bob.stream]


FOUND_BY = {
    "nokey": test_rules.test_a_retry_after_a_removal_gets_the_first_answer,
    "hintonly": test_rules.test_what_another_process_commits_is_found_by_the_poll,
    "window": late_commit,
    "onepass": test_rules.test_an_edit_after_a_removal_does_not_reach_the_one_removed_with_an_older_frame,
    "latekick": removal,
    "readfirst": test_rules.test_who_is_removed_while_being_subscribed_gets_nothing,
    "oldleave": test_rules.test_a_removal_older_than_the_membership_ends_nothing,
    "noretry": test_rules.test_who_is_removed_and_added_while_being_subscribed_gets_everything,
    "quietsub": test_rules.test_joining_subscribes_every_tab_and_says_from_where,
    "keepsubs": test_rules.test_a_pump_below_the_floor_makes_every_subscription_anew,
    "oldcopy": test_rules.test_resume_answers_reset_when_it_cannot_go_on_from_there,
    "resumefirst": test_rules.test_what_is_posted_while_resume_reads_is_in_the_answer_or_announced,
    "skipgap": test_rules.test_what_is_missing_is_sent_before_what_is_at_hand,
    "accesslate": test_rules.test_a_sign_out_elsewhere_comes_before_what_is_newer_whatever_wakes_the_pump,
    "pagelate": test_rules.test_a_page_counts_at_the_number_that_it_shows,
    "countopen": test_rules.test_a_page_counts_at_the_number_that_it_shows,
    "lowfloor": test_rules.test_resume_answers_reset_when_it_cannot_go_on_from_there,
    "noepoch": test_rules.test_another_epoch_sends_everybody_back_to_their_pages,
    "readset": test_read.test_a_position_never_goes_back_by_itself,
}


@pytest.mark.parametrize("name", FOUND_BY)
def test_a_directed_test_finds(name, request, monkeypatch, caplog):
    """By what it does: one that no longer fits the code, and breaks, would be found by any test."""
    run = bound(FOUND_BY[name], request)
    MUTATIONS[name][2](monkeypatch.setattr)

    with pytest.raises(AssertionError):
        run()

    broken = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert not [error for error in broken if isinstance(error, (TypeError, ValueError, AttributeError))]


@pytest.mark.parametrize("test", [late_commit, removal], ids=lambda test: test.__name__)
def test_without_a_mutation_it_is_true(test, request):
    """The tests that are written down here only."""
    bound(test, request)()


def bound(test, request):
    """A test function with its fixtures."""
    fixtures = {name: request.getfixturevalue(name) for name in inspect.signature(test).parameters}
    return lambda: test(**fixtures)


def test_a_kill_finds_what_was_acknowledged_too_early(founded, tmp_path):
    """ackearly, and that the same is stored without it."""
    for number, faults in enumerate(("ackearly", "")):
        folder = tmp_path / str(number)
        shutil.copytree(founded, folder)
        server = Server(folder, faults=faults).start()
        try:
            room = new_room(server)
            wire = Wire(server, server.cookie("alice"))
            wire.call("message", {"room": room, "text": "kept?", "key": "k"})
            server.kill()
            stored = server.act(lambda room=room: Message.query.filter_by(room_id=room).count())
            assert stored == (0 if faults else 1)
        finally:
            server.close()
