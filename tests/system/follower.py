"""A follower of an event stream over a socket of its own, as simple as `curl -N`: it reads when it is told to, can be
cut anywhere, and keeps a journal by the client rule of docs/protocol.md."""

import socket
import struct
import time

from tests.events import Events


class Follower:
    """Follows as somebody whose Cookie header is given, or whose token. `journal` is
    [(stream, seq, event, subject)], each number once.

    cursors   {stream: number}, from `hello` on
    ended     how the last connection ended: None while it is open, "closed" in order, "cut" otherwise
    """

    def __init__(self, server, cookie, query="", *, token=None):
        self.server, self.cookie, self.query = server, cookie, query
        self.proof = f"Authorization: Bearer {token}" if token else f"Cookie: {cookie}"
        self.journal, self.cursors, self.others, self.id = [], {}, [], None
        self.connections = self.repeated = 0
        self.ended = "cut"

    def open(self, *, window=None):
        """Connect, with the last id if there is one. window: bytes that the kernel takes for somebody who does not
        read."""
        self.socket = socket.socket()
        if window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", self.server.port))
        lines = [
            f"GET /api/v1/events{self.query} HTTP/1.1",
            f"Host: localhost:{self.server.port}",
            self.proof,
            *([f"Last-Event-ID: {self.id}"] if self.id else []),
        ]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self.events, self.raw, self.status, self.ended = Events(self.id), b"", None, None
        self.connections += 1
        return self

    def read(self, seconds=0.0, *, most=65536):
        """Read once, up to `most` bytes, and return how many came; 0 when none did in time or it has ended."""
        if self.ended:
            return 0
        self.socket.settimeout(max(seconds, 0.001))
        try:
            data = self.socket.recv(most)
        except TimeoutError:
            return 0
        except OSError:
            self._end("cut")
            return 0
        if not data:
            self._end("cut")
            return 0
        self._take(data)
        return len(data)

    def read_until(self, question, *, seconds=20):
        deadline = time.monotonic() + seconds
        while not question():
            assert not self.ended, f"it ended: {self.ended}; the last were {self.others[-3:]}"
            assert time.monotonic() < deadline, f"still waiting; the last were {self.journal[-3:]} {self.others[-3:]}"
            self.read(0.1)
        return self

    def read_to_the_end(self, *, seconds=20):
        deadline = time.monotonic() + seconds
        while not self.ended:
            assert time.monotonic() < deadline, "it does not end"
            self.read(0.1)
        return self

    def cut(self, *, rudely=False):
        """Be gone without a word; rudely: with a reset, as a process that dies."""
        if rudely:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._end("cut")

    def got(self, event):
        return [payload for name, payload in self.others if name == event]

    def _end(self, how):
        self.ended = how
        self.socket.close()

    def _take(self, data):
        self.raw += data
        if self.status is None:
            head, found, self.raw = self.raw.partition(b"\r\n\r\n")
            if not found:
                self.raw = head
                return
            self.status = int(head.split(b" ")[1])
            assert self.status == 200, head + self.raw
            assert b"chunked" in head
        while b"\r\n" in self.raw:
            size, _, rest = self.raw.partition(b"\r\n")
            size = int(size, 16)
            if len(rest) < size + 2:
                return
            self.raw = rest[size + 2 :]
            if size == 0:
                return self._end("closed")
            self.events.feed(rest[:size])
            self._apply()

    def _apply(self):
        """The client rule, and the last id. A gap is never right: the server fills them."""
        seen, self.events.seen, self.id = self.events.seen, [], self.events.id
        for event, payload in seen:
            name, seq = payload.get("stream"), payload.get("seq")
            if event == "hello":
                self.cursors = {**payload["streams"], **self.cursors}
            elif event == "subscribed":
                self.cursors[name] = payload["head"]
            elif event == "gone":
                self.cursors.pop(name, None)
            if seq is None:
                self.others.append((event, payload))
            elif seq <= self.cursors[name]:
                self.repeated += 1
            else:
                assert seq == self.cursors[name] + 1, f"{name} {seq} came after {self.cursors[name]}"
                self.cursors[name] = seq
                self.journal.append((name, seq, event, payload.get("message", {}).get("id")))
