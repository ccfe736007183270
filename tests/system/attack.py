"""A client that sends whatever bytes a test likes: raw requests and frames on a plain socket, without any library that
would refuse to send them."""

import json
import os
import shutil
import socket
import struct
import time
from contextlib import contextmanager, suppress

from tests.system.server import Server

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
PATH = "/socket.io/?EIO=4&transport=websocket"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
RESET = "reset"


def masked(payload, opcode=TEXT, *, fin=True, reserved=0, mask=b"\x01\x02\x03\x04", length=None):
    """One frame as a client sends it. `mask` None leaves it unmasked; `length` lies about its size."""
    payload = payload.encode() if isinstance(payload, str) else payload
    size = len(payload) if length is None else length
    bit = 0x80 if mask is not None else 0
    head = bytes(((0x80 if fin else 0) | reserved | opcode,))
    if size < 126:
        head += bytes((bit | size,))
    elif size < 65536:
        head += bytes((bit | 126,)) + size.to_bytes(2, "big")
    else:
        head += bytes((bit | 127,)) + size.to_bytes(8, "big")
    if mask is None:
        return head + payload
    key = (mask * (len(payload) // 4 + 1))[: len(payload)]
    body = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(len(payload), "big")
    return head + mask + body


def dial(server, *, receive_buffer=None, timeout=10):
    """A connected socket. `receive_buffer` is the kernel's, small for whoever does not mean to read."""
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(timeout)
    sock.connect(("127.0.0.1", server.port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def upgrade(server, cookie=None, *, origin=None, path=PATH, drop=(), **headers):
    """The bytes of a handshake. `origin` "" sends none; `drop` leaves headers out; `headers` add or replace some."""
    given = {
        "Host": f"localhost:{server.port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": KEY,
        "Origin": server.url if origin is None else origin,
        "Cookie": cookie or "",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = [f"{name}: {value}" for name, value in given.items() if value != "" and name not in drop]
    return ("\r\n".join((f"GET {path} HTTP/1.1", *lines)) + "\r\n\r\n").encode()


def exchange(server, data, *, timeout=10):
    """Send these bytes and return all that comes back until the server closes. Fails when it does not in time."""
    with dial(server, timeout=timeout) as sock:
        with suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(data)
        got, until = b"", time.monotonic() + timeout
        with suppress(ConnectionResetError):
            while piece := sock.recv(65536):
                got += piece
                assert time.monotonic() < until, "the server does not close the connection"
        return got


def status(answer):
    """The number of an HTTP answer; 0 when there was none."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0


class Peer:
    """The client's end of a websocket. Reads only when it is asked to, and never answers a ping by itself."""

    def __init__(self, sock):
        self.sock, self.buffer = sock, b""

    # ---- out ----

    def raw(self, data):
        """Send these bytes. True while the server takes them."""
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            return False
        return True

    def send(self, text, *args, **how):
        return self.raw(masked(text, *args, **how))

    def event(self, name, payload, number=None, namespace="/chat"):
        return self.send(f"42{namespace},{'' if number is None else number}{json.dumps([name, payload])}")

    # ---- in ----

    def head(self):
        """The answer to the request."""
        while b"\r\n\r\n" not in self.buffer:
            piece = self.sock.recv(65536)
            if not piece:
                break
            self.buffer += piece
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return head

    def _need(self, size):
        while len(self.buffer) < size:
            piece = self.sock.recv(65536)
            if not piece:
                raise EOFError
            self.buffer += piece

    def frame(self, seconds=10):
        """The next frame (opcode, payload). Raises EOFError when the server has closed, OSError when none comes."""
        self.sock.settimeout(seconds)
        self._need(2)
        assert not self.buffer[1] & 0x80, "a server masks nothing"
        assert not self.buffer[0] & 0x70, "no extension was agreed on"
        size, start = self.buffer[1] & 127, 2
        if size > 125:
            start = 4 if size == 126 else 10
            self._need(start)
            size = int.from_bytes(self.buffer[2:start], "big")
        self._need(start + size)
        opcode, body = self.buffer[0] & 15, self.buffer[start : start + size]
        self.buffer = self.buffer[start + size :]
        return opcode, body

    def until(self, matches, seconds=10):
        """The first text that matches; those before it are thrown away. Pings are answered meanwhile."""
        deadline = time.monotonic() + seconds
        while True:
            opcode, body = self.frame(max(0.01, deadline - time.monotonic()))
            text = body.decode() if opcode == TEXT else ""
            if text == "2":
                self.send("3")
            elif matches(text):
                return text

    def answer(self, number, namespace="/chat", seconds=10):
        """The acknowledgement of this number."""
        head = f"43{namespace},{number}["
        return json.loads(self.until(lambda text: text.startswith(head), seconds)[len(head) - 1 :])[0]

    def ending(self, seconds=10):
        """How the server ended the connection: a close code, 1006 for none, or RESET. Fails when it does not end it.

        What is still on its way to us is read and thrown away.
        """
        code, deadline = 1006, time.monotonic() + seconds
        try:
            while True:
                opcode, body = self.frame(max(0.01, deadline - time.monotonic()))
                if opcode == CLOSE:
                    code = int.from_bytes(body[:2], "big")
        except EOFError:
            return code
        except ConnectionResetError:
            return RESET if code == 1006 else code
        except TimeoutError:
            raise AssertionError(f"the connection is still there after {seconds} s") from None

    def close(self, *, reset=False):
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Attacker(Peer):
    """A websocket of one person, or of a stranger, to a running server. `status` says whether it was let in.

    chat   wait until /chat has said hello
    """

    def __init__(self, server, cookie=None, *, chat=False, receive_buffer=None, **options):
        super().__init__(dial(server, receive_buffer=receive_buffer))
        self.sock.sendall(upgrade(server, cookie, **options))
        self.said = self.head()
        self.status = status(self.said)
        if self.status != 101:
            return
        opcode, body = self.frame()
        assert opcode == TEXT and body[:1] == b"0"
        if chat:
            self.send("40/chat,")
            self.until(lambda text: text.startswith("40/chat,"))
            self.until(lambda text: text.startswith('42/chat,["hello"'))


# ---- looking into a server process -----------------------------------------------------------------------------------


@contextmanager
def standing(founded, folder, **environ):
    """A server to attack, on a copy of what was founded, with the `pid` of the process that serves. It is still there
    in the end, and nothing broke in it."""
    shutil.copytree(founded, folder)
    server = Server(folder, **environ).start()
    server.pid = worker(server)
    yield server
    log = server.log()
    server.close()
    assert "Traceback" not in log, log[-4000:]


def worker(server):
    """The process that serves, of the master that was started."""
    (pid,) = server._children()
    return pid


def memory(pid):
    """Bytes of this process that are in memory."""
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def sockets(pid):
    """How many sockets the process has open."""
    count = 0
    for entry in os.listdir(f"/proc/{pid}/fd"):
        with suppress(OSError):
            count += os.readlink(f"/proc/{pid}/fd/{entry}").startswith("socket:")
    return count
