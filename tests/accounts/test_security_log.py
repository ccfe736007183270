"""Who came in and what was refused is in the log, without what anybody typed, and no flood of it fills a disk."""

import re

import pytest

from chat.accounts.actions import make_token
from chat.core import security_log
from chat.core.security_log import MOST, note_refusal
from chat.rooms.actions import leave_room
from tests.accounts.factors import with_app
from tests.assertions import counted_queries
from tests.factories import PASSWORD

TYPED = "hunter-two-in-the-wrong-field"


@pytest.fixture
def lines(app, caplog):
    """lines() → what the security log says so far."""
    security_log._windows.clear()
    caplog.set_level("INFO", logger="chat.security")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "chat.security"]


def test_who_signs_in_is_written_down_with_the_way_and_the_address(lines, client, alice):
    client.post("/login", data={"login": "alice", "password": PASSWORD})

    assert re.fullmatch(
        rf"signed in: at=accounts\.sign_in user={alice.id} session=\d+ address=127\.0\.0\.1", lines()[-1]
    )


@pytest.mark.parametrize("login", ["alice", "nobody", TYPED])
def test_who_does_not_is_written_down_without_what_was_typed(lines, client, alice, login):
    client.post("/login", data={"login": login, "password": TYPED})

    who = f"user={alice.id} " if login == "alice" else ""
    assert lines()[-1] == f"sign-in refused: at=accounts.sign_in {who}address=127.0.0.1"
    assert TYPED not in str(lines())


def test_a_wrong_code_and_a_wrong_confirmation_are(lines, client, sign_in, alice, clock):
    with_app(alice, clock)
    client.post("/login", data={"login": "alice", "password": PASSWORD})
    client.post("/login/second", data={"code": "000000"})
    assert lines()[-1] == f"second factor refused: at=factors.second user={alice.id} address=127.0.0.1"

    sign_in(alice).post("/confirm", data={"password": TYPED})
    assert lines()[-1].startswith("confirmation refused: at=factors.confirm")


def test_what_somebody_may_not_do_or_see_is(lines, sign_in, carol, general, secret):
    window = sign_in(carol)

    window.get(secret.path)
    assert lines()[-1] == f"not allowed: at=messages.page code=not_found user={carol.id} address=127.0.0.1"
    window.post(f"{general.path}/archive", headers={"Accept": "application/json"})
    assert "code=forbidden" in lines()[-1]


def test_a_form_of_another_site_is(lines, sign_in, alice, general):
    sign_in(alice).post(f"{general.path}/messages", data={"text": "Hi"}, headers={"Sec-Fetch-Site": "cross-site"})

    assert lines()[-1].startswith("request of another site: at=messages.create address=127.0.0.1")


def test_a_token_that_is_none_is(lines, client):
    client.get("/api/v1/me", headers={"Authorization": f"Bearer {TYPED}"})

    assert "token refused: at=api.people.me address=127.0.0.1" in lines()
    assert TYPED not in str(lines())


def test_that_a_limit_was_reached_is(lines, limits_on, client, alice):
    for _ in range(6):
        client.post("/login", data={"login": "alice", "password": TYPED})

    assert f"limit sign_in reached: at=accounts.sign_in user={alice.id} address=127.0.0.1" in lines()


def test_a_flood_writes_a_few_lines_and_says_how_many_there_were(lines, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(security_log.time, "monotonic", lambda: now[0])
    for _ in range(1000):
        note_refusal("sign-in refused")
    assert len(lines()) == MOST

    note_refusal("token refused")
    assert len(lines()) == MOST + 1  # of another kind
    now[0] += security_log.SECONDS
    note_refusal("sign-in refused")
    assert lines()[-1] == f"sign-in refused: (and {1000 - MOST} more before)"


@pytest.mark.parametrize("by", ["browser", "token"])
def test_who_wanted_what_is_not_theirs_is_and_nobody_is_looked_up_for_it(lines, client, sign_in, bob, secret, by):
    leave_room(bob, secret)
    asking, headers = sign_in(bob), {}
    if by == "token":
        asking, headers = client, {"Authorization": f"Bearer {make_token(bob, 'a script', scopes=['read'], days=7)[0]}"}

    with counted_queries() as statements:
        answer = asking.get(f"/api/v1/rooms/{secret.id}", headers=headers)

    assert answer.status_code == 404
    assert lines()[-1] == f"not allowed: at=api.rooms.room code=not_found user={bob.id} address=127.0.0.1"
    assert "FROM sessions" not in statements[-1]
