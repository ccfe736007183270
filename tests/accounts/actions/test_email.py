"""Another e-mail address for one's account."""

import pytest

from chat.accounts.actions import change_email, confirm_email, deactivate, make_reset_link, reset_password, sign_in
from chat.accounts.queries import user_by_email, user_by_id
from chat.admin.models import AuditEntry
from chat.core.db import db
from chat.core.errors import Conflict, Invalid, NotFound, RateLimited
from chat.core.jobs import Job, run_due
from tests.accounts.factors import unconfirm
from tests.mailbox import address_in

NEW = "alice@harbour.example"


@pytest.fixture
def secret(mailbox, alice, password):
    """Of the link that came to alice's new address."""
    assert change_email(alice, NEW, password=password) is False
    run_due()
    return address_in(mailbox.letters[0]).rpartition("/")[2]


def test_without_mail_it_counts_at_once(alice, password):
    assert change_email(alice, " Alice@Harbour.example ", password=password) is True

    assert user_by_email(NEW) == alice
    assert sign_in(NEW, password)
    assert [entry.verb for entry in db.session.query(AuditEntry).where(AuditEntry.seq > 1)] == ["email_changed"]


def test_with_mail_it_counts_when_the_link_was_opened_and_the_old_address_learns_of_it(secret, mailbox, alice):
    assert mailbox.letters[0]["To"] == NEW
    assert user_by_id(alice.id).email == "alice@example.org"
    assert not [job for job in db.session.query(Job) if secret in repr(job.data)]

    confirm_email(secret)
    run_due()
    assert user_by_id(alice.id).email == NEW
    assert (mailbox.letters[1]["To"], len(mailbox.letters)) == ("alice@example.org", 2)
    with pytest.raises(NotFound):
        confirm_email(secret)


def test_it_takes_the_password(alice):
    with pytest.raises(Invalid) as refused:
        change_email(alice, NEW, password="a wrong password")

    assert refused.value.field == "password"
    assert user_by_email(NEW) is None


@pytest.mark.parametrize(
    ("typed", "kind"), [("bob@example.org", Conflict), ("alice", Invalid), ("a@b\r\nBcc: x@y.z", Invalid)]
)
def test_it_has_to_be_an_address_that_nobody_has(alice, password, typed, kind):
    with pytest.raises(kind) as refused:
        change_email(alice, typed, password=password)

    assert refused.value.field == "email"


def test_somebody_may_have_taken_it_meanwhile(secret, bob, change):
    change(bob, email=NEW)

    with pytest.raises(Conflict):
        confirm_email(secret)


def test_the_link_is_over_when_the_account_closes_and_sets_no_password(secret, ada, alice):
    with pytest.raises(NotFound):
        reset_password(secret, "walnut ferry copper dusk")
    deactivate(ada, alice)
    with pytest.raises(NotFound):
        confirm_email(secret)


def test_links_for_a_new_password_end_with_the_address_they_were_sent_to(ada, alice, password):
    link = make_reset_link(ada, alice).rpartition("/")[2]
    change_email(alice, NEW, password=password)

    with pytest.raises(NotFound):
        reset_password(link, "walnut ferry copper dusk")


def test_nobody_is_flooded_with_letters(mailbox, limits_on, alice, password):
    for _ in range(3):
        change_email(alice, NEW, password=password)

    with pytest.raises(RateLimited):
        change_email(alice, NEW, password=password)


def test_the_pages(sign_in, mailbox, alice, password):
    window = sign_in(alice)
    assert "/settings/email" in window.get("/settings/profile").text
    assert window.post("/settings/email", data={"email": NEW, "password": "no"}).status_code == 422
    assert window.post("/settings/email", data={"email": NEW, "password": password}).location == "/settings/profile"
    run_due()
    path = address_in(mailbox.letters[0]).removeprefix("http://localhost:5000")

    assert NEW in window.get(path).text
    assert user_by_id(alice.id).email == "alice@example.org"  # looking changes nothing
    assert window.post(path).location == "/settings/profile"
    assert NEW in window.get("/settings/profile").text


def test_who_has_no_password_confirms_in_another_way(sign_in, alice, change):
    window = sign_in(alice)
    change(alice, password_hash="")
    assert 'name="password"' not in window.get("/settings/email").text
    unconfirm()
    assert window.post("/settings/email", data={"email": NEW}).location.startswith("/confirm")
    assert user_by_email(NEW) is None

    assert sign_in(alice).post("/settings/email", data={"email": NEW}).location == "/settings/profile"
    assert user_by_email(NEW) == alice


@pytest.mark.parametrize("typed", [None, ""])
def test_who_has_one_cannot_leave_it_out(alice, typed):
    with pytest.raises(Invalid):
        change_email(alice, NEW, password=typed)
