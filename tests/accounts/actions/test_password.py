import pytest

from chat.accounts import passwords
from chat.accounts.actions import begin_session, change_password, sign_in
from chat.accounts.actions.password import replace_password
from chat.accounts.signed_in import session_for
from chat.core.db import db
from chat.core.errors import Conflict, Invalid, RateLimited
from chat.core.jobs import run_due
from chat.streams.log import ACCESS, since

NEW = "walnut ferry copper dusk"


@pytest.fixture
def here(alice):
    return session_for(begin_session(alice))


def test_the_new_password_works_and_the_old_one_does_not(alice, here, password):
    change_password(alice, here, current=password, new=NEW)

    sign_in("alice", NEW)
    with pytest.raises(Invalid):
        sign_in("alice", password)


def test_every_other_session_ends_and_this_one_stays(alice, bob, here, password):
    elsewhere, bobs = begin_session(alice), begin_session(bob)
    change_password(alice, here, current=password, new=NEW)

    assert session_for(elsewhere) is None
    assert session_for(bobs) is not None
    assert here.revoked_at is None
    assert [(e.kind, e.subject_id, e.data) for e in since(ACCESS, 0)] == [("user_ended", alice.id, {"except": here.id})]


@pytest.mark.parametrize("by", ["themselves", "the machine's shell"])
def test_a_letter_says_so_in_case_it_was_somebody_else(alice, here, password, mailbox, by):
    if by == "themselves":
        change_password(alice, here, current=password, new=NEW)
    else:
        replace_password(alice, NEW)
    run_due()

    assert [(letter["To"], letter["Subject"]) for letter in mailbox.letters] == [
        (alice.email, "Your password for Tidewater is new")
    ]


def test_without_the_present_password_nothing_changes(alice, here, password):
    elsewhere = begin_session(alice)
    with pytest.raises(Invalid) as refused:
        change_password(alice, here, current="wrong password", new=NEW)

    assert refused.value.field == "current"
    assert session_for(elsewhere) is not None
    sign_in("alice", password)


@pytest.mark.parametrize("new", ["short", "1234567890", "alice12345", "x" * 2000])
def test_the_new_one_must_be_good_and_its_field_is_named(alice, here, password, new):
    with pytest.raises(Invalid) as refused:
        change_password(alice, here, current=password, new=new)

    assert refused.value.field == "new"
    sign_in("alice", password)


def test_guesses_count_as_at_sign_in(alice, here, password, limits_on):
    for _ in range(5):
        with pytest.raises(Invalid):
            change_password(alice, here, current="wrong password", new=NEW)

    with pytest.raises(RateLimited):
        change_password(alice, here, current=password, new=NEW)
    with pytest.raises(RateLimited):
        sign_in("alice", password)


def test_of_two_changes_at_once_the_second_is_told(alice, here, password, change, monkeypatch):
    def hashed(new, original=passwords.hash_password):
        change(alice, password_hash="changed elsewhere")
        return original(new)

    monkeypatch.setattr("chat.accounts.actions.password.hash_password", hashed)

    with pytest.raises(Conflict):
        change_password(alice, here, current=password, new=NEW)
    assert alice.password_hash == "changed elsewhere"


def test_no_transaction_is_open_while_passwords_are_hashed(alice, here, password, monkeypatch):
    during = []
    for name in ("_check", "_score", "_hash"):
        original = getattr(passwords, name)
        monkeypatch.setattr(
            passwords, name, lambda *args, fn=original: during.append(db.session().in_transaction()) or fn(*args)
        )
    change_password(alice, here, current=password, new=NEW)

    assert during == [False, False, False]
