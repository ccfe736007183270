"""What holds for every address, also for those that are added later."""

import re

import pytest
from flask import g, request

from chat import create_app
from chat.core.db import db
from chat.rooms.actions import mark_read
from tests.assertions import counted_queries
from tests.conftest import at_once
from tests.factories import say

VALUES = {"room_id": 1, "message_id": 1, "user_id": 3, "invite_id": 1, "session_id": 1, "id": 1, "username": "bob",
          "name": "none.webp", "code": "none", "path": "none.js", "hue": 205, "event": "read",
          "secret": "none", "key": "none"}  # fmt: skip


def addresses(app, method):
    """[(endpoint, path)] of every rule that takes this method."""
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        if method in rule.methods:
            yield rule.endpoint, adapter.build(rule.endpoint, {name: VALUES[name] for name in rule.arguments}, method)


@pytest.fixture
def window(sign_in, alice, general):
    say(alice, general, "Hi")
    return sign_in(alice, csrf=True)


def test_pages_hold_nothing_that_the_policy_forbids(app, window):
    """No inline script but the import map, no style and no handler in any page."""
    for endpoint, path in addresses(app, "GET"):
        answer = window.get(path)
        if not answer.content_type.startswith("text/html") or endpoint.startswith("static"):
            continue
        assert not re.search(r"<script(?![^>]*(src=|type=\"importmap\"))", answer.text), path
        assert "<style" not in answer.text, path
        assert not re.search(r"<[^>]*\s(style|on\w+)=[\"']", answer.text), path
        assert "javascript:" not in answer.text, path


def test_websockets_may_open_to_our_own_host_only(window):
    policy = window.get("/").headers["Content-Security-Policy"]
    [sources] = re.findall(r"connect-src ([^;]+)", policy)
    assert set(sources.split()) <= {"'self'", "ws://localhost:5000", "ws://127.0.0.1:5000"}


def token_of(window):
    g.pop("csrf_token", None)  # a request leaves it in the context, which is the same here for all
    return re.search(r'name="csrf-token" content="([^"]+)"', window.get("/").text)[1]


def unsafe(app):
    return [(method, path) for method in ("POST", "PUT", "PATCH", "DELETE") for _, path in addresses(app, method)]


def test_only_the_api_has_unsafe_methods_but_post(app):
    assert not [path for method, path in unsafe(app) if method != "POST" and not path.startswith("/api/v1/")]


@pytest.mark.parametrize("how", ["no token", "a made-up token", "another session's token", "from another site"])
def test_no_form_is_taken_without_its_token(app, window, sign_in, bob, how):
    other = sign_in(bob, csrf=True)
    token, own = token_of(other), token_of(window)
    data, headers = {
        "no token": ({}, {}),
        "a made-up token": ({"csrf_token": "x" * 90}, {}),
        "another session's token": ({"csrf_token": token}, {}),
        "from another site": ({"csrf_token": own}, {"Sec-Fetch-Site": "cross-site"}),
    }[how]

    for method, path in unsafe(app):
        g.pop("csrf_token", None), g.pop("csrf_valid", None)
        with counted_queries() as statements:
            answer = window.open(path, method=method, data=data, headers=headers)
        assert answer.status_code == (403 if how == "from another site" else 400), (method, path)
        assert not written(statements), path
    assert window.get("/").status_code == 200  # still signed in


def written(statements):
    return [s for s in statements if s.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE"))]


def test_looking_changes_nothing(app, window):
    for _endpoint, path in addresses(app, "GET"):
        with counted_queries() as statements:
            window.get(path)
        assert not written(statements), path


def test_whoever_is_not_signed_in_is_asked_to(app, client):
    open_to_all = {
        "site.setup", "accounts.sign_in", "accounts.sign_up", "accounts.invitation", "accounts.sign_out", "ops.healthz",
        "factors.cancel", "factors.sign_in_by_passkey", "factors.challenge_to_sign_in", "factors.recover",
        "oidc.begin", "oidc.callback", "oidc.confirm",
        "ops.readyz", "ops.metrics", "links.forgot", "links.reset", "links.arrive", "links.arrived",
        "links.confirm_email", "docs.page", "docs.openapi", "api.tokens.token", "api.tokens.revoke",
        "accounts.avatar",  # invitations show them; their names cannot be guessed
    }  # fmt: skip
    for method in ("GET", "POST", "PATCH", "DELETE"):
        for endpoint, path in addresses(app, method):
            if endpoint in open_to_all or endpoint.startswith("static"):
                continue
            answer = client.open(path, method=method)
            if not endpoint.startswith("api."):
                assert answer.status_code == 303, (method, path)
                assert answer.location.startswith("/login"), (method, path)
            asked = client.open(path, method=method, headers={"Accept": "application/json"})
            assert (asked.status_code, asked.json["code"]) == (401, "unauthorized"), (method, path)


@pytest.mark.parametrize(
    "path", ["/nowhere", "/rooms/99", "/rooms/x", "/rooms/" + "9" * 5000, "/messages/99/edit", "/people/nobody"]
)
def test_what_is_not_there_is_not_there_in_either_language(sign_in, alice, path):
    window = sign_in(alice)

    page = window.get(path)
    assert page.status_code == 404
    assert "Nothing lives at this address" in page.text
    answer = window.get(path, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json["ok"], answer.json["code"]) == (404, False, "not_found")


def test_too_large_a_request_is_refused(sign_in, alice, general, app):
    window = sign_in(alice)
    answer = window.post(f"{general.path}/messages", data={"text": "x" * 6_000_000})

    assert answer.status_code == 413
    assert "too large" in answer.text


def test_hosts_and_addresses_in_what_was_typed_lead_nowhere(sign_in, alice, bob, general):
    """No header a client may choose turns up in a redirect."""
    mark_read(bob, general, 1)
    answer = sign_in(alice).post(
        f"{general.path}/read", headers={"Host": "localhost", "X-Forwarded-Host": "evil.example"}
    )
    assert "evil" not in answer.location


def test_behind_proxies_too_the_name_is_that_of_the_request(settings):
    """They set X-Forwarded-For and -Proto; another name is what a client sent through them."""
    object.__setattr__(settings, "trusted_proxies", 1)
    forwarded = {"X-Forwarded-Host": "evil.example", "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    app = create_app(settings, spawn=at_once)
    seen = []
    app.before_request(lambda: seen.append((request.host, request.remote_addr, request.scheme)))

    app.test_client().get("/healthz", headers=forwarded)

    assert seen == [("localhost", "203.0.113.9", "https")]
    with app.app_context():
        db.engine.dispose()


def test_behind_tls_the_page_is_cut_off_from_the_windows_that_opened_it(app, client):
    object.__setattr__(app.config["PARLEY"], "base_url", "https://chat.example.org")

    headers = client.get("/login").headers

    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Strict-Transport-Security"] == "max-age=31536000"
