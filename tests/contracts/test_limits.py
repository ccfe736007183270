"""Nobody can do anything without end: every address that changes something, every page and every event has a limit.

Addresses come from the application's own table and events from the wire's, so that none can be added without one."""

import re
from dataclasses import fields

import pytest

from chat.core.rate_limit import GUESSES, limiter
from chat.realtime import wire
from config import Limit, Settings
from tests.contracts.test_security import addresses

ONE = Limit(1, 1 / 3600)
EVENTS = [(namespace, event) for namespace, known in wire.CLIENT.items() for event in known]


@pytest.fixture
def one_each(app, limits_on):
    """Every limit allows one, and the next in an hour."""
    for f in fields(Settings):
        if f.name.startswith("limit_"):
            object.__setattr__(app.config["PARLEY"], f.name, ONE)


def refused(answer):
    return answer.status_code == 429 and int(answer.headers["Retry-After"]) > 3000


def test_what_a_signed_in_person_may_change_is_limited_everywhere(app, sign_in, alice, one_each):
    unlimited = []
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for endpoint, path in addresses(app, method):
            window = sign_in(alice)
            limiter.buckets.adjust(("form", alice.id), 0)
            window.open(path, method=method)
            window = sign_in(alice)  # the first may have ended the session
            if not refused(window.open(path, method=method)):
                unlimited.append((method, path, endpoint))
    assert unlimited == []


def test_what_strangers_may_send_is_limited_for_their_network(app, client, one_each):
    unlimited = []
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for endpoint, path in addresses(app, method):
            limiter.buckets.adjust(("stranger", "127.0.0.1"), 0)
            client.open(path, method=method)
            if not refused(client.open(path, method=method)):
                unlimited.append((method, path, endpoint))
    assert unlimited == []


@pytest.mark.parametrize("signed_in", [True, False], ids=["a person", "strangers"])
def test_pages_are_limited(app, client, sign_in, alice, one_each, signed_in):
    unlimited, pages = [], 0
    for endpoint, path in addresses(app, "GET"):
        if endpoint.startswith(("static.", "ops.")):
            continue
        window = sign_in(alice) if signed_in else client
        limiter.buckets.adjust(("page", alice.id if signed_in else "127.0.0.1"), 0)
        window.get(path)
        pages += 1
        if not refused(window.get(path)):
            unlimited.append((path, endpoint))
    assert unlimited == []
    assert pages > 20


def test_a_refusal_says_in_a_sentence_when_to_come_back(client, one_each):
    client.get("/login")

    page = client.get("/login")
    assert "That was too much at once. Try again in 60 minutes." in page.text
    program = client.get("/login", headers={"Accept": "application/json"})
    assert (program.status_code, program.json["code"]) == (429, "rate_limited")
    assert program.json["retry_after"] == pytest.approx(3600, abs=60)


@pytest.mark.parametrize(("namespace", "event"), EVENTS)
def test_every_event_is_limited_also_when_it_makes_no_sense(live, alice, one_each, namespace, event):
    socket = live(alice)
    verb = wire.CLIENT[namespace][event].limit
    limiter.buckets.adjust((verb, alice.id), 0)  # coming in may have used it
    socket.emit(event, {"nonsense": 1}, namespace=namespace)

    answer = socket.emit(event, {"nonsense": 1}, namespace=namespace)

    assert (answer["ok"], answer["code"]) == (False, "rate_limited")
    assert answer["retry_after"] > 3000


@pytest.mark.parametrize(("namespace", "event"), EVENTS)
def test_over_http_events_share_the_bucket_of_the_websocket(live, sign_in, alice, one_each, namespace, event):
    live(alice).emit(event, {"nonsense": 1}, namespace=namespace)

    answer = sign_in(alice).post(f"/api/v1/do/{event}", json={"nonsense": 1})

    assert (answer.status_code, answer.json["code"]) == (429, "rate_limited")


def test_wrong_tokens_use_up_the_patience_with_a_network(client, one_each):
    ask = lambda number: client.get("/api/v1/events", headers={"Authorization": f"Bearer made up {number}"})  # noqa: E731

    assert ask(1).status_code == 401
    assert refused(ask(2))


def test_another_network_and_another_person_are_not_held_up(client, sign_in, alice, bob, one_each):
    assert sign_in(alice).get("/").status_code == 200
    assert sign_in(bob).get("/").status_code == 200
    client.get("/login")
    assert client.get("/login").status_code == 429
    assert client.get("/login", environ_base={"REMOTE_ADDR": "192.0.2.1"}).status_code == 200


def test_made_up_addresses_of_proxies_change_nothing(client, one_each):
    """Without TRUSTED_PROXIES whoever sends these headers is still who they are."""
    client.get("/login")

    for name in ("X-Forwarded-For", "X-Real-IP", "Forwarded", "Client-IP", "X-Client-IP", "CF-Connecting-IP"):
        assert refused(client.get("/login", headers={name: "203.0.113.9"})), name


def test_what_could_be_guessed_at_is_counted_for_all_processes_together():
    """Whatever is added for signing in belongs there, too."""
    about = re.compile("sign_in|sign_up|reset|factor|token|provider|code|password|passkey")
    assert {
        f.name.removeprefix("limit_") for f in fields(Settings) if about.search(f.name) and "limit_" in f.name
    } <= GUESSES
