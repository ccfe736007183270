"""A new password for somebody who forgot theirs."""

import re
from datetime import timedelta

import pytest

from chat.accounts.actions import (
    ask_for_reset,
    begin_session,
    deactivate,
    make_reset_link,
    replace_password,
    reset_password,
    sign_in,
)
from chat.accounts.actions.links import usable_link
from chat.accounts.models import Link
from chat.accounts.queries import sessions_of
from chat.admin.models import AuditEntry
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Conflict, Forbidden, Invalid, NotFound, RateLimited
from chat.core.jobs import Job, run_due
from chat.core.transaction import transaction
from chat.site.queries import the_site
from tests.assertions import counted_queries
from tests.mailbox import address_in

NEW = "walnut ferry copper dusk"


def secret_in(url):
    return url.rpartition("/")[2]


def asked(email="alice@example.org"):
    ask_for_reset(email)
    run_due()


def audited(verb):
    db.session.rollback()
    return [(e.actor_id, e.subject_id, e.data) for e in db.session.query(AuditEntry).filter_by(verb=verb)]


@pytest.fixture
def link(mailbox, alice):
    """The secret of a link that alice got by mail."""
    asked()
    return secret_in(address_in(mailbox.letters[-1]))


@pytest.fixture
def wanted(change, app):
    """Set a setting of the community."""

    def set_to(**settings):
        with transaction():
            the_site().settings = {**the_site().settings, **settings}

    return set_to


# By mail


def test_the_link_comes_by_mail_and_its_secret_is_kept_nowhere(link, mailbox, alice):
    assert mailbox.letters[0]["To"] == alice.email
    assert mailbox.letters[0]["Subject"] == "A new password for Tidewater"
    assert len(link) == 43
    with db.engine.connect() as connection:
        stored = "\n".join(connection.connection.driver_connection.iterdump()) if _is_sqlite() else ""
    assert link not in stored
    assert not [job for job in db.session.query(Job) if link in repr(job.data)]


def _is_sqlite():
    return db.engine.dialect.name == "sqlite"


def test_the_new_password_signs_in_and_the_old_one_does_not(link, alice, password):
    elsewhere = begin_session(alice)
    reset_password(link, NEW)

    assert sessions_of(alice) == []
    assert elsewhere not in (token := sign_in("alice", NEW))
    assert token
    with pytest.raises(Invalid):
        sign_in("alice", password)


def test_it_works_once(link):
    reset_password(link, NEW)

    with pytest.raises(NotFound):
        reset_password(link, "another odd bunch of words")
    assert sign_in("alice", NEW)


def test_it_works_for_an_hour(link, mailbox, alice, change):
    made = db.session.query(Link).one()
    assert made.expires_at - made.created_at == timedelta(hours=1)
    change(made, expires_at=now() - timedelta(seconds=1))

    with pytest.raises(NotFound):
        reset_password(link, NEW)


@pytest.mark.parametrize("what", ["password", "address", "account", "another link"])
def test_it_is_over_with_another_password_address_or_link_and_when_the_account_closes(link, alice, ada, change, what):
    if what == "password":
        replace_password(alice, "an entirely different one")
    elif what == "address":
        change(alice, email="alice@example.net")
    elif what == "account":
        deactivate(ada, alice)
    else:
        asked()

    with pytest.raises(NotFound):
        usable_link(link, "reset")
    with pytest.raises(NotFound):
        reset_password(link, NEW)


def test_a_weak_password_is_refused_and_the_link_goes_on_working(link):
    with pytest.raises(Invalid) as refused:
        reset_password(link, "alice")
    assert refused.value.field == "new"

    assert reset_password(link, NEW).username == "alice"


def test_a_link_for_something_else_sets_no_password(alice):
    from chat.accounts.actions import begin_move
    from chat.accounts.queries import live_session

    secret = begin_move(alice, live_session(begin_session(alice)))
    with pytest.raises(NotFound):
        reset_password(secret, NEW)


def test_that_it_happened_is_mailed_and_audited(link, mailbox, alice):
    reset_password(link, NEW)
    run_due()

    assert mailbox.letters[-1]["Subject"] == "Your password for Tidewater is new"
    assert audited("password_reset") == [(alice.id, alice.id, None)]


@pytest.mark.parametrize("email", ["alice@example.org", "ALICE@example.org ", "nobody@example.org", "closed", "'; --"])
def test_asking_is_the_same_work_and_the_same_answer_for_every_address(mailbox, alice, bob, ada, email):
    deactivate(ada, bob)
    run_due()
    email = bob.email if email == "closed" else email
    with counted_queries() as statements:
        assert ask_for_reset(email) is None
    assert [s.split()[0] for s in statements] == ["INSERT"]


def test_only_somebody_who_may_come_in_gets_a_letter(mailbox, alice, bob, ada):
    deactivate(ada, bob)
    for email in ("nobody@example.org", bob.email, "", "alice@example.org"):
        asked(email)

    assert [letter["To"] for letter in mailbox.letters] == ["alice@example.org"]


def test_without_mail_nobody_can_ask(app):
    with pytest.raises(NotFound):
        ask_for_reset("alice@example.org")


def test_one_address_is_asked_for_three_times_and_a_network_asks_ten(mailbox, limits_on):
    for _ in range(3):
        ask_for_reset("alice@example.org", address="10.0.0.1")
    with pytest.raises(RateLimited):
        ask_for_reset("Alice@example.org", address="10.0.0.2")

    for n in range(7):
        ask_for_reset(f"person{n}@example.org", address="10.0.0.1")
    with pytest.raises(RateLimited):
        ask_for_reset("another@example.org", address="10.0.0.1")
    assert ask_for_reset("another@example.org", address="10.0.0.2") is None


def test_where_people_come_in_through_a_provider_alone_only_owners_get_one(mailbox, wanted, ada, alice):
    wanted(password_sign_in=False)
    asked("alice@example.org")
    asked("ada@example.org")

    assert [letter["To"] for letter in mailbox.letters] == ["ada@example.org"]


# By an administrator


def test_an_administrator_hands_over_a_link(ada, alice, app):
    url = make_reset_link(ada, alice)

    assert re.fullmatch(r"http://localhost:5000/reset/[\w-]{43}", url)
    reset_password(secret_in(url), NEW)
    assert sign_in("alice", NEW)
    assert audited("sign_in_link_made") == [(ada.id, alice.id, None)]
    assert audited("password_reset") == [(alice.id, alice.id, {"link_of": ada.id})]


def test_the_person_learns_of_it_by_mail_without_the_link(ada, alice, mailbox):
    url = make_reset_link(ada, alice)
    run_due()

    assert mailbox.letters[0]["Subject"] == "Ada made you a link to sign in"
    assert secret_in(url) not in mailbox.letters[0].as_string()


@pytest.mark.parametrize(("actor_role", "user_role", "may"), [
    ("admin", "member", True), ("admin", "moderator", True), ("admin", "admin", False), ("admin", "owner", False),
    ("moderator", "member", False), ("member", "member", False), ("guest", "member", False),
])  # fmt: skip
def test_it_takes_a_higher_rank(alice, bob, change, actor_role, user_role, may):
    change(alice, role=actor_role), change(bob, role=user_role)

    if may:
        assert make_reset_link(alice, bob)
    else:
        with pytest.raises(Forbidden):
            make_reset_link(alice, bob)
        assert db.session.query(Link).count() == 0


def test_nobody_makes_one_for_themselves_or_for_a_closed_account(ada, alice):
    with pytest.raises(Forbidden):
        make_reset_link(ada, ada)
    deactivate(ada, alice)
    with pytest.raises(Conflict):
        make_reset_link(ada, alice)
