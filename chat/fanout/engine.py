"""engineio's server for websockets that the web server hands over, and python-socketio's on top of it.

A request with `environ["server.handover"]` (see chat/server) gives its socket away: `take()` returns the connected,
non-blocking socket and the bytes that came behind the request, and the caller owes one `release()`.
"""

import base64
import hashlib
import time
from collections import Counter

import engineio
import orjson
import socketio

from chat.fanout.coalescer import Coalescer
from chat.fanout.frames import POLICY, PROTOCOL, RESTART, Refused, frame
from chat.fanout.loops import loop_of
from chat.fanout.ping_wheel import STRANGER_SECONDS, PingWheel
from chat.fanout.transport import MOST_CONNECTS, Transport

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
KEPT = ("REMOTE_ADDR", "HTTP_COOKIE", "HTTP_ORIGIN")  # of a handshake's environ; the rest would pin the request
RESERVED = frozenset(("connect", "disconnect", "connect_error"))
LONGEST_NAME = 32


class Engine(engineio.Server):
    """Websocket only. `admit(environ)`, set by the application, returns None or (status, code, message, headers) to
    refuse a handshake over HTTP, before anything is kept.

    counted    malformed, slow, strangers, refused: connections that were ended or refused, by cause
    busy       green threads that are handling events
    behind     transports whose readers are slow, as a dict; strangers: those in no namespace yet, and until when
    """

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.start_service_task = False  # the wheel does what it is for
        self.loop = loop_of(self.async_mode)
        self.coalescer, self.wheel = Coalescer(self.loop), PingWheel(self)
        self.counted, self.behind, self.strangers = Counter(), {}, {}
        self.busy, self.stopping = 0, False
        self.admit = lambda environ: None
        self.dispatch = None  # set by Server

    @property
    def owed(self):
        """Bytes that wait for slow readers."""
        return sum(transport.owed for transport in self.behind)

    # ---- handshakes -------------------------------------------------------------------------------------------------

    def handle_request(self, environ, start_response):
        refusal = self._refusal(environ)
        if refusal:
            self.counted["refused"] += 1
            status, code, message, *headers = refusal
            body = orjson.dumps({"ok": False, "code": code, "message": message})
            start_response(status, [*_OF_REFUSALS, ("Content-Length", str(len(body))), *headers])
            return [body]
        key = environ["HTTP_SEC_WEBSOCKET_KEY"].encode("latin-1")
        transport = Transport(self, self.generate_id())
        handover = environ["server.handover"]
        sock, early = handover.take()
        transport.attach(sock, handover.release)
        self.sockets[transport.sid] = transport
        self.handlers["connect"](transport.sid, {name: environ[name] for name in KEPT if name in environ})
        accept = base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())  # as RFC 6455 asks
        transport.write(b"".join((_SWITCHING, accept, b"\r\n\r\n", self._open(transport.sid))))
        if transport.socket is not None:
            self.wheel.add(transport)
            transport.listen()
            if early:
                transport.feed(early)
        return []

    def _open(self, sid):
        times = {"pingInterval": int(self.ping_interval * 1000), "pingTimeout": int(self.ping_timeout * 1000)}
        about = {"sid": sid, "upgrades": [], **times, "maxPayload": self.max_http_buffer_size}
        return frame(b"0" + orjson.dumps(about))

    def _refusal(self, environ):
        if self.stopping:
            return "503 Service Unavailable", "busy", "This process is stopping.", ("Retry-After", "1")
        fields = environ.get("QUERY_STRING", "").split("&")
        if environ["REQUEST_METHOD"] != "GET" or "EIO=4" not in fields or any(f.startswith("sid=") for f in fields):
            return "400 Bad Request", "invalid", "Connect with EIO=4 and transport=websocket."
        key = environ.get("HTTP_SEC_WEBSOCKET_KEY", "")
        if environ.get("HTTP_UPGRADE", "").lower() != "websocket" or len(key) != 24:
            return "400 Bad Request", "invalid", "The only transport is websocket. Long polling is not served."
        if environ.get("CONTENT_LENGTH", "0") not in ("", "0") or "HTTP_TRANSFER_ENCODING" in environ:
            return "400 Bad Request", "invalid", "A request to upgrade has no body: it would be taken for frames."
        if environ.get("HTTP_SEC_WEBSOCKET_VERSION") != "13":
            message = "Speak version 13 of the websocket protocol."
            return "426 Upgrade Required", "invalid", message, ("Sec-WebSocket-Version", "13")
        return self.admit(environ)

    # ---- events -----------------------------------------------------------------------------------------------------

    def receive(self, transport, text):
        """Handle one packet of a client. Raises Refused for what no client of Socket.IO sends us: binary packets, and
        acknowledgements, which we never ask for, included."""
        kind = text[:2]
        if kind == b"42":
            self._event(transport, text)
        elif kind in (b"40", b"41"):
            try:
                self.handlers["message"](transport.sid, text[1:].decode())
            except (ValueError, TypeError, LookupError, AttributeError):
                raise Refused(PROTOCOL) from None
        elif kind == b"1":
            transport.lost(self.reason.CLIENT_DISCONNECT)
        else:
            raise Refused(PROTOCOL)

    def _event(self, transport, text):
        """`42/chat,17["name",{…}]`, without packet objects: the acknowledgement is made of the same pieces. A client
        cannot call the handlers of connecting and disconnecting by their names."""
        start, namespace = 2, "/"
        try:
            if text[2] == 47:  # a slash
                start = text.index(b",", 3) + 1
                namespace = text[2 : start - 1].decode()
            bracket = text.index(b"[", start)
            number = text[start:bracket]
            event, *arguments = orjson.loads(text[bracket:])
            if number and not (number.isdigit() and len(number) < 16):
                raise ValueError
            if type(event) is not str or event in RESERVED or len(event) > LONGEST_NAME:
                raise ValueError
        except (ValueError, IndexError):
            raise Refused(PROTOCOL) from None
        sid = transport.sids.get(namespace)
        if sid is None:
            return  # not in this namespace any more: what was on its way is not answered
        answer = self.dispatch(event, namespace, sid, *arguments)
        if number:
            transport.send_text(b"43%b[%b]" % (text[2:bracket], b"" if answer is None else orjson.dumps(answer)))

    def is_stranger_again(self, transport):
        if transport.socket is not None:
            self.strangers[transport] = time.monotonic() + STRANGER_SECONDS

    # ---- the end ----------------------------------------------------------------------------------------------------

    def disconnect(self, sid=None):
        """engineio's: end one connection, after what was written to it."""
        if transport := self.sockets.get(sid):
            transport.say_goodbye(1000)

    def finish_events(self, seconds):
        """Take no handshakes and read nothing any more; return when running handlers have ended, or after this long."""
        self.stopping = True
        for transport in list(self.sockets.values()):
            transport.deafen()
        self._wait_while(lambda: self.busy, seconds)
        self.coalescer.flush()

    def stop(self, seconds):
        """End every connection in order; after this long without asking."""
        for place, transport in enumerate(list(self.sockets.values())):
            transport.say_goodbye(RESTART)
            if place % 200 == 199:
                self.loop.sleep(0)
        self._wait_while(lambda: self.sockets, seconds)
        for transport in list(self.sockets.values()):
            transport.lost()
        self.loop.sleep(0)

    def _wait_while(self, question, seconds):
        until = time.monotonic() + seconds
        while question() and time.monotonic() < until:
            self.loop.sleep(0.02)


_OF_REFUSALS = (
    ("Content-Type", "application/json"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
)
_SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "


class Server(socketio.Server):
    """python-socketio's server on this engine. Flask-SocketIO makes its server itself: see `chat/realtime/live.py`."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.eio.dispatch = self._trigger_event

    def _engineio_server_class(self):
        return Engine

    def _handle_connect(self, eio_sid, namespace, data):
        """python-socketio's. Nobody needs to join, leave and join again and again; whoever does is ended."""
        if namespace in self.namespace_handlers and (transport := self.eio.sockets.get(eio_sid)):
            transport.connects += 1
            if transport.connects > MOST_CONNECTS:
                raise Refused(POLICY)
        return super()._handle_connect(eio_sid, namespace, data)
