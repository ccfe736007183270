"""docs/protocol.md is held against wire.py, and its programs are run; that in HTML by tests/browser."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from chat.core import errors
from chat.core.db import db
from chat.messages.actions import post_message
from chat.messages.models import Message
from chat.realtime import sse, wire
from chat.rooms.models import Room
from chat.rooms.queries import public_room_named
from tests.factories import PASSWORD, person
from tests.system.server import Server, wait_until

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/protocol.md").read_text()


def rows(name):
    """The rows of the tables that begin with this event."""
    return [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")]


@pytest.mark.parametrize(("namespace", "event"), [(n, e) for n, found in wire.CLIENT.items() for e in found])
def test_what_clients_send_is_there_with_its_fields(namespace, event):
    fields = wire.CLIENT[namespace][event].fields

    assert any(all(f"`{field}`" in row for field in fields) for row in rows(event))
    assert f'["{event}", {{' in PAGE, "an example"


@pytest.mark.parametrize(("namespace", "event"), [(n, e) for n, found in wire.SERVER.items() for e in found])
def test_what_the_server_sends_is_there_with_its_fields(namespace, event):
    assert any(all(f"`{field}`" in row for field in wire.SERVER[namespace][event].fields) for row in rows(event))


def test_every_code_is_there():
    codes = {found.code for found in vars(errors).values() if hasattr(found, "code")} | {"unknown_event"}

    assert all(rows(code) for code in codes)


def test_every_status_of_a_request_is_there_with_its_code():
    refusals = {(found.status, found.code) for found in vars(errors).values() if hasattr(found, "code")}

    for status, code in {*refusals, (404, "unknown_event")}:
        assert re.search(rf"^\| {status} \| .*`{code}`", PAGE, re.MULTILINE), (status, code)


def test_the_requests_that_are_shown_may_be_sent():
    shown = dict(re.findall(r"^POST /api/v1/do/(\w+)\n(\{.*\})$", PAGE, re.MULTILINE))

    assert wire.parse("/chat", "message", json.loads(shown.pop("message"))).text == "Is this thing on?"
    here = wire.parse("/presence", "here", json.loads(shown.pop("here")))
    assert f"`?presence={here.presence}`" in PAGE
    assert not shown


def test_the_bounds_of_event_streams_are_those_of_the_code():
    assert f"One person may have {sse.MOST_OF_A_PERSON} streams at a time" in PAGE
    assert f"one process {sse.MOST:,} (`busy`)" in PAGE
    assert f"up to {sse.MOST_ROOMS}, only" in PAGE
    assert f"A comment, `:`, comes every {sse.SILENCE} s." in PAGE
    assert f"Whoever leaves {sse.MOST_OWED >> 20} MiB unread, or anything for {sse.MOST_SECONDS} s" in PAGE
    assert f"at most\n{sse.MOST_ID >> 10} KiB" in PAGE
    assert f"retry: {sse.COME_BACK_MS}\n" in PAGE


def test_its_examples_are_what_clients_may_send():
    for line in re.findall(r'^\["(\w+)", (\{.*\})\]$', PAGE, re.MULTILINE):
        event, data = line[0], line[1]
        for namespace, known in wire.CLIENT.items():
            if event in known and "stream" not in json.loads(data):
                wire.parse(namespace, event, json.loads(data))


@pytest.fixture(scope="module", params=["eventlet", "gevent"])
def server(request, founded, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    shutil.copytree(founded, folder / "data")
    server = Server(folder / "data", ASYNC_MODE=request.param).start()
    yield server
    server.stop()


def program(heading, folder):
    """The first listing below a heading, as a file."""
    section = PAGE.partition(f"# {heading}\n")[2]
    language, text = re.search(r"^```(python|js|sh)\n(.*?)^```", section, re.MULTILINE | re.DOTALL).groups()
    path = folder / f"client.{ {'python': 'py', 'js': 'mjs', 'sh': 'sh'}[language] }"
    path.write_text(text)
    return path


def stored(server, text):
    with server.app.app_context():
        return db.session.scalars(select(Message.text).where(Message.text == text)).all()


def run(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_program_in_python_says_hello_and_hears_itself(server, tmp_path):
    said = run([sys.executable, program("A client in Python", tmp_path), server.url, "bob", PASSWORD, "1"], tmp_path)

    assert said == "Bob posted: Hello from Python\n"
    assert len(stored(server, "Hello from Python")) == 1


def test_the_program_in_javascript_says_hello_and_hears_itself(server, tmp_path):
    if not shutil.which("node") or not (ROOT / "node_modules/socket.io-client").exists():
        pytest.skip("needs Node and node_modules")
    os.symlink(ROOT / "node_modules", tmp_path / "node_modules")
    said = run(["node", program("A client in JavaScript", tmp_path), server.url, server.cookie("alice"), "2"], tmp_path)

    assert said == "Alice posted: Hello from JavaScript\n"
    wait_until(lambda: stored(server, "Hello from JavaScript"))


def test_the_program_with_nothing_but_http_says_hello_and_hears_itself(server, tmp_path):
    program_ = program("A client with nothing but HTTP", tmp_path)
    said = run([sys.executable, program_, server.url, "ada", PASSWORD, "2"], tmp_path)

    assert said == "Ada posted: Hello over HTTP\n"
    assert len(stored(server, "Hello over HTTP")) == 1


def test_the_script_follows_a_room_when_its_connection_is_cut(server, tmp_path):
    if not shutil.which("curl"):
        pytest.skip("needs curl")
    room = server.act(lambda: public_room_named("general").id)
    script = program("Following", tmp_path)
    output = tmp_path / "said"
    with open(output, "wb") as file:
        follower = subprocess.Popen(
            ["sh", script, server.url, server.cookie("bob"), str(room)],
            cwd=tmp_path,
            stdout=file,
            start_new_session=True,
        )
    try:
        wait_until(lambda: (tmp_path / "last-id").exists() and (tmp_path / "last-id").read_text())
        for n in range(3):
            text = f"over and over {n}"
            server.act(
                post_message,
                lambda: person("alice"),
                lambda: db.session.get(Room, room),
                text,
                key=f"{output}{n}"[-64:],
            )
            wait_until(lambda text=text: text in output.read_text())
            wait_until(lambda: subprocess.run(["pkill", "-P", str(follower.pid), "curl"], check=False).returncode == 0)
    finally:
        os.killpg(follower.pid, signal.SIGKILL)
        follower.wait(10)
    numbers = [json.loads(line)["seq"] for line in output.read_text().splitlines() if '"seq"' in line]
    assert len(numbers) >= 3
    assert numbers == sorted(set(numbers))
