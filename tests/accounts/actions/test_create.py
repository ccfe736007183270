import pytest

from chat.accounts.actions import create_user
from chat.accounts.events import PersonCreated
from chat.accounts.models import User
from chat.accounts.queries import everyone
from chat.core import transaction as transactions
from chat.core.db import db
from chat.core.errors import Conflict, Invalid
from chat.streams.log import SITE, head_and_floor, since

SOMEONE = {"name": "Grace Hopper", "email": "Grace@Example.ORG", "password_hash": "x"}


def test_a_new_account_is_a_person_with_a_stream_and_an_entry_for_everyone(app):
    user = create_user(**SOMEONE)

    assert (user.name, user.username, user.email, user.role) == ("Grace Hopper", "grace", "grace@example.org", "member")
    assert (user.bio, user.time_zone, user.avatar, user.deactivated_at) == ("", "UTC", None, None)
    assert head_and_floor(user.stream) is not None
    newest = since(SITE, 0)[-1]
    assert (newest.kind, newest.subject_id, newest.seq) == ("person", user.id, user.v)


def test_within_subscribers_see_the_person_in_the_same_transaction(app, monkeypatch):
    seen = []
    within = [
        *transactions._within[PersonCreated],
        lambda event, _: seen.append(db.session.get(User, event.user_id).name),
    ]
    monkeypatch.setitem(transactions._within, PersonCreated, within)

    create_user(**SOMEONE)
    assert seen == ["Grace Hopper"]


def test_names_that_are_taken_are_not_suggested(app):
    def another(n):
        return create_user(name="Grace Hopper", email=f"grace{n}@example.org", password_hash="x").username

    assert [another(n) for n in range(4)] == ["grace", "grace.hopper", "grace.hopper2", "grace.hopper3"]


def test_a_user_name_may_be_chosen(app):
    assert create_user(**SOMEONE, username="@Amazing").username == "amazing"


@pytest.mark.parametrize(
    ("changed", "error", "field"),
    [
        ({"email": "ALICE@tidewater.example"}, Conflict, "email"),
        ({"username": "alice"}, Conflict, "username"),
        ({"username": "x"}, Invalid, "username"),
        ({"username": "all"}, Invalid, "username"),
        ({"email": "grace"}, Invalid, "email"),
        ({"name": "\u202e"}, Invalid, "name"),
        ({"name": "x" * 61}, Invalid, "name"),
        ({"role": "king"}, Invalid, "role"),
    ],
)
def test_a_refused_account_leaves_nothing_and_names_the_field(alice, changed, error, field):
    before, head = len(everyone()), head_and_floor(SITE)
    if field == "email" and error is Conflict:
        changed = {"email": alice.email.upper()}

    with pytest.raises(error) as refused:
        create_user(**(SOMEONE | changed))

    assert refused.value.field == field
    assert len(everyone()) == before
    assert head_and_floor(SITE) == head
