"""What a running server writes into its log, with everything switched on: no secret of anybody."""

import json
import shutil
import uuid
from urllib.parse import urlencode

import pytest

from chat.accounts.actions import create_invite
from tests.conftest import FIGURES
from tests.factories import PASSWORD, person
from tests.system.raw import Raw
from tests.system.server import METRICS_TOKEN, Server
from tests.system.test_attacks import FORM, token_of

KEY = "a secret key that no log may ever hold"


def canary():
    return f"canary{uuid.uuid4().hex}"


@pytest.fixture
def talkative(founded, tmp_path):
    shutil.copytree(founded, tmp_path / "data")
    server = Server(tmp_path / "data", LOG_LEVEL="debug", ACCESS_LOG="on", SECRET_KEY=KEY).start()
    yield server
    server.close()


def test_no_log_holds_what_people_prove_themselves_with(talkative):
    raw, cookie = Raw(talkative.port), talkative.cookie("alice")
    secrets = {
        "SECRET_KEY": KEY,
        "METRICS_TOKEN": METRICS_TOKEN,
        "the cookie": cookie.partition("=")[2],
        "a password": PASSWORD,
    }
    token, cookies = token_of(raw, cookie)
    secrets |= {"the form's token": token, "the form's cookie": cookies.rpartition("=")[2]}
    secrets["an invite"] = talkative.act(lambda: create_invite(person("ada"), expires_days=7, max_uses=5).code)
    raw.ask("GET", f"/invite/{secrets['an invite']}")
    raw.ask("POST", "/login", [FORM, ("Cookie", cookies)],
            urlencode({"csrf_token": token, "login": "alice", "password": PASSWORD}).encode())  # fmt: skip
    talkative.metrics()

    def made_up(name):
        secrets[name] = canary()
        return secrets[name]

    wrong = {"csrf_token": token, "login": "alice", "password": made_up("a wrong password")}
    raw.ask("POST", "/login", [FORM, ("Cookie", cookies)], urlencode(wrong).encode())
    for path in ("/invite/{}", "/reset/{}", "/move/{}", "/link/{}", "/confirm/{}", "/avatars/{}.webp", "/nowhere/{}"):
        raw.ask("GET", path.format(made_up(path)))
    for path in (
        "/login?next=/&token={}",
        "/?access_token={}",
        "/api/v1/events?token={}",
        "/rooms?q={}",
        "/x?code={}&state=1",
    ):
        raw.ask(
            "GET", path.format(made_up(path)), [("Referer", f"{talkative.url}/invite/{made_up(path + ' referrer')}")]
        )
    for path in ("/api/v1/events", "/api/v1/do/read", "/metrics", "/", "/nowhere"):
        for scheme in ("Bearer", "Basic", "Token"):
            headers = [("Authorization", f"{scheme} {made_up(path + scheme)}"), ("Accept", "application/json")]
            raw.ask("POST" if "/do/" in path else "GET", path, headers)
    raw.ask("GET", "/", [("Cookie", f"parley_session={made_up('a cookie of nobody')}; parley={made_up('another')}")])
    as_json = [("Content-Type", "application/json"), ("Cookie", cookies), ("X-CSRFToken", token)]
    raw.ask("POST", "/api/v1/do/message", as_json, json.dumps({"password": made_up("in JSON"), "room": 1}).encode())
    raw.ask("GET", "/\x01" + made_up("no HTTP"))
    raw.ask("GET", "/", [("Cookie", "\x00" + made_up("a cookie that is none"))])
    bob = talkative.connect("bob")
    secrets["the cookie of a websocket"] = bob.cookie.partition("=")[2]
    bob.emit("message", {"room": 1, "text": made_up("a private message"), "key": "k"})
    bob.emit("message", {"room": "x", "text": made_up("a message that is refused"), "key": "k"})
    bob.close()

    talkative.stop()
    log = talkative.log()
    assert [name for name, secret in secrets.items() if secret in log] == []
    assert len(log.splitlines()) > 30
    assert "/api/v1/do/read" in log
    assert "/invite/…" in log
    FIGURES.append(f"Log at debug: {len(log.splitlines())} lines, none of {len(secrets)} secrets in them")
