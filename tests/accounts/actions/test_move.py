"""Signing in on another device with the help of one that is signed in."""

from datetime import timedelta

import pytest

from chat.accounts.actions import (
    answer_move,
    ask_to_move,
    begin_move,
    begin_session,
    deactivate,
    end_session,
    finish_move,
    replace_password,
)
from chat.accounts.actions.move import open_move
from chat.accounts.models import Link
from chat.accounts.queries import live_session
from chat.accounts.signed_in import session_for
from chat.admin.models import AuditEntry
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Conflict, NotFound

PHONE = {"address": "192.0.2.7", "user_agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18) Mobile Safari/604.1"}


@pytest.fixture
def first(alice):
    """The session that alice has."""
    return live_session(begin_session(alice, address="192.0.2.1", user_agent="Firefox"))


@pytest.fixture
def secret(alice, first):
    return begin_move(alice, first)


def say(alice, accept=True):
    answer_move(alice, open_move(alice).data["asker"], accept=accept)


def test_a_session_begins_when_the_first_device_has_said_yes(alice, secret):
    pass_ = ask_to_move(secret, **PHONE)
    say(alice)
    token = finish_move(secret, pass_, **PHONE)

    begun = session_for(token)
    assert (begun.user, begun.address) == (alice, "192.0.2.7")
    verbs = [
        entry.verb
        for entry in db.session.query(AuditEntry)
        .where(AuditEntry.verb.not_in(["room_role_changed", "signed_in"]))
        .order_by(AuditEntry.seq)
    ]
    assert verbs == ["move_begun", "move_confirmed", "moved"]


def test_what_the_first_device_sees_is_who_asks_and_when(alice, secret):
    ask_to_move(secret, **PHONE)
    asked = open_move(alice).data

    assert (asked["address"], asked["user_agent"]) == (PHONE["address"], PHONE["user_agent"])
    assert asked["asked_at"]


@pytest.mark.parametrize("step", ["nothing was asked", "nothing was said", "no was said"])
def test_no_session_begins_before(alice, secret, step):
    pass_ = "x" * 32 if step == "nothing was asked" else ask_to_move(secret, **PHONE)
    if step == "no was said":
        say(alice, accept=False)

    with pytest.raises((Conflict, NotFound)):
        finish_move(secret, pass_, **PHONE)


def test_it_is_for_the_device_that_asked_alone(alice, secret):
    ask_to_move(secret, **PHONE)
    with pytest.raises(Conflict):
        ask_to_move(secret, address="203.0.113.9", user_agent="another")
    say(alice)

    for pass_ in ("", None, "x" * 32):
        with pytest.raises(NotFound):
            finish_move(secret, pass_, **PHONE)


def test_yes_is_for_the_device_that_was_shown_alone(alice, secret):
    ask_to_move(secret, **PHONE)
    with pytest.raises(Conflict):
        answer_move(alice, "of another page", accept=True)

    assert "confirmed_at" not in open_move(alice).data


def test_it_works_once(alice, secret):
    pass_ = ask_to_move(secret, **PHONE)
    say(alice)
    finish_move(secret, pass_, **PHONE)

    with pytest.raises(NotFound):
        finish_move(secret, pass_, **PHONE)
    with pytest.raises(NotFound):
        ask_to_move(secret, **PHONE)


def test_it_works_for_ten_minutes(alice, secret, change):
    link = db.session.query(Link).one()
    assert link.expires_at - link.created_at == timedelta(minutes=10)
    pass_ = ask_to_move(secret, **PHONE)
    say(alice)
    change(link, expires_at=now() - timedelta(seconds=1))

    with pytest.raises(NotFound):
        finish_move(secret, pass_, **PHONE)


@pytest.mark.parametrize("what", ["the session", "the account", "the password", "another code"])
def test_it_is_over_with_the_session_that_made_it_and_what_else_ends_it(alice, ada, first, secret, what):
    pass_ = ask_to_move(secret, **PHONE)
    say(alice)
    if what == "the session":
        end_session(alice, first)
    elif what == "the account":
        deactivate(ada, alice)
    elif what == "the password":
        replace_password(alice, "an entirely different one")
    else:
        begin_move(alice, first)

    with pytest.raises(NotFound):
        finish_move(secret, pass_, **PHONE)


def test_others_can_say_nothing_about_it(alice, bob, secret):
    ask_to_move(secret, **PHONE)

    with pytest.raises(Conflict):
        answer_move(bob, open_move(alice).data["asker"], accept=True)
    assert open_move(bob) is None


def test_a_second_factor_shown_on_the_first_device_counts_on_the_other(alice, first, secret, change):
    moment = now()
    change(first, second_factor_at=moment)
    pass_ = ask_to_move(secret, **PHONE)
    say(alice)

    begun = session_for(finish_move(secret, pass_, **PHONE))
    assert begun.second_factor_at == moment
    assert begun.confirmed_at is None  # an open laptop lends nobody its ten minutes
