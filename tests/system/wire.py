"""A Socket.IO client that reads only when it is asked to, so that a test decides what has arrived and what has not.

One websocket, no threads, packets in the order the server wrote them. (python-socketio's client starts a thread for
each packet, and these may overtake each other.) What it leaves unread waits in the kernel, as behind a slow network.
"""

import json
import socket
import time

import websocket


class Gone(Exception):
    """The server ended the connection, or refused it; `reason` is what it said."""

    def __init__(self, reason=None):
        super().__init__(reason)
        self.reason = reason


class Wire:
    """Opens /chat at `server` with a Cookie header. Raises Gone with the CONNECT_ERROR's data when that is refused.

    origin   None: as the server's own page sends it; "" sends none.
    token    what a program proves itself with, in place of a cookie.
    window   bytes that the kernel takes for whoever does not read.
    """

    def __init__(self, server, cookie, *, origin=None, token=None, window=None):
        self.server = server
        self.ids, self.answers, self.inbox, self.alive = 0, {}, [], True
        # Python's client library asks for a host that the cookie is meant for; a header is all we need.
        self.socket = websocket.create_connection(
            f"ws://localhost:{server.port}/socket.io/?EIO=4&transport=websocket",
            timeout=10,
            origin=server.url if origin is None else origin or None,
            suppress_origin=origin == "",
            header=[f"Cookie: {cookie}"] if cookie else [],
            sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, window)] if window else (),
        )
        self._read()
        self.socket.send(f"40/chat,{json.dumps({'token': token})}" if token else "40/chat,")
        deadline = time.monotonic() + 30
        while not self.answers.get("connected"):
            assert time.monotonic() < deadline, "the server does not answer"
            self._read(5)

    def emit(self, event, payload):
        """Send an event and return its number, under which `answer` finds the acknowledgement."""
        self.ids += 1
        try:
            self.socket.send(f"42/chat,{self.ids}{json.dumps([event, payload])}")
        except (OSError, websocket.WebSocketException) as error:
            self._end(error)
        return self.ids

    def call(self, event, payload, *, seconds=10):
        """Send an event and return its acknowledgement. Frames that arrive meanwhile wait in `inbox`."""
        number, deadline = self.emit(event, payload), time.monotonic() + seconds
        while number not in self.answers:
            assert time.monotonic() < deadline, f"no acknowledgement of {event} in {seconds} s"
            self._read(seconds)
        return self.answers.pop(number)

    def take(self, seconds=0.0):
        """What arrived since, as [(event, payload)], in order; acknowledgements that nobody called for are `("ack",
        (number, answer))` among them. Waits up to `seconds` for the first. Raises Gone when there is nothing and never
        will be."""
        while True:
            patience = 0 if self.inbox else seconds
            try:
                if not self._read(patience):
                    break
            except Gone:
                if not self.inbox:
                    raise
                break
        taken, self.inbox = self.inbox, []
        return taken

    def drop(self):
        """Cut the connection without a word."""
        self.alive = False
        self.socket.shutdown()

    def _end(self, error):
        self.alive = False
        self.socket.shutdown()
        raise Gone(error)

    def _read(self, seconds=10.0):
        """Read one packet. False when none came in time."""
        if not self.alive:
            raise Gone
        try:
            self.socket.settimeout(max(seconds, 0.0005))
            packet = self.socket.recv()
        except (websocket.WebSocketTimeoutException, BlockingIOError):
            return False
        except (OSError, websocket.WebSocketException) as error:
            self._end(error)
        if packet == "2":
            self.socket.send("3")
        elif packet in ("1", "41/chat,", ""):
            self._end("closed")
        elif packet.startswith("40/chat,"):
            self.answers["connected"] = True
        elif packet.startswith("44/chat,"):
            self.alive = False
            self.socket.shutdown()
            raise Gone(json.loads(packet[8:]))
        elif packet.startswith("42/chat,"):
            event, payload = json.loads(packet[8:])
            self.inbox.append((event, payload))
        elif packet.startswith("43/chat,"):
            number, _, answer = packet[8:].partition("[")
            self._acknowledged(int(number), json.loads("[" + answer)[0])
        else:
            assert packet.startswith("0{"), packet
        return True

    def _acknowledged(self, number, answer):
        self.answers[number] = answer
        self.inbox.append(("ack", (number, answer)))
