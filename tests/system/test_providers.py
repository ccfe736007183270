"""Signing in through a provider at a running server, under either async library: its sockets are in native threads."""

import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from chat.accounts.actions.invites import create_invite
from tests.accounts.oidc.provider import GRACE, SECRET, Provider, there_and_back, where_to
from tests.factories import person
from tests.system.ports import free_port
from tests.system.server import Server, wait_until


@pytest.fixture(scope="module", params=["eventlet", "gevent"])
def server_and_provider(founded, tmp_path_factory, request):
    folder, port = tmp_path_factory.mktemp(f"provider-{request.param}") / "data", free_port()
    shutil.copytree(founded, folder)
    oidc = {"OIDC_ISSUER": f"http://127.0.0.1:{port}", "OIDC_CLIENT_ID": "parley", "OIDC_CLIENT_SECRET": SECRET}
    server = Server(folder, ASYNC_MODE=request.param, **oidc)
    provider = Provider(f"{server.url}/login/with/oidc/callback", port=port)
    server.start()
    yield server, provider
    server.close()
    provider.close()


def leave(server, browser, **form):
    [token] = re.findall(r'name="csrf-token" content="([^"]+)"', browser.get(f"{server.url}/login").text)
    return browser.post(f"{server.url}/login/with/oidc", data={"csrf_token": token, **form}, timeout=60)


def test_a_slow_provider_holds_up_those_who_wait_for_it_and_nobody_else(server_and_provider):
    """First, while nothing is known about the provider yet: eight sign in, and it sends a byte every 20 ms. Were the
    event loop to wait with them, somebody's answer would come when theirs do."""
    server, provider = server_and_provider
    provider.be(answers={"/.well-known/openid-configuration": {"drip": 20}})
    began, slowest = time.monotonic(), 0.0
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(leave, server, requests.Session()) for _ in range(8)]
        while not all(one.done() for one in waiting):
            asked = time.monotonic()
            assert server.answers()
            slowest = max(slowest, time.monotonic() - asked)
        statuses = [one.result().status_code for one in waiting]
    waited = time.monotonic() - began

    assert statuses == [503] * 8
    assert slowest < waited / 4
    assert provider.asked().count("/.well-known/openid-configuration") == 1


def test_somebody_comes_by_an_invite_and_returns(server_and_provider):
    server, provider = server_and_provider
    provider.be()
    with server.app.app_context():
        invite = create_invite(person("alice")).code
    browser = requests.Session()

    def answers():
        went = leave(server, browser, invite=invite, next="/people")
        return went if went.status_code == 200 else None

    went = wait_until(answers, what="the provider to be asked again, after it failed")
    landed = browser.get(there_and_back(where_to(went), server.url), timeout=20)
    assert landed.url == f"{server.url}/people"
    assert GRACE["name"] in landed.text

    again = requests.Session()
    landed = again.get(there_and_back(where_to(leave(server, again)), server.url), timeout=20)
    assert landed.status_code == 200
    assert "/login" not in landed.url
