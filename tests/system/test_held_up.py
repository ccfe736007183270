"""A second factor that is asked of people while they are connected, on running servers: whoever has none is cut off by
every process, and comes in again once it is set up."""

import urllib.error
import uuid
from http.client import HTTPConnection

import pyotp
import pytest

from chat.accounts import totp
from chat.accounts.actions import make_token, remove_totp, set_up_totp
from chat.accounts.queries import totp_of
from chat.admin.actions import change_settings
from chat.messages.actions import post_message
from tests.factories import person
from tests.system.conftest import find_room
from tests.system.server import wait_until
from tests.system.test_tokens import LONGEST_SECONDS, Socket, Stream


def set_up(name):
    def make():
        secret = totp.new_secret()
        set_up_totp(person(name), secret, pyotp.TOTP(secret).now())

    return make


def token_of(server, name):
    return server.act(lambda: make_token(person(name), "x", scopes=["read"], days=1)[0])


def asked_of(server, who):
    server.act(lambda: change_settings(person("ada"), second_factor=who))


@pytest.fixture
def asked(server):
    """asked() → from now on everyone needs a second factor. Ada and alice have one."""
    for name in ("ada", "alice"):
        server.act(set_up(name))
    yield lambda where: asked_of(where, "everyone")
    asked_of(server, "nobody")
    for name in ("ada", "alice", "bob"):
        server.act(lambda name=name: totp_of(person(name)) and remove_totp(person(name)))


@pytest.mark.parametrize("way", [Socket, Stream])
def test_on_every_process_those_who_have_none_are_cut_off_and_all_others_stay(server, other_server, room, asked, way):
    processes = (server, other_server)
    theirs = [way(process, token_of(server, "bob")) for process in processes]
    others = [way(process, token_of(server, "alice")) for process in processes]
    for client in (*theirs, *others):
        wait_until(lambda client=client: client.heard("hello"))

    asked(other_server)
    word = f"newer {uuid.uuid4()}"
    server.act(post_message, lambda: person("alice"), lambda: find_room(server, room), word, key=str(uuid.uuid4()))

    for client in theirs:
        wait_until(lambda client=client: client.ended_at, seconds=LONGEST_SECONDS)
        assert client.heard("rights")
        assert not client.heard(word)
    for client in others:
        wait_until(lambda client=client: client.heard(word))
        assert client.ended_at is None
        client.close()


def test_whoever_comes_back_is_refused_by_every_process_until_it_is_set_up(server, other_server, asked):
    value = token_of(server, "bob")
    asked(server)

    for process in (server, other_server):
        client = Socket(process, value)
        wait_until(lambda client=client: client.heard("44/chat,"))
        assert client.heard("unauthorized")
        client.close()
        with pytest.raises(urllib.error.HTTPError) as refused:
            Stream(process, value)
        assert refused.value.code == 403
        line = HTTPConnection("localhost", process.port, timeout=10)
        line.request("GET", "/people", headers={"Cookie": process.cookie("bob")})
        assert line.getresponse().headers["Location"] == "/login/needed?next=%2Fpeople"
        line.close()

    server.act(set_up("bob"))
    value = token_of(server, "bob")
    for process in (server, other_server):
        client = Socket(process, value)
        wait_until(lambda client=client: client.heard("hello"))
        client.close()
