"""Tokens on running servers: what they open ends within two seconds of being revoked, by whichever process."""

import json
import socket
import threading
import time
import urllib.request
import uuid
from contextlib import suppress
from http.client import HTTPException

import pytest
import websocket

from chat.accounts.actions import make_token, pair_for_session, revoke_token, revoke_value
from chat.accounts.actions.sessions import begin_session
from chat.accounts.queries import own_session
from chat.accounts.signed_in import session_for
from chat.messages.actions import post_message
from tests.factories import person
from tests.system.conftest import find_room
from tests.system.server import wait_until

ROUNDS = 20
LONGEST_SECONDS = 2


class Socket:
    """A program's websocket: no cookie, no Origin, a token at the start."""

    def __init__(self, server, token):
        url = f"ws://localhost:{server.port}/socket.io/?EIO=4&transport=websocket"
        self.socket = websocket.create_connection(url, timeout=10, suppress_origin=True)
        self.socket.recv()
        self.socket.send(f"40/chat,{json.dumps({'token': token})}")
        self.seen, self.ended_at = [], None
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        try:
            while packet := self.socket.recv():
                if packet == "2":
                    self.socket.send("3")
                self.seen.append(packet)
        except (OSError, websocket.WebSocketException):
            pass
        self.ended_at = time.monotonic()

    def heard(self, word):
        return any(word in packet for packet in list(self.seen))

    def close(self):
        self.socket.close()


class Stream:
    """A program's event stream."""

    def __init__(self, server, token):
        headers = {"Authorization": f"Bearer {token}"}
        self.answer = urllib.request.urlopen(
            urllib.request.Request(f"{server.url}/api/v1/events", headers=headers), timeout=20
        )
        self.seen, self.ended_at = [], None
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        try:
            for line in self.answer:
                self.seen.append(line.decode())
        except (OSError, HTTPException):
            pass
        self.ended_at = time.monotonic()

    heard = Socket.heard

    def close(self):
        with suppress(AttributeError, OSError):  # ended by the server, which may have been seen or not
            self.answer.fp.raw._sock.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.answer.close()


def new_token(server, kind):
    def make():
        bob = person("bob")
        if kind == "token":
            return make_token(bob, "x", scopes=["read"], days=1)
        pair = pair_for_session(bob, session_for(begin_session(bob)))
        return pair.access_token, pair.session

    value, session = server.act(make)
    return value, session.id


def revoke(server, session_id):
    server.act(lambda: revoke_token(person("bob"), own_session(person("bob"), session_id)))


def revoke_over_http(server, value):
    request = urllib.request.Request(
        f"{server.url}/api/v1/token/revoke",
        data=json.dumps({"token": value}).encode(),
        headers={"Content-Type": "application/json"},
    )
    assert json.loads(urllib.request.urlopen(request, timeout=10).read()) == {"ok": True}


@pytest.mark.parametrize("way", [Socket, Stream])
@pytest.mark.parametrize("where", ["the same process", "another process"])
def test_a_revoked_token_ends_what_it_opened_and_nothing_newer_arrives(server, other_server, room, way, where):
    slowest = 0
    for n in range(ROUNDS):
        value, session_id = new_token(server, "token" if n % 2 else "program")
        client = way(server, value)
        wait_until(lambda client=client: client.heard("hello"))

        if where == "the same process":
            revoke_over_http(server, value)
        else:
            revoke(other_server, session_id)
        began, word = time.monotonic(), f"newer {uuid.uuid4()}"
        server.act(post_message, lambda: person("alice"), lambda: find_room(server, room), word, key=str(uuid.uuid4()))

        wait_until(lambda client=client: client.ended_at, seconds=10)
        slowest = max(slowest, client.ended_at - began)
        assert client.heard("revoked")
        assert not client.heard(word)
        client.close()
    print(f"{way.__name__} in {where}: {ROUNDS} times, at the latest after {slowest:.2f} s")
    assert slowest < LONGEST_SECONDS


def test_a_token_needs_no_origin_and_an_origin_that_is_not_ours_is_refused_with_one_too(server):
    value, _ = new_token(server, "token")
    client = Socket(server, value)
    wait_until(lambda: client.heard("hello"))
    client.close()

    with pytest.raises(websocket.WebSocketBadStatusException):
        websocket.create_connection(
            f"ws://localhost:{server.port}/socket.io/?EIO=4&transport=websocket",
            timeout=10,
            origin="https://evil.example",
        )


def test_a_revoked_access_token_is_known_to_no_process(server, other_server):
    value, _ = new_token(server, "program")
    server.act(revoke_value, value)

    for process in (server, other_server):
        client = Socket(process, value)
        wait_until(lambda client=client: client.heard("44/chat,"))
        assert client.heard("unauthorized")
        client.close()
