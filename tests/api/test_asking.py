"""Who may ask for something below /api/, and how they prove it."""

import re

import pytest
from flask import g

BASE = "http://localhost:5000"
WAYS = [("GET", "/api/v1/events"), ("POST", "/api/v1/do/read")]


@pytest.fixture
def ask(sign_in, bob, app, general):
    """ask(method, path, **headers) → the answer to bob, as his session's cookie allows it."""
    browser = sign_in(bob)

    def ask(method, path, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        json = {"room": general.id, "seq": 3} if method == "POST" else None
        return browser.open(path, method=method, json=json, headers=headers)

    return ask


@pytest.mark.parametrize(("method", "path"), WAYS)
def test_whoever_is_not_signed_in_is_told_so_as_json(client, method, path):
    answer = client.open(path, method=method)

    assert (answer.status_code, answer.json["code"], answer.json["ok"]) == (401, "unauthorized", False)


@pytest.mark.parametrize(("method", "path"), WAYS)
def test_a_token_that_nobody_knows_is_refused_whatever_the_cookie_says(ask, method, path):
    for header in ("Bearer abc", "Bearer ", "Basic YWJj", ""):
        answer = ask(method, path, Authorization=header)

        assert (answer.status_code, answer.json["code"]) == (401, "unauthorized")


@pytest.mark.parametrize(("method", "path"), WAYS)
@pytest.mark.parametrize("name", ["token", "access_token", "Authorization"])
def test_a_token_in_the_address_is_refused(ask, method, path, name):
    answer = ask(method, f"{path}?{name}=abc")

    assert (answer.status_code, answer.json["code"], answer.json["field"]) == (422, "invalid", name)
    assert "header" in answer.json["message"]


@pytest.mark.parametrize(("method", "path"), WAYS)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": BASE, "Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_a_page_of_another_origin_gets_nothing_for_the_cookie(ask, method, path, headers):
    assert ask(method, path, **headers).status_code == 403


@pytest.mark.parametrize(("method", "path"), WAYS)
@pytest.mark.parametrize("headers", [{}, {"Origin": BASE}, {"Origin": BASE, "Sec_Fetch_Site": "same-origin"}])
def test_our_own_page_and_a_program_with_the_cookie_are_answered(ask, method, path, headers):
    assert ask(method, path, **headers).status_code == 200


def test_what_one_does_with_a_cookie_needs_the_token_of_a_page(sign_in, bob, general):
    browser = sign_in(bob, csrf=True)
    page = browser.get("/").text
    token = re.search(r'name="csrf-token" content="([^"]+)"', page)[1]
    read = {"room": general.id, "seq": 3}

    g.pop("csrf_token", None), g.pop("csrf_valid", None)
    answer = browser.post("/api/v1/do/read", json=read)
    assert (answer.status_code, answer.json["code"]) == (400, "invalid")
    g.pop("csrf_token", None), g.pop("csrf_valid", None)
    assert browser.post("/api/v1/do/read", json=read, headers={"X-CSRFToken": token}).status_code == 200


@pytest.mark.parametrize(
    ("query", "field"),
    [("?room=1", "room"), ("?rooms=x", "rooms"), ("?rooms=", "rooms"), ("?rooms=1,,2", "rooms"), ("?rooms=-1", "rooms"),
     ("?rooms=1111111111", "rooms"), ("?rooms=" + ",".join(["1"] * 51), "rooms")],
)  # fmt: skip
def test_fields_that_are_not_there_and_rooms_that_are_none_are_named(ask, query, field):
    answer = ask("GET", f"/api/v1/events{query}")

    assert (answer.status_code, answer.json["code"], answer.json["field"]) == (422, "invalid", field)


def test_an_address_below_the_api_that_is_not_there_says_so_as_json(client):
    answer = client.get("/api/v1/nothing")

    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
