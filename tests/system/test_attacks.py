"""Attacks on a running server, byte by byte: paths out of the folders, and origins that look like ours."""

import json
import re

import pytest

from tests import payloads
from tests.conftest import FIGURES
from tests.length import part
from tests.system.raw import Raw

FORM = ("Content-Type", "application/x-www-form-urlencoded")
AS_JSON = ("Accept", "application/json")  # shorter than a page
UPGRADE = [
    ("Connection", "Upgrade"), ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
]  # fmt: skip


@pytest.fixture
def raw(server):
    raw = Raw(server.port)
    yield raw
    raw.close()


def token_of(raw, cookie):
    status, headers, body = raw.ask("GET", "/", [("Cookie", cookie)])
    assert status == 200
    found = re.search(r'name="csrf-token" content="([^"]+)"', body.decode())[1]
    kept = [value.partition(";")[0] for value in headers.get_all("Set-Cookie", [])]
    return found, "; ".join([cookie, *kept])


# Paths


def places(app):
    """Every address with a gap in it, the gap marked: a path parameter, or the end of a folder."""
    for rule in app.url_map.iter_rules():
        for name in rule.arguments:
            path = re.sub(r"<[^>]*?\b" + name + r">", "\0", rule.rule)
            yield re.sub(r"<[^>]+>", "1", path)
    yield from ("/\0", "/static/\0", "/static/../\0", "/avatars/../\0", "//\0", "/static//\0", "/.\0")


def test_there_are_two_hundred_paths_that_lead_outwards():
    assert len(set(payloads.outwards())) == 200


def test_no_path_leads_out_of_the_folders(server, raw):
    secrets = {
        "its settings": server.environ["SECRET_KEY"],
        "its password key": (server.folder / "password_key").read_text().strip(),
        "the users of the machine": "root:x:0:0",
        "its database": "SQLite format 3",
        "its program": "def create_app",
    }
    cookie, tried, answers = server.cookie("bob"), 0, {}
    for number, place in enumerate(sorted(set(places(server.app)))):
        for path in part(payloads.outwards(), number, of=4):
            status, _, body = raw.ask("GET", place.replace("\0", path), [("Cookie", cookie), AS_JSON])
            text = body.decode("utf-8", "replace")
            answers[status] = answers.get(status, 0) + 1
            tried += 1
            assert status < 500, (place, path)
            assert [name for name, secret in secrets.items() if secret in text] == [], (place, path)
            assert status != 200 or "/.." not in place + path, (place, path)
    FIGURES.append(f"Traversal: {tried} paths, nothing came out; answers {dict(sorted(answers.items()))}")


# Origins


def test_there_are_forty_foreign_origins(server):
    assert len(set(payloads.foreign_origins("localhost", server.port))) >= 40


def origins(server):
    found = payloads.foreign_origins("localhost", server.port)
    return [[("Origin", origin)] if origin is not None else [] for origin in found] + [
        [("Origin", server.url), ("Origin", "http://evil.example")],
        [("Origin", "http://evil.example"), ("Origin", server.url)],
        [("Origin", "http://evil.example"), ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "http")],
        [("Origin", "http://evil.example"), ("Forwarded", "host=evil.example;proto=http")],
    ]


def test_no_foreign_origin_opens_a_websocket(server):
    cookie = server.cookie("bob")
    for way in origins(server):
        raw = Raw(server.port)
        status, _, _ = raw.ask("GET", "/socket.io/?EIO=4&transport=websocket", [*UPGRADE, ("Cookie", cookie), *way])
        raw.close()
        assert status in (400, 403), way
    raw = Raw(server.port)
    own = [*UPGRADE, ("Cookie", cookie), ("Origin", server.url)]
    assert raw.ask("GET", "/socket.io/?EIO=4&transport=websocket", own)[0] == 101
    raw.close()


def test_no_foreign_origin_sends_a_form_even_with_its_token(server, raw):
    token, cookie = token_of(raw, server.cookie("bob"))
    body = f"csrf_token={token}&text=From+elsewhere".encode()
    for way in origins(server):
        if not way:
            continue  # programs, and very old browsers, send none: then the token alone decides
        status, _, _ = raw.ask("POST", "/rooms/1/messages", [FORM, ("Cookie", cookie), *way], body)
        assert status in (400, 403), way
    assert raw.ask("POST", "/rooms/1/messages", [FORM, ("Cookie", cookie), ("Origin", server.url)], body)[0] == 303


def test_no_foreign_origin_reaches_the_api_with_a_cookie(server, raw):
    token, cookie = token_of(raw, server.cookie("bob"))
    body = json.dumps({"room": 1, "seq": 0}).encode()
    headers = [("Content-Type", "application/json"), ("X-CSRFToken", token), ("Cookie", cookie)]
    for way in origins(server):
        if not way:
            continue
        assert raw.ask("POST", "/api/v1/do/read", [*headers, *way], body)[0] in (400, 403), way
        status, answered, _ = raw.ask("GET", "/api/v1/events", [("Cookie", cookie), *way])
        assert status in (400, 403), way
        assert "Access-Control-Allow-Origin" not in answered
    assert raw.ask("POST", "/api/v1/do/read", [*headers, ("Origin", server.url)], body)[0] == 200


def test_no_answer_invites_other_origins(server, raw):
    for path in ("/", "/login", "/api/v1/events", "/healthz", "/nowhere"):
        for method in ("GET", "OPTIONS"):
            asked = [("Origin", "http://evil.example"), ("Access-Control-Request-Method", "POST")]
            _, headers, _ = raw.ask(method, path, asked)
            assert not [name for name in headers if name.lower().startswith("access-control-")], path
