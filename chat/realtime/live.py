"""The parts of the live layer of one process, put together."""

import random
import time

from flask_socketio import SocketIO

from chat.fanout import Fanout
from chat.realtime import json
from chat.realtime.bus import bus_for
from chat.realtime.connections import Connections
from chat.realtime.namespaces.chat import ChatNamespace
from chat.realtime.namespaces.presence import PresenceNamespace
from chat.realtime.presence import Presence
from chat.realtime.pump import Pump
from chat.realtime.revoke import Revoke
from chat.realtime.subscriptions import Subscriptions

MOST_BYTES = 256 * 1024  # of one packet: 20,000 characters, each escaped for JSON, and what surrounds them
SPREAD_MS = 8000  # clients come back over this time after a restart


class Live:
    """Holds what handlers, subscribers and pages need: pump, connections, subscriptions, presence.

    async_mode   "eventlet", "gevent", or "threading" for commands and tests, which serve nobody.
    spawn, sleep come from the async library; tests bring their own.
    """

    def __init__(self, app, settings, *, async_mode, spawn, sleep):
        self.app, self.settings, self.spawn, self.stopping = app, settings, spawn, False
        self.socketio = SocketIO(
            app,
            async_mode=async_mode,
            transports=["websocket"],
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
        self.chat, self.presence_fanout = Fanout(server, "/chat"), Fanout(server, "/presence")
        self.connections = Connections()
        self.bus = bus_for(settings, spawn=spawn, sleep=sleep)
        self.pump = Pump(app, self.chat, self.connections, self.bus, spawn=spawn, sleep=sleep)
        self.subscriptions = Subscriptions(app, self.pump)
        self.presence = Presence(self.presence_fanout, self.connections, self.pump, self.bus)
        self.revoke = Revoke(app, self.pump, self.connections, self.presence)
        self.pump.on_access = self.revoke
        self.pump.reconcile = self.subscriptions.reconcile
        self.pump.after_poll += [self.presence.sweep, self.revoke.sweep]
        self.socketio.on_namespace(ChatNamespace(self))
        self.socketio.on_namespace(PresenceNamespace(self))

    def start(self):
        """Begin to serve: this process polls the log from here on."""
        self.pump.start()
        self.bus.start()

    def stop(self, quick):
        """Tell everyone to come back in a while, each at another moment, so that they do not all come at once."""
        self.stopping = True
        for connection in self.connections.all():
            after_ms = random.randrange(0, SPREAD_MS // 8 if quick else SPREAD_MS)  # noqa: S311 - spreads, hides nothing
            self.chat.send(connection.sid, "bye", {"reason": "restart", "after_ms": after_ms})
        deadline = time.monotonic() + (0.2 if quick else 1)
        while self._unsent() and time.monotonic() < deadline:
            self.pump.sleep(0.02)

    def _unsent(self):
        return any(socket.queue.qsize() for socket in self.socketio.server.eio.sockets.values())
