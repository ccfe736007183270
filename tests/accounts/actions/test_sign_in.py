from datetime import timedelta
from importlib import import_module

import pytest

from chat.accounts import passwords
from chat.accounts.actions import change_password, recover, sign_in
from chat.accounts.models import Session, User
from chat.accounts.passwords import check_password
from chat.accounts.signed_in import session_for
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Invalid, RateLimited

module = import_module("chat.accounts.actions.sign_in")  # the package has the function by this name
WRONG = "That name and password do not match."


def refusal(login, password, **more):
    with pytest.raises(Invalid) as refused:
        sign_in(login, password, **more)
    return refused.value.message, refused.value.field


def test_a_person_signs_in_by_user_name_or_e_mail_however_it_is_written(alice, password):
    for login in ("alice", " Alice ", alice.email, alice.email.upper()):
        assert session_for(sign_in(login, password).token).user == alice


def test_each_sign_in_is_a_session_of_its_own_and_says_where_it_began(alice, password):
    first = sign_in("alice", password, address="192.0.2.7", user_agent="Firefox on Linux").token
    second = sign_in("alice", password).token

    assert first != second
    assert len(first) == 43  # 256 bits
    found = session_for(first)
    assert (found.address, found.user_agent) == ("192.0.2.7", "Firefox on Linux")


def test_the_token_itself_is_not_in_the_database(alice, password):
    token = sign_in("alice", password).token

    assert token not in repr([vars(session) for session in db.session.query(Session)])


@pytest.mark.parametrize(
    "login", ["alice", "nobody", "nobody@example.org", "", "alice\0", "' or 1=1 --", "%", "x" * 10_000]
)
def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(alice, login):
    assert refusal(login, "wrong password") == (WRONG, "password")


def test_a_closed_account_gets_that_answer_too_also_for_the_right_password(alice, password, change):
    change(alice, deactivated_at=now())

    assert refusal("alice", password) == (WRONG, "password")


@pytest.mark.parametrize("login", ["alice", "nobody"])
def test_every_attempt_costs_one_comparison(alice, monkeypatch, login):
    compared = []
    monkeypatch.setattr(passwords, "_check", lambda *args, check=passwords._check: compared.append(1) or check(*args))

    refusal(login, "wrong password")
    assert compared == [1]


def test_a_password_does_not_run_out(alice, password, change):
    """Nothing says when it was set, so nothing can end it: an account of ten years signs in as on the first day."""
    change(alice, created_at=now() - timedelta(days=3650))

    assert session_for(sign_in("alice", password).token).user == alice
    assert [column.name for column in User.__table__.columns if "password" in column.name] == ["password_hash"]


def test_no_transaction_is_open_while_a_password_is_hashed(alice, password, monkeypatch):
    during = []

    def check(*args, check=passwords._check):
        during.append(db.session().in_transaction())
        return check(*args)

    monkeypatch.setattr(passwords, "_check", check)
    sign_in("alice", password)

    assert during == [False]


def test_signing_in_renews_a_hash_of_another_cost(alice, password, change):
    change(alice, password_hash=passwords._hash(passwords.password_key(), password, 5))

    sign_in("alice", password)
    assert alice.password_hash.split("$")[3] == "04"
    sign_in("alice", password)


def test_a_password_changed_while_it_was_compared_signs_nobody_in(alice, password, monkeypatch):
    session = session_for(sign_in("alice", password).token)

    def check(*args, check=passwords._check):
        monkeypatch.undo()
        change_password(alice, session, current=password, new="another four odd words")
        return check(*args)

    monkeypatch.setattr(passwords, "_check", check)

    assert refusal("alice", password) == (WRONG, "password")


def test_the_same_password_hashed_anew_while_it_was_compared_is_still_right(alice, password, change, monkeypatch):
    """As when two browsers sign in at once, for the first time since the cost was raised."""
    change(alice, password_hash=passwords._hash(passwords.password_key(), password, 5))

    def check(*args, check=passwords._check):
        monkeypatch.undo()
        sign_in("alice", password)
        return check(*args)

    monkeypatch.setattr(passwords, "_check", check)

    assert session_for(sign_in("alice", password).token).user == alice


def test_an_account_closed_while_the_password_was_compared_stays_out(alice, password, change, monkeypatch):
    def check(*args, check=passwords._check):
        change(alice, deactivated_at=now())
        return check(*args)

    monkeypatch.setattr(passwords, "_check", check)

    assert refusal("alice", password) == (WRONG, "password")


# Limits: 5 wrong ones at once for an account, 30 from an address


def guess(login, times, **more):
    for _ in range(times):
        refusal(login, "wrong password", **more)


@pytest.mark.parametrize("login", ["alice", "nobody"])
def test_after_five_wrong_passwords_the_account_waits_known_or_not(alice, limits_on, login):
    guess(login, 5)

    with pytest.raises(RateLimited) as refused:
        sign_in(login, "wrong password")
    assert refused.value.message.startswith("Too many wrong passwords. Try again in")
    assert 0 < refused.value.retry_after <= 12


@pytest.mark.parametrize("login", ["alice", "nobody", "nobody@example.org"])
@pytest.mark.parametrize("way", [sign_in, lambda login, wrong: recover(login, wrong, new="walnut ferry copper dusk")])
def test_however_a_name_is_written_its_guesses_are_counted_together_known_or_not(alice, limits_on, login, way):
    """Otherwise the sixth guess, written in another way, would tell who exists."""
    guess(login, 5)

    for written in (f"{login[0]}\0{login[1:]}", f"\0 {login}", f" {login.upper()}\0"):
        with pytest.raises(RateLimited):
            way(written, "wrong password")


def test_a_name_too_long_to_be_one_is_counted_as_it_is_looked_up(alice, limits_on, change):
    longest = f"{'x' * 242}@example.org"
    for email in (longest, alice.email):  # somebody's, then nobody's
        change(alice, email=email)
        guess(longest + "more", 5)
        with pytest.raises(RateLimited):
            sign_in(longest, "wrong password")


def test_then_the_right_password_waits_as_well(alice, password, limits_on):
    guess("alice", 5)

    with pytest.raises(RateLimited):
        sign_in("alice", password)


def test_user_name_and_e_mail_count_as_one_account(alice, limits_on):
    guess("alice", 3)
    guess(alice.email, 2)

    with pytest.raises(RateLimited):
        sign_in("ALICE", "wrong password")


def test_right_passwords_count_for_nothing(alice, password, limits_on):
    for _ in range(40):
        sign_in("alice", password, address="192.0.2.7")

    guess("alice", 5, address="192.0.2.7")


def test_one_address_guesses_at_thirty_accounts_and_others_are_not_affected(alice, password, limits_on):
    for number in range(30):
        refusal(f"nobody{number}", "wrong password", address="2001:db8::1")

    with pytest.raises(RateLimited):
        sign_in("alice", password, address="2001:db8::2")  # the same network
    sign_in("alice", password, address="192.0.2.8")


def test_a_guess_refused_for_its_address_does_not_count_against_the_account(alice, password, limits_on):
    for number in range(30):
        refusal(f"nobody{number}", "wrong password", address="192.0.2.7")
    for _ in range(20):
        with pytest.raises(RateLimited):
            sign_in("alice", "wrong password", address="192.0.2.7")

    sign_in("alice", password, address="192.0.2.8")


def test_a_thousand_guesses_at_once_are_five(alice, limits_on, monkeypatch):
    """Each of them begins before any has been answered."""
    looked_at = []

    def check(password, stored):
        looked_at.append(password)
        if len(looked_at) < 5:
            with pytest.raises((Invalid, RateLimited)):
                sign_in("alice", "the next one, at the same time")
        return check_password(password, stored)

    monkeypatch.setattr(module, "check_password", check)
    for _ in range(200):
        with pytest.raises((Invalid, RateLimited)):
            sign_in("alice", "wrong password")

    assert len(looked_at) == 5


def test_being_turned_away_because_too_many_wait_does_not_count(alice, password, limits_on, monkeypatch):
    def full(*args):
        raise RateLimited("Many people are signing in at once.", retry_after=2)

    monkeypatch.setattr(module, "check_password", full)
    for _ in range(20):
        with pytest.raises(RateLimited, match="Many people"):
            sign_in("alice", password)
    monkeypatch.undo()

    sign_in("alice", password)
