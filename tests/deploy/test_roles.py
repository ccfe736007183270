"""One codebase as three services: PARLEY_ROLE gives each process a part, and nginx sends everybody to the right one."""

import re
import shutil
import uuid

import pytest
import requests

from chat.server.roles import OnlyRoles, role_for
from tests.conftest import settings_for
from tests.deploy.proxies import Nginx, make_certificate
from tests.system.conftest import new_room
from tests.system.queues import Redis
from tests.system.server import Server, free_port, wait_until


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("/", "web"),
        ("/rooms/1", "web"),
        ("/static/app.js", "web"),
        ("/api/v1/rooms", "web"),
        ("/socket.io/", "realtime"),
        ("/api/v1/events", "realtime"),
        ("/healthz", None),
        ("/readyz", None),
        ("/metrics", None),
    ],
)
def test_every_address_belongs_to_a_role_or_to_all(path, role):
    assert role_for(path) == role
    inner, answers = lambda environ, start: ["inside"], []
    for roles in (("web",), ("realtime",), ("jobs",), ("web", "realtime")):
        answer = OnlyRoles(inner, roles)({"PATH_INFO": path}, lambda status, headers: answers.append(status))
        assert (answer == ["inside"]) == (role is None or role in roles), roles
    assert set(answers) <= {"404 Not Found"}


def test_a_process_does_everything_unless_it_is_told_otherwise(tmp_path):
    assert settings_for(tmp_path).roles == ("web", "realtime", "jobs")
    assert settings_for(tmp_path, PARLEY_ROLE="jobs, web").roles == ("web", "jobs")


@pytest.fixture(scope="module")
def redis():
    redis = Redis()
    yield redis
    redis.stop()


@pytest.fixture(scope="module")
def services(founded, tmp_path_factory, redis):
    """{role: process} and nginx in front of the first two."""
    folder = tmp_path_factory.mktemp("services") / "data"
    shutil.copytree(founded, folder)
    make_certificate(folder.parent)
    port = free_port()
    common = {
        "BASE_URL": f"https://localhost:{port}",
        "TRUSTED_PROXIES": "1",
        "MESSAGE_QUEUE_URL": redis.url,
    }
    services = {role: Server(folder, PARLEY_ROLE=role, **common) for role in ("web", "realtime", "jobs")}
    for server in services.values():
        server.begin()
    for server in services.values():
        server.wait()
    proxy = Nginx(folder.parent / "nginx", port, [services["web"].port], [services["realtime"].port])
    proxy.start()
    yield services, proxy
    proxy.stop()
    for server in services.values():
        server.close()


@pytest.mark.services
def test_each_process_answers_what_is_its_own(services):
    services, _ = services
    for role, server in services.items():
        wait_until(lambda server=server: server.ready() == {"ok": True}, what=f"{role} to be ready")
        assert (requests.get(f"{server.url}/login", timeout=10).status_code == 200) == (role == "web")
        handshake = requests.get(f"{server.url}/socket.io/?EIO=4&transport=websocket", timeout=10)
        assert (handshake.status_code == 404) == (role != "realtime"), handshake.text
    refusal = requests.get(f"{services['jobs'].url}/login", timeout=10).json()
    assert refusal["message"] == "This process does not serve web: its PARLEY_ROLE is jobs."


@pytest.mark.services
def test_two_people_chat_through_the_three(services, monkeypatch):
    services, proxy = services
    room = new_room(services["web"])
    alice = proxy.connect(services["web"], "alice", monkeypatch)
    bob = proxy.connect(services["web"], "bob", monkeypatch)
    browser = signed_in(proxy, services["web"], "alice")

    page = browser.get(f"{proxy.url}/rooms/{room}")
    form = {"csrf_token": token_in(page), "text": "from the form", "key": str(uuid.uuid4())}
    sent = browser.post(f"{proxy.url}/rooms/{room}/messages", data=form, headers={"Referer": page.url})
    assert sent.status_code == 200 and "from the form" in sent.text
    bob.wait_for("message", lambda p: p["message"]["text"] == "from the form")
    answer = bob.emit("message", {"room": room, "text": "from the socket", "key": str(uuid.uuid4())})
    assert answer["ok"]
    alice.wait_for("message", lambda p: p["message"]["text"] == "from the socket")
    assert "from the socket" in browser.get(f"{proxy.url}/rooms/{room}").text

    assert services["realtime"].metrics()["parley_connections"] == 2
    assert services["web"].metrics()["parley_streams"] == services["jobs"].metrics()["parley_streams"] == 0
    alice.close(), bob.close()


@pytest.mark.services
def test_events_stream_from_the_sockets_process_and_requests_go_to_the_pages(services, monkeypatch):
    services, proxy = services
    room = new_room(services["web"])
    browser = signed_in(proxy, services["web"], "alice")
    token = re.search(r'name="csrf-token" content="([^"]+)"', browser.get(f"{proxy.url}/rooms/{room}").text)[1]
    with browser.get(f"{proxy.url}/api/v1/events?rooms={room}", stream=True, timeout=10) as answer:
        lines = answer.iter_lines(chunk_size=1)
        assert "event: hello" in iter(lambda: next(lines).decode(), None)

        sent = browser.post(
            f"{proxy.url}/api/v1/do/message",
            json={"room": room, "text": "over plain HTTP", "key": str(uuid.uuid4())},
            headers={"X-CSRFToken": token, "Referer": f"{proxy.url}/"},
            timeout=10,
        )
        assert sent.status_code == 200, sent.text
        assert next(line for line in lines if b"over plain HTTP" in line)


@pytest.mark.services
def test_pages_know_who_is_here_although_sockets_are_elsewhere(services, monkeypatch):
    services, proxy = services
    browser = signed_in(proxy, services["web"], "alice")
    here = lambda: services["web"].metrics()["parley_people_here"]  # noqa: E731
    wait_until(lambda: here() == 0, what="everybody before to have gone")

    bob = proxy.connect(services["web"], "bob", monkeypatch)
    wait_until(lambda: here() == 1, what="the pages to know that bob is here")
    assert "Here now" in browser.get(f"{proxy.url}/people/bob").text
    bob.close()
    wait_until(lambda: here() == 0, what="the pages to know that bob has gone")


def signed_in(proxy, server, username):
    browser = proxy.browser()
    name, _, value = server.cookie(username).partition("=")
    browser.cookies.set(name, value, domain="localhost.local", secure=True)
    return browser


def token_in(page):
    return re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]
