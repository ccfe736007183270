import logging
import sys

import pytest

from chat.core.scrub import in_one_line, scrub
from chat.server.access_log import Scrubbed

CANARY = "Kj83nf0aLq29xVbT74"


@pytest.mark.parametrize(
    "line",
    [
        f"Cookie: parley_session={CANARY}; theme=dark",
        f"{{'Cookie': '__Host-parley_session={CANARY}; a={CANARY}'}}",
        f"'HTTP_COOKIE': 'parley={CANARY}'",
        f"Set-Cookie: parley_session={CANARY}; Path=/; HttpOnly",
        f"parley_session={CANARY}",
        f"Authorization: Bearer {CANARY}",
        f"authorization={CANARY}",
        f"{{'Authorization': 'Basic {CANARY}'}}",
        f'{{"authorization": "Bearer {CANARY}"}}',
        f"sent Bearer {CANARY} to us",
        f"password={CANARY}",
        f"password={CANARY}&login=ada",
        f"ImmutableMultiDict([('password', '{CANARY}')])".replace("', '", "': '"),
        f"{{'password': '{CANARY} with spaces {CANARY}'}}",
        f'{{"new_password": "{CANARY}"}}',
        f"access_token={CANARY} refresh_token={CANARY}",
        f"csrf_token={CANARY}",
        f"X-CSRFToken: {CANARY}",
        f"client_secret: {CANARY}",
        f"GET /callback?code={CANARY}&state=x",
        f"code%3D{CANARY}",
        f"eyJhbGciOiJIUzI1NiJ9.{CANARY}.{CANARY}",
        f"redis://:{CANARY}@localhost:6379/0",
        f"postgresql+psycopg://parley:{CANARY}@db/parley refused",
        f"GET /invite/{CANARY}",
        f"GET /invite/{CANARY}?x=1 HTTP/1.1",
        f"GET /reset/{CANARY}abc",
        f"/move/{CANARY}-{CANARY}/confirm",
        f"/avatars/{CANARY}{CANARY}.webp",
        f"api_key={CANARY}",
        f"METRICS_TOKEN={CANARY}",
        f"code_verifier={CANARY}",
    ],
)
def test_secrets_are_cut_out(line):
    assert CANARY not in scrub(line)
    assert "…" in scrub(line)


@pytest.mark.parametrize(
    "line",
    [
        "GET /rooms/7/messages 200 12ms",
        "The message queue is heard.",
        "alice@example.org could not be reached: connection refused",
        "/usr/lib/python3/site-packages/flask_sqlalchemy/session.py, line 12",
        "Unexpected fault 3fa9c2e1 in POST /rooms/<int:room_id>/messages",
        "Listening at http://127.0.0.1:5000 (4711)",
    ],
)
def test_the_rest_stays_as_it_is(line):
    assert scrub(line) == line


def test_our_own_secrets_are_cut_out_wherever_they_stand(settings, monkeypatch):
    from chat.core import scrub as module

    monkeypatch.setattr(module, "_ours", set())
    module.hide_settings(settings)

    assert scrub(f"The key was >{settings.secret_key}<") == "The key was >…<"


def test_a_message_cannot_begin_a_line_of_its_own():
    assert in_one_line("x\r\n2026-01-01 ada signed in\u2028\x1b[31m\x00") == (
        "x\\r\\n2026-01-01 ada signed in\\u2028\\x1b[31m\\x00"
    )


def made(message, *args, error=None):
    record = logging.LogRecord("chat", logging.ERROR, "file.py", 1, message, args, error)
    return Scrubbed("%(asctime)s %(levelname)s %(message)s").format(record)


def test_a_line_of_the_log_says_when_in_utc_and_holds_no_secret():
    line = made("%s came with password=%s and\nmore", "ada", CANARY)

    assert line[10] == "T"
    assert line[23:25] == "Z "
    assert line.endswith("ERROR ada came with password=… and\\nmore")


def test_neither_does_a_traceback():
    try:
        raise ValueError(f"password={CANARY}")
    except ValueError:
        line = made("It broke", error=sys.exc_info())

    assert CANARY not in line
    assert "Traceback" in line
    assert len(line.splitlines()) > 3
