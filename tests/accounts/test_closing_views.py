"""The pages that close, open and erase accounts."""

import pytest

from chat.accounts.queries import user_by_id
from chat.accounts.signed_in import cookie_name, session_for
from chat.core.jobs import run_due
from tests.accounts.factors import unconfirm


@pytest.fixture
def window(sign_in, ada):
    return sign_in(ada)


def test_an_administrator_closes_an_account_and_opens_it_again(window, alice):
    assert window.post("/people/alice/close").location == "/people/alice"
    page = window.get("/people/alice").text
    assert "This account is closed." in page
    assert "/people/alice/open" in page
    assert "/people/alice/close" not in page

    window.post("/people/alice/open")
    assert "This account is closed." not in window.get("/people/alice").text
    assert user_by_id(alice.id).deactivated_at is None


@pytest.mark.parametrize("what", ["close", "open", "erase", "export", "sign-in-link"])
def test_others_are_refused_and_see_no_button(sign_in, alice, bob, what):
    window = sign_in(bob)

    assert f"/people/alice/{what}" not in window.get("/people/alice").text
    assert window.post(f"/people/alice/{what}", data={"confirmation": "alice"}).status_code == 403
    assert window.get("/people/alice/erase").status_code == 403
    assert user_by_id(alice.id).deactivated_at is None


def test_ones_own_account_is_closed_with_the_password(sign_in, alice, password):
    window = sign_in(alice)
    token = window.get_cookie(cookie_name()).value
    assert "/settings/close" in window.get("/settings/data").text
    assert window.post("/settings/close", data={"password": "a wrong password"}).status_code == 422
    assert window.post("/settings/close", data={}).status_code == 422

    answer = window.post("/settings/close", data={"password": password})
    assert answer.location == "/login"
    assert session_for(token) is None
    assert "Your account is closed." in window.get("/login").text


def test_who_has_no_password_confirms_in_another_way(sign_in, alice, change):
    window = sign_in(alice)
    change(alice, password_hash="")
    assert 'name="password"' not in window.get("/settings/close").text
    unconfirm()
    for answer in (window.get("/settings/close"), window.post("/settings/close", data={"password": ""})):
        assert answer.location.startswith("/confirm")
    assert not user_by_id(alice.id).deactivated_at

    window = sign_in(alice)  # in anew, the way they came
    assert window.post("/settings/close").location == "/login"
    assert user_by_id(alice.id).deactivated_at


def test_who_has_one_gives_it_however_long_ago_they_came(sign_in, alice, password):
    window = sign_in(alice)
    unconfirm()
    assert window.post("/settings/close").status_code == 422

    assert window.post("/settings/close", data={"password": password}).location == "/login"


def test_erasing_offers_a_copy_first_and_asks_for_the_name(window, alice):
    page = window.get("/people/alice/erase").text
    assert "Collect a copy" in page
    window.post("/people/alice/export")
    run_due()
    assert "Download" in window.get("/people/alice/erase").text

    refused = window.post("/people/alice/erase", data={"confirmation": "bob", "messages": "keep"})
    assert refused.status_code == 422
    assert "Type alice to confirm." in refused.text
    answer = window.post("/people/alice/erase", data={"confirmation": "alice", "messages": "empty"})
    assert answer.location == f"/people/deleted-{alice.id}"
    page = window.get(answer.location).text
    assert "Deleted person" in page
    assert "This person was erased." in page
    assert "/erase" not in page
    assert window.get("/people/alice").status_code == 404
