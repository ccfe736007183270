"""docs/protocol.md is held against wire.py, and its two programs are run."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from chat.core import errors
from chat.core.db import db
from chat.messages.models import Message
from chat.realtime import wire
from tests.factories import PASSWORD
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
    assert any(all(f"`{field}`" in row for field in wire.SERVER[namespace][event]) for row in rows(event))


def test_every_code_is_there():
    codes = {found.code for found in vars(errors).values() if hasattr(found, "code")} | {"unknown_event"}

    assert all(rows(code) for code in codes)


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


def program(language, folder):
    path = folder / f"client.{'py' if language == 'python' else 'mjs'}"
    path.write_text(re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[-1])
    return path


def stored(server, text):
    with server.app.app_context():
        return db.session.scalars(select(Message.text).where(Message.text == text)).all()


def run(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_program_in_python_says_hello_and_hears_itself(server, tmp_path):
    said = run([sys.executable, program("python", tmp_path), server.url, "bob", PASSWORD, "1"], tmp_path)

    assert said == "Bob posted: Hello from Python\n"
    assert len(stored(server, "Hello from Python")) == 1


def test_the_program_in_javascript_says_hello_and_hears_itself(server, tmp_path):
    if not shutil.which("node") or not (ROOT / "node_modules/socket.io-client").exists():
        pytest.skip("needs Node and node_modules")
    os.symlink(ROOT / "node_modules", tmp_path / "node_modules")
    said = run(["node", program("js", tmp_path), server.url, server.cookie("alice"), "2"], tmp_path)

    assert said == "Alice posted: Hello from JavaScript\n"
    wait_until(lambda: stored(server, "Hello from JavaScript"))
