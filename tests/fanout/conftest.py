"""The fast path by itself: real sockets, a loop that takes steps, and a namespace that notes what it gets."""

import select
import socket
import time

import pytest
import socketio

from chat.fanout import Fanout, engine
from chat.fanout.rooms import Manager
from chat.realtime import json
from tests.fanout.loop import StepLoop
from tests.system.attack import KEY, Peer

MOST_BYTES = 256 * 1024


def tcp_pair():
    """Two connected sockets on the loopback: (the server's, the client's)."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server, _ = listener.accept()
    return server, client


class Notes(socketio.Namespace):
    """Notes every event. `handlers` {event: function(sid, *arguments)} decide the answers."""

    def __init__(self, name):
        super().__init__(name)
        self.seen, self.handlers = [], {}

    def trigger_event(self, event, sid, *arguments):
        self.seen.append((event, *arguments) if event not in ("connect", "disconnect") else (event,))
        return self.handlers[event](sid, *arguments) if event in self.handlers else None


class Handover:
    def __init__(self, sock, early):
        self.sock, self.early, self.released = sock, early, 0

    def take(self):
        self.sock.setblocking(False)
        return self.sock, self.early

    def release(self):
        self.released += 1


class World:
    """A server on the fast path, and clients for it."""

    def __init__(self):
        self.server = engine.Server(
            client_manager=Manager(),
            async_mode="threading",
            async_handlers=False,
            ping_interval=20,
            ping_timeout=15,
            max_http_buffer_size=MOST_BYTES,
            json=json,
            namespaces=["/chat", "/presence"],
        )
        self.engine, self.loop = self.server.eio, self.server.eio.loop
        self.engine.wheel.started = True  # tests call tick() themselves
        self.chat, self.presence = Notes("/chat"), Notes("/presence")
        self.server.register_namespace(self.chat)
        self.server.register_namespace(self.presence)
        self.fanout = Fanout(self.server, "/chat")
        self.peers = []

    def shake(self, early=b"", **environ):
        """(the answer's status or None, the handover, the client) of a request to upgrade."""
        ours, theirs = tcp_pair()
        handover, said = Handover(ours, early), []
        asked = {
            "REQUEST_METHOD": "GET",
            "QUERY_STRING": "EIO=4&transport=websocket",
            "HTTP_UPGRADE": "websocket",
            "HTTP_SEC_WEBSOCKET_KEY": KEY,
            "HTTP_SEC_WEBSOCKET_VERSION": "13",
            "REMOTE_ADDR": "127.0.0.1",
            "server.handover": handover,
            **environ,
        }
        self.body = b"".join(self.engine.handle_request(asked, lambda *start: said.append(start)))
        peer = Peer(theirs)
        peer.handover = handover
        self.peers.append(peer)
        status, self.headers = said[0] if said else (None, [])
        return status, handover, peer

    def stranger(self, early=b""):
        """A connected client and its transport."""
        before = set(self.engine.sockets)
        _, _, peer = self.shake(early)
        (new,) = set(self.engine.sockets) - before
        peer.transport = self.engine.sockets[new]
        peer.head()
        assert peer.frame(1)[1][:1] == b"0"
        return peer

    def member(self, *rooms):
        """A client in /chat and in these rooms."""
        peer = self.stranger()
        peer.send("40/chat,")
        self.loop.run()
        peer.until(lambda text: text.startswith("40/chat,"), 1)
        peer.sid = peer.transport.sids["/chat"]
        for room in rooms:
            self.fanout.enter(peer.sid, room)
        return peer

    def publish(self, room, n):
        self.fanout.publish(room, "n", n)


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setattr(engine, "loop_of", lambda mode: StepLoop())
    made = World()
    yield made
    for peer in made.peers:
        peer.sock.close()
    for transport in list(made.engine.sockets.values()):
        transport.lost()


def read_until(world, peer, enough):
    """All that arrives at this client until `enough(what has arrived)`. The kernel may take its time with a full
    window, so this waits for it."""
    got, until = [], time.monotonic() + 10
    while not enough(got):
        assert time.monotonic() < until, f"only {got[-3:]} arrived"
        select.select([peer.sock], [], [], 0.05)
        got += texts(peer)
        world.loop.run()
    return got


def texts(peer):
    """What has arrived at this client, as text; it must have arrived already."""
    got = []
    peer.sock.setblocking(False)
    try:
        while True:
            opcode, body = peer.frame(0)
            got.append(body.decode() if opcode == 1 else (opcode, body))
    except (BlockingIOError, EOFError):
        return got
