"""The parts of the live layer of one process, put together."""

import random
import time

import flask_socketio

from chat.accounts.signed_in import cookie_value
from chat.core.pace import Pace
from chat.core.rate_limit import Buckets
from chat.core.security_log import note_refusal
from chat.fanout import Fanout
from chat.fanout.engine import Server
from chat.fanout.rooms import Manager
from chat.realtime import json, wire
from chat.realtime.bus import bus_for
from chat.realtime.connections import Connections
from chat.realtime.namespaces.chat import ChatNamespace
from chat.realtime.namespaces.presence import PresenceNamespace
from chat.realtime.presence import Presence
from chat.realtime.pump import Pump
from chat.realtime.revoke import Revoke
from chat.realtime.subscriptions import Subscriptions

MOST_BYTES = 256 * 1024  # of one packet: 20,000 characters, each escaped for JSON, and what surrounds them
SPREAD_MS = 8000  # clients come back over this time after a restart; one that is alone takes some seconds to be back
SPREAD_AMONG_MS = 2000  # the same where other processes take them at once; less when they are few
EACH_MS = 5  # that it takes to let one in


class Live:
    """Holds what handlers, subscribers and pages need: pump, connections, subscriptions, presence.

    async_mode   "eventlet", "gevent", or "threading" for commands and tests, which serve nobody.
    spawn, sleep come from the async library; tests bring their own.
    fast         whether the web server hands websockets over to the fast path of chat/fanout.
    """

    def __init__(self, app, settings, *, async_mode, spawn, sleep, fast=False):
        self.app, self.settings, self.spawn, self.stopping, self.fast = app, settings, spawn, False, fast
        self.socketio = (FastSocketIO if fast else flask_socketio.SocketIO)(
            app,
            **({"client_manager": Manager()} if fast else {}),
            async_mode=async_mode,
            transports=["websocket"],
            namespaces=list(wire.CLIENT),  # else there would be "/", too, where nobody is asked who they are
            async_handlers=False,  # one connection's events are handled one after the other
            cors_allowed_origins=sorted(settings.origins),
            manage_session=False,
            ping_interval=20,
            ping_timeout=15,
            max_http_buffer_size=MOST_BYTES,
            json=json,
            logger=False,
            engineio_logger=False,
        )
        server = self.socketio.server
        self.engine = server.eio
        if fast:
            self.engine.admit = self.admit
        self._handshakes, self.sessions_at_hand, self.sessions_asked = Buckets(), 0, 0
        self.chat, self.presence_fanout = Fanout(server, "/chat"), Fanout(server, "/presence")
        self.connections = Connections()
        self.bus = bus_for(settings, spawn=spawn, sleep=sleep)
        self.pace = Pace(spawn=spawn, sleep=sleep)
        self.pump = Pump(app, self.chat, self.connections, self.bus, spawn=spawn, sleep=sleep)
        self.subscriptions = Subscriptions(app, self.pump, self.pace)
        self.presence = Presence(self.presence_fanout, self.connections, self.pump, self.bus)
        self.revoke = Revoke(app, self.pump, self.connections, self.presence)
        self.pump.on_access = self.revoke
        self.pump.reconcile = self.subscriptions.reconcile
        self.pump.meet, self.pump.part = self.subscriptions.meet, self.subscriptions.part
        self.subscriptions.met = self.presence.met
        self.pump.after_poll += [self.presence.sweep, self.revoke.sweep]
        self.socketio.on_namespace(ChatNamespace(self))
        self.socketio.on_namespace(PresenceNamespace(self))

    def start(self, *, connections=True):
        """Begin to serve. This process polls the log from here on, if it is to have connections; without, it tells the
        others what it wrote and hears who is here."""
        if connections:
            self.pump.start()
            self.spawn(self.revoke.watch_tokens)
        else:
            self.spawn(self._sweep_for_ever)
        self.bus.start()

    def _sweep_for_ever(self):
        while True:
            self.pump.sleep(1)
            self.presence.sweep()

    def admit(self, environ):
        """Before a websocket is taken over: None, or the refusal (status, code, message, headers). A page of another
        site brings our cookie, too, but not our Origin; who is asking is answered in the namespace, where a browser can
        read the answer. A program that names its token there has no Origin, and no cookie either."""
        if environ.get("HTTP_ORIGIN") not in self.settings.origins and not self._is_program(environ):
            note_refusal("websocket of another site", address=environ.get("REMOTE_ADDR"))
            return "403 Forbidden", "forbidden", "This page may not connect. Its origin belongs into ALLOWED_ORIGINS."
        wait = self._handshakes.take("all", self.settings.limit("handshake")) if self.settings.rate_limits else 0
        if wait or "server.handover" not in environ:  # too many at once, or as many as this process can hold
            message = "The server is full. Try again in a moment."
            return "503 Service Unavailable", "busy", message, ("Retry-After", str(max(1, round(wait))))
        return None

    def _is_program(self, environ):
        if "HTTP_ORIGIN" in environ:
            return False
        with self.app.app_context():
            return not cookie_value(environ.get("HTTP_COOKIE"))

    def stop(self, quick):
        """Tell everyone to come back in a while, each at another moment, so that they do not all come at once."""
        self.stopping = True
        if self.fast:
            self.engine.finish_events(0.3 if quick else 3)
        connections = self.connections.all()
        among = min(SPREAD_AMONG_MS, EACH_MS * len(connections))
        spread = among if self.settings.message_queue_url else SPREAD_MS
        for connection in connections:
            after_ms = random.randrange(0, SPREAD_MS // 8 if quick else spread)  # noqa: S311 - spreads, hides nothing
            self.chat.send(connection.sid, "bye", {"reason": "restart", "after_ms": after_ms})
        if self.fast:
            self.engine.stop(1 if quick else 2)
            return
        deadline = time.monotonic() + (0.2 if quick else 1)
        while self._unsent() and time.monotonic() < deadline:
            self.pump.sleep(0.02)

    def _unsent(self):
        return any(socket.queue.qsize() for socket in self.engine.sockets.values())


class FastSocketIO(flask_socketio.SocketIO):
    """Flask-SocketIO over the fast path. It names `socketio.Server` itself while it sets itself up."""

    def init_app(self, app, **options):
        stock, flask_socketio.socketio.Server = flask_socketio.socketio.Server, Server
        try:
            super().init_app(app, **options)
        finally:
            flask_socketio.socketio.Server = stock
