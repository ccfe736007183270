"""A stock Parley calls nobody: through a whole story its processes connect to, ask for and send to nothing but this
machine. The interpreter itself tells, by its audit events, which no library can go around."""

import http.cookiejar
import os
import re
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request

import pytest

from chat.accounts.actions import create_invite
from chat.admin.actions import change_settings
from chat.core.db import db
from chat.core.jobs import Job, daily
from chat.core.transaction import transaction
from tests.factories import PASSWORD, person
from tests.factories import room as room_named
from tests.system.server import Server, wait_until

WATCH = """
import os, sys

def watch(event, args, path=os.environ["WATCHED"]):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = args[1]
        host = address[0] if isinstance(address, tuple) else "local"  # a socket in the file system has a path
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = args[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in (None, "", "local", "localhost", "::1") and not host.startswith("127."):
        with open(path, "a") as file:
            file.write(f"{event} {host}\\n")

open(os.environ["WATCHED"], "a").close()
sys.addaudithook(watch)
"""


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """Whatever Python starts from here on notes where it wants to go: watched() gives the lines."""
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook/sitecustomize.py").write_text(WATCH)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "hook"))
    monkeypatch.setenv("WATCHED", str(tmp_path / "watched.txt"))
    return lambda: (tmp_path / "watched.txt").read_text().splitlines()


@pytest.mark.parametrize(
    "attempt",
    ["socket.create_connection(('192.0.2.1', 80), 0.01)", "socket.getaddrinfo('updates.example.org', 443)",
     "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))"],
)  # fmt: skip
def test_the_watch_notices_who_goes_out(watched, attempt):
    code = f"import socket\ntry: {attempt}\nexcept OSError: pass"
    subprocess.run([sys.executable, "-c", code], env=os.environ, check=True)

    assert any(re.search("192.0.2.1|updates.example.org", line) for line in watched())


class Browser:
    """One person's browser without script: cookies, pages, forms."""

    def __init__(self, url):
        self.url, jar = url, http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

    def get(self, path):
        return self.opener.open(self.url + path, timeout=20).read().decode()

    def post(self, path, at=None, **fields):
        token = re.search(r'name="csrf-token" content="([^"]+)"', self.get(at or path))[1]
        data = urllib.parse.urlencode({"csrf_token": token, **fields}).encode()
        return self.opener.open(self.url + path, data, timeout=20).read().decode()


@pytest.mark.parametrize("mode", ["eventlet", "gevent"])
def test_a_stock_installation_makes_no_outbound_connection(founded, tmp_path, watched, mode):
    shutil.copytree(founded, tmp_path / "data")
    server = Server(tmp_path / "data", ASYNC_MODE=mode)
    try:
        server.start()
        general = server.act(lambda: room_named("general").path)
        code = server.act(lambda: create_invite(person("ada")).code)

        dana = Browser(server.url)
        account = {"name": "Dana", "email": "dana@example.org", "password": "seven odd tide gauges"}
        assert "Dana" in dana.post(f"/invite/{code}", **account)
        said = f"See https://example.org and https://{'x' * 20}.example.com/picture.png @ada :wave:"
        assert "example.org" in dana.post(f"{general}/messages", at=general, text=said, key="k1")

        ada = Browser(server.url)
        ada.post("/login", login="ada", password=PASSWORD)
        for page in ("", "people", "rooms", "invites", "sign-in", "retention", "jobs", "settings", "audit?verify=1"):
            assert "Administration" in ada.get(f"/admin/{page}".rstrip("/"))

        window, room_id = server.connect("bob"), server.act(lambda: room_named("general").id)
        assert window.emit("message", {"room": room_id, "text": "https://example.net/", "key": "k2"})["ok"]
        window.wait_for("message")
        window.close()
        server.act(lambda: change_settings(person("ada"), retention_days=1))
        with server.app.app_context(), transaction():
            daily("retention")
        wait_until(lambda: server.act(no_job_waits), what="the jobs to be done")

        assert watched() == []
    finally:
        server.close()


def no_job_waits():
    db.session.rollback()
    return db.session.query(Job).filter(Job.finished_at.is_(None)).count() == 0
