from datetime import UTC, datetime

import pytest
from sqlalchemy import bindparam, select, update

from chat.accounts.models import User
from chat.core.prepared import Prepared
from chat.core.transaction import run_in_session

BY_NAME = Prepared(select(User.id, User.name, User.created_at).where(User.username == bindparam("username")))
BY_NAMES = Prepared(
    select(User.username).where(User.username.in_(bindparam("names", expanding=True))).order_by(User.username)
)


def test_rows_have_names_and_types_mean_what_they_mean_everywhere_else(app, alice):
    [row] = run_in_session(BY_NAME, username="alice")

    assert (row.id, row.name, row.created_at) == (alice.id, alice.name, alice.created_at)
    assert row.created_at.tzinfo is not None


def test_what_is_not_there_gives_no_rows(app):
    assert run_in_session(BY_NAME, username="nobody") == []


@pytest.mark.parametrize("names", [[], ["alice"], ["bob", "alice", "nobody"]])
def test_a_list_has_as_many_places_as_values(app, names):
    assert [row.username for row in run_in_session(BY_NAMES, names=names)] == sorted(set(names) - {"nobody"})


def test_times_are_stored_as_the_session_would_store_them(app, alice):
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    change = Prepared(update(User).where(User.id == bindparam("user")).values(created_at=bindparam("moment")))

    assert run_in_session(change, user=alice.id, moment=moment) == []

    assert User.query.populate_existing().filter_by(id=alice.id).one().created_at == moment


@pytest.mark.parametrize("values", [{}, {"user": "alice"}, {"username": "alice", "more": 1}])
def test_other_values_than_it_takes_are_a_mistake_that_is_named(app, values):
    with pytest.raises(TypeError, match="username"):
        run_in_session(BY_NAME, **values)
