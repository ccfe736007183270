"""Mail from a real server process, with its event loop and its jobs."""

import shutil
import socket
import threading
import time

import pytest
import requests

from tests.conftest import FIGURES
from tests.mailbox import Mailbox, address_in
from tests.system.server import Server, wait_until

NEW = "walnut ferry copper dusk"


@pytest.fixture
def start(founded, tmp_path):
    """start(url of a mail server, …) → a server that sends its mail there."""
    shutil.copytree(founded, tmp_path / "data")
    servers = []

    def start(url, **environ):
        servers.append(Server(tmp_path / "data", SMTP_URL=url, MAIL_FROM="chat@tidewater.example", **environ).start())
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def post(server, path, **data):
    """Send the form of a page, as a browser does."""
    browser = requests.Session()
    page = browser.get(f"{server.url}{path}", timeout=10).text
    token = page.partition('name="csrf-token" content="')[2].partition('"')[0]
    return browser.post(f"{server.url}{path}", data={"csrf_token": token, **data}, allow_redirects=False, timeout=20)


@pytest.mark.parametrize("mode", ["eventlet", "gevent"])
def test_a_forgotten_password_is_replaced_by_mail(start, mode):
    mailbox = Mailbox()
    try:
        server = start(mailbox.url, ASYNC_MODE=mode)
        assert post(server, "/forgot", email="alice@example.org").headers["Location"] == "/forgot?sent=1"
        wait_until(lambda: mailbox.letters, what=server.log)

        path = address_in(mailbox.letters[0]).partition("localhost:")[2].partition("/")[2]
        assert post(server, f"/{path}", new=NEW).headers["Location"] == "/login"
        assert post(server, "/login", login="alice", password=NEW).headers["Location"] == "/"
        wait_until(lambda: len(mailbox.letters) == 2, what=server.log)
        assert mailbox.letters[1]["Subject"] == "Your password for Tidewater is new"
    finally:
        mailbox.close()


@pytest.mark.parametrize("mode", ["eventlet", "gevent"])
def test_a_mail_server_that_says_nothing_holds_nobody_up(start, mode):
    listener = socket.create_server(("127.0.0.1", 0))
    server = start(f"smtp://127.0.0.1:{listener.getsockname()[1]}", ASYNC_MODE=mode)
    post(server, "/forgot", email="alice@example.org")
    connection, _ = listener.accept()  # the job is at it, and waits for a greeting
    before, took = server.metrics()["parley_loop_lag_alarms_total"], []
    for _ in range(40):
        began = time.monotonic()
        assert requests.get(f"{server.url}/login", timeout=10).status_code == 200
        took.append(time.monotonic() - began)
        threading.Event().wait(0.02)

    connection.close()
    listener.close()
    late = server.metrics()["parley_loop_lag_alarms_total"] - before
    FIGURES.append(
        f"{mode}: while a mail server said nothing, 40 pages took at most {max(took) * 1000:.0f} ms, "
        f"and the loop was over 50 ms late {late:.0f} times"
    )
    assert max(took) < 2  # the mail server would have been waited for five times as long
