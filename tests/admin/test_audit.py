"""The audit log is a chain: what was said cannot be changed without breaking it."""

import pytest

from chat.admin.audit import link
from chat.admin.models import AuditEntry
from chat.core.db import db
from chat.core.transaction import transaction
from chat.site.events import Audited


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
