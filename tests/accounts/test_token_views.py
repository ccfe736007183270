"""The page of tokens: made, shown once, listed, revoked."""

import re

import pytest

from chat.accounts.actions import make_token, pair_for_session
from chat.accounts.actions.confirm import LASTS
from chat.accounts.actions.sessions import begin_session
from chat.accounts.models import Session
from chat.accounts.queries import sessions_of
from chat.accounts.signed_in import session_for
from chat.core.clock import now
from chat.core.db import db

FORM = {"name": "bridge", "days": "30", "scopes": ["read", "write"]}


def value_in(page):
    found = re.search(r'value="(parley_pat_[\w-]+)"', page.text)
    return found and found[1]


def test_a_token_is_shown_once_and_works(sign_in, bob):
    browser = sign_in(bob)

    made = browser.post("/settings/tokens", data=FORM)

    assert made.status_code == 200
    assert "no-store" in made.headers["Cache-Control"]
    session = session_for(value_in(made))
    assert (session.user, session.name, session.scopes) == (bob, "bridge", "read write")
    assert abs((session.expires_at - session.created_at).days) == 30
    again = browser.get("/settings/tokens")
    assert value_in(again) is None
    assert "bridge" in again.text and "never used" in again.text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "Give the token a name"), ({"scopes": []}, "Choose at least one"),
        ({"scopes": ["all"]}, "Choose at least one"), ({"days": "4000"}, "Not a valid choice"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_pointed_out(sign_in, bob, change, words):
    page = sign_in(bob).post("/settings/tokens", data=FORM | change)

    assert page.status_code == 422
    assert words in page.text
    assert sessions_of(bob, "token") == []


def test_an_open_laptop_is_not_enough(sign_in, bob):
    browser = sign_in(bob)
    db.session.query(Session).update({"confirmed_at": now() - LASTS})
    db.session.commit()

    answer = browser.post("/settings/tokens", data=FORM)

    assert (answer.status_code, answer.location.partition("?")[0]) == (303, "/confirm")
    assert sessions_of(bob, "token") == []


def test_tokens_and_programs_are_listed_and_revoked(sign_in, bob):
    value, token = make_token(bob, "nightly <report>", scopes=["read"], days=7)
    pair = pair_for_session(bob, session_for(begin_session(bob)), name="bridge")
    browser = sign_in(bob)

    page = browser.get("/settings/tokens").text
    assert "nightly &lt;report&gt;" in page and "bridge" in page
    for session in (token, pair.session):
        assert browser.post(f"/settings/tokens/{session.id}/revoke").location == "/settings/tokens"

    assert session_for(value) is None and session_for(pair.access_token) is None
    assert "None. They are for scripts" in browser.get("/settings/tokens").text


def test_the_tokens_of_others_are_not_there(sign_in, alice, bob):
    value, token = make_token(bob, "mine", scopes=["read"], days=7)
    browser = sign_in(alice)

    assert "mine" not in browser.get("/settings/tokens").text
    assert browser.post(f"/settings/tokens/{token.id}/revoke").status_code == 404
    assert session_for(value) is not None


def test_the_page_of_browsers_lists_no_programs(sign_in, bob):
    make_token(bob, "nightly", scopes=["read"], days=7)

    assert "nightly" not in sign_in(bob).get("/settings/security").text
