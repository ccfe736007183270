"""The files in deploy/ in front of two processes of one Parley: what people, and others, do through each proxy."""

import re
import shutil
import socket
import ssl
import threading
import uuid
from contextlib import suppress

import pytest
import requests
from sqlalchemy import select

from chat.accounts.models import Session
from chat.core.db import db
from tests.deploy.proxies import Caddy, HAProxy, Nginx, make_certificate
from tests.factories import PASSWORD, person
from tests.system.conftest import new_room
from tests.system.server import Server, free_port, wait_until

pytestmark = pytest.mark.services

KINDS = {kind.program: kind for kind in (Nginx, HAProxy, Caddy)}
CLAIMS = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Prefix": "/evil",
    "X-Real-IP": "203.0.113.9",
    "Forwarded": "for=203.0.113.9;host=evil.example;proto=http",
}


@pytest.fixture(scope="module")
def pair(founded, tmp_path_factory):
    """Two processes of one Parley behind one proxy, whichever of the three it is."""
    folder = tmp_path_factory.mktemp("pair") / "data"
    shutil.copytree(founded, folder)
    make_certificate(folder.parent)
    ports = {name: free_port() for name in KINDS}
    origins = [f"https://localhost:{port}" for port in ports.values()]
    settings = {"BASE_URL": origins[0], "ALLOWED_ORIGINS": ",".join(origins), "TRUSTED_PROXIES": "1"}
    servers = [Server(folder, **settings).begin() for _ in range(2)]
    for server in servers:
        server.wait()
    servers[0].proxy_ports = ports
    yield servers
    for server in servers:
        server.close()


@pytest.fixture(scope="module", params=KINDS)
def proxy(request, pair):
    kind, folder = KINDS[request.param], pair[0].folder.parent
    proxy = kind(folder / request.param, pair[0].proxy_ports[request.param], [server.port for server in pair]).start()
    yield proxy
    proxy.stop()


@pytest.fixture
def connect(proxy, pair, monkeypatch):
    """connect(username) → a client of this person through the proxy."""
    clients = []

    def connect(username):
        clients.append(proxy.connect(pair[0], username, monkeypatch))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def connections(pair):
    return [server.metrics()["parley_connections"] for server in pair]


def connect_one_to_each(pair, connect):
    """alice and bob, connected to one process each: the proxy gives the next one to the process that has fewer."""
    wait_until(lambda: connections(pair) == [0, 0], what="everybody before to have gone")
    alice, bob = connect("alice"), connect("bob")
    wait_until(lambda: connections(pair) == [1, 1], what=lambda: f"one connection at each, not {connections(pair)}")
    return alice, bob


def sign_in(proxy, browser, username="alice", headers=None):
    page = browser.get(f"{proxy.url}/login", headers=headers)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]
    form = {"csrf_token": token, "login": username, "password": PASSWORD, "next": "/people"}
    referrer = {"Referer": f"{proxy.url}/login", **(headers or {})}
    return browser.post(f"{proxy.url}/login", data=form, headers=referrer, allow_redirects=False)


def test_a_person_signs_in_over_tls(proxy):
    browser = proxy.browser()

    answer = sign_in(proxy, browser)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/people")
    assert "__Host-parley_session" in browser.cookies
    front = browser.get(f"{proxy.url}/people")
    assert front.status_code == 200 and "Alice" in front.text
    assert "does not update by itself" not in front.text


def test_who_comes_without_tls_is_sent_to_it(proxy):
    answer = requests.get(f"{proxy.plain}/login", allow_redirects=False, timeout=10)

    assert answer.status_code in (301, 308)
    assert answer.headers["Location"].startswith("https://localhost")


@pytest.mark.parametrize("path", ["/api/v1/me", "/socket.io/?EIO=4&transport=websocket"])
def test_a_program_that_comes_without_tls_is_refused(proxy, path):
    answer = requests.get(f"{proxy.plain}{path}", allow_redirects=False, timeout=10)

    assert answer.status_code == 403
    assert "Location" not in answer.headers


@pytest.mark.parametrize(
    ("version", "ciphers"),
    [(ssl.TLSVersion.TLSv1_1, "ALL"), (ssl.TLSVersion.TLSv1_2, "ALL:!AESGCM:!CHACHA20"), (None, "AESGCM")],
    ids=["an old protocol", "old ciphers", "what browsers speak"],
)
def test_old_tls_is_not_spoken(proxy, version, ciphers):
    context = ssl.create_default_context(cafile=str(proxy.authority))
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    if version:
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, version
    else:
        context.maximum_version = ssl.TLSVersion.TLSv1_2

    with socket.create_connection(("localhost", proxy.port), 10) as plain:
        if version is None:
            assert context.wrap_socket(plain, server_hostname="localhost").version() == "TLSv1.2"
        else:
            with pytest.raises((ssl.SSLError, ConnectionResetError)):
                context.wrap_socket(plain, server_hostname="localhost")


def test_what_is_said_at_one_process_is_heard_at_the_other(proxy, pair, connect):
    room = new_room(pair[0])
    alice, bob = connect_one_to_each(pair, connect)

    for n in range(3):
        sender, reader = (alice, bob) if n % 2 else (bob, alice)
        answer = sender.emit("message", {"room": room, "text": f"over there {n}", "key": str(uuid.uuid4())})
        assert answer["ok"], answer
        reader.wait_for("message", lambda p, n=n: p["message"]["text"] == f"over there {n}")


def test_an_event_stream_is_handed_on_as_it_comes(proxy, pair, connect):
    room, alice = new_room(pair[0]), connect("alice")
    name, _, value = pair[0].cookie("bob").partition("=")
    headers = {"Cookie": f"{name}={value}", "Accept": "text/event-stream"}
    with proxy.get(f"/api/v1/events?rooms={room}", headers=headers, stream=True) as answer:
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
        lines = answer.iter_lines(chunk_size=1)
        assert "event: hello" in iter(lambda: next(lines).decode(), None)

        for n in range(3):
            sent = alice.emit("message", {"room": room, "text": f"line {n}", "key": str(uuid.uuid4())})
            assert sent["ok"], sent
            found = next(line for line in lines if b"data:" in line and f"line {n}".encode() in line)
            assert found, "each before the next one is sent: nothing waits for a buffer to fill"
    # HAProxy tells only when it is given something for the reader: a comment, every 15 seconds.
    gone = lambda: not any(streams(pair))  # noqa: E731
    wait_until(gone, seconds=45, what=lambda: f"Parley to hear that the reader has left: {streams(pair)}")


def streams(pair):
    return [server.metrics()["parley_event_streams"] for server in pair]


def test_websockets_come_in_version_13_without_compression(proxy, pair):
    taken = handshake(proxy, pair, "Sec-WebSocket-Version: 13", "Sec-WebSocket-Extensions: permessage-deflate")
    assert taken.startswith("HTTP/1.1 101")
    assert "sec-websocket-extensions" not in taken.lower()

    for old in ("Sec-WebSocket-Version: 8", "Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5"):
        assert handshake(proxy, pair, old).split()[1] == "400", old


def handshake(proxy, pair, *lines):
    """The head of the answer to an upgrade with these header lines."""
    head = [
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1", f"Host: localhost:{proxy.port}",
        "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Origin: {proxy.url}", f"Cookie: {pair[0].cookie('alice')}", *lines,
    ]  # fmt: skip
    with proxy.dial() as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        return read_head(connection)


def read_head(connection):
    answer = b""
    while b"\r\n\r\n" not in answer and (part := connection.recv(4096)):
        answer += part
    return answer.partition(b"\r\n\r\n")[0].decode()


def test_nothing_a_client_claims_about_itself_is_believed(proxy, pair):
    browser = proxy.browser()

    answer = sign_in(proxy, browser, "bob", headers=CLAIMS)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/people"), "neither path nor host is another"
    with pair[0].app.app_context():
        newest = select(Session).where(Session.user_id == person("bob").id).order_by(Session.id.desc())
        assert db.session.scalars(newest).first().address in ("127.0.0.1", "::1")
        db.session.rollback()
    page = browser.get(f"{proxy.url}/people", headers=CLAIMS)
    assert "evil" not in page.text


@pytest.mark.parametrize(
    ("path", "size", "refused"),
    [
        ("/rooms/1/messages", 400_000, False),
        ("/rooms/1/messages", 700_000, True),
        ("/settings/avatar", 4_000_000, False),
        ("/settings/avatar", 7_000_000, True),
    ],
)
def test_bodies_have_a_limit_that_pictures_and_long_messages_stay_below(proxy, path, size, refused):
    status = post(proxy, path, b"x" * size)

    assert status == (413 if refused else 400), "400: Parley itself, which misses the form's token"


def post(proxy, path, body):
    """The status of the answer to a form, which may come before all of it was sent."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost:{proxy.port}\r\nConnection: close\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with proxy.dial() as connection:
        with suppress(OSError):
            connection.sendall(head.encode() + body)
        return int(read_head(connection).split()[1])


def test_logs_hold_neither_queries_nor_codes_of_invites(proxy):
    seen = str(uuid.uuid4())

    proxy.get(f"/people?{seen}&q=private-words", headers={"Referer": f"{proxy.url}/people?q=private-words"})
    proxy.get("/invite/the-code-itself?q=private-words")
    proxy.get(f"/static/{seen}.js")

    wait_until(lambda: seen in proxy.log(), what="the log to be written")
    assert "/people" in proxy.log() and "/invite/" in proxy.log()
    assert "private-words" not in proxy.log()
    assert "the-code-itself" not in proxy.log()
    assert proxy.log().count(seen) == 1, "the path that was asked for last, and no query"


def test_one_process_stops_and_everything_goes_on(proxy, pair, connect):
    room = new_room(pair[0])
    alice, bob = connect_one_to_each(pair, connect)
    stopped, refused, asked = threading.Event(), [], []

    def go_on_asking():
        while not stopped.is_set():
            status = proxy.get("/login").status_code
            asked.append(status)
            if status != 200:
                refused.append(status)

    asking = threading.Thread(target=go_on_asking)
    asking.start()
    try:
        pair[0].stop()
        wait_until(lambda: alice.connected != bob.connected, what="one of both to be sent away")
        away, there = (bob, alice) if alice.connected else (alice, bob)
        assert away.wait_for("bye")["reason"] == "restart"
        enough = len(asked) + 20
        wait_until(lambda: len(asked) > enough, seconds=30)
        back = connect(away.username)  # python-socketio may still be busy with the end of the old one
        answer = back.emit("message", {"room": room, "text": "back again", "key": str(uuid.uuid4())})
        assert answer["ok"]
        there.wait_for("message", lambda p: p["message"]["text"] == "back again")
        assert sign_in(proxy, proxy.browser()).status_code == 303
    finally:
        stopped.set()
        asking.join(30)
        pair[0].start()
    assert not refused and len(asked) > 20
    wait_until(
        lambda: connect("carol") and connections(pair)[0], seconds=20, what="the one that is back to be given somebody"
    )


def test_floods_of_forms_end_at_the_proxy(proxy):
    """Not at Caddy, which has no limit of its own: there Parley's are the only ones."""
    answers = [post(proxy, "/login", b"x=1") for _ in range(90)]

    assert answers[:20] == [400] * 20
    assert (429 in answers) == (proxy.program != "caddy")
    assert proxy.get("/login").status_code == 200, "looking at the page is no form"
