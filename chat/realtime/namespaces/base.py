"""What every socket event has in common: who asks, what they sent, and an answer in any case.

Flask-SocketIO builds a request context for each event and copies the session into it at the first. We do neither: the
handlers get the connection and the acting person as arguments, and the session is looked at again for every event: it
may have been revoked after the connection was made. A message asks again only when anybody's session has ended, and
once more under the lock (chat/accounts/asker.py).
"""

import logging

from flask_socketio import ConnectionRefusedError, Namespace

from chat.accounts.asker import asker_for
from chat.accounts.scopes import refuse_without
from chat.accounts.signed_in import session_for
from chat.core.errors import Busy, ChatError, Invalid, Unauthorized
from chat.core.failures import note_failure
from chat.core.rate_limit import limiter
from chat.core.security_log import note_denial
from chat.core.transaction import is_passing, release
from chat.realtime import wire

log = logging.getLogger(__name__)


class BaseNamespace(Namespace):
    """Dispatches the events of wire.py to `on_<event>(connection, actor, form)`. One instance serves everybody, so
    nothing about a connection is kept on `self`."""

    needs_only_the_id = frozenset()  # events whose handlers ask the actor for nothing but `id`: these are cheaper

    def __init__(self, namespace, live):
        super().__init__(namespace)
        self.live = live

    def trigger_event(self, event, *args):
        """Called by python-socketio for every event, connecting and disconnecting included. Returns the
        acknowledgement."""
        sid = args[0]
        if event == "connect" and self._is_handshake(sid, args):
            return self._welcome(sid, *args[1:3])
        if event == "disconnect" and self._is_end(sid):
            return self.leave(sid)
        if event not in wire.CLIENT[self.namespace]:
            return {"ok": False, "code": "unknown_event", "message": f"{self.namespace} has no event of that name."}
        try:
            return self.answer(event, sid, args[1:])
        except ChatError as error:
            note_denial(error, getattr(self.connection(sid), "user_id", None), at=event)
            return error.to_json()
        except Exception as error:
            note_failure(log, error, "%s could not be answered.", event)
            if is_passing(error):
                return Busy().to_json()
            return {"ok": False, "code": "error", "message": "That broke on our side. Try again in a moment."}

    def _welcome(self, sid, environ, auth=None):
        """`arrive`, and when that breaks the end of the connection: clients try again then, and would wait for an
        answer otherwise. Refusals, which are ConnectionRefusedErrors, are final."""
        try:
            return self.arrive(sid, environ, auth)
        except ConnectionRefusedError:
            raise
        except Exception as error:
            note_failure(log, error, "Connecting failed.")
            self.live.chat.close(self._transport_of(sid))
            return False

    def _transport_of(self, sid):
        return self.live.socketio.server.manager.eio_sid_from_sid(sid, self.namespace)

    # A client may send events named "connect" and "disconnect", too, and put into them what it likes.

    def _is_handshake(self, sid, args):
        return len(args) > 1 and args[1] is self.live.socketio.server.environ.get(self._transport_of(sid))

    def _is_end(self, sid):
        return not self.live.socketio.server.manager.is_connected(sid, self.namespace)

    def answer(self, event, sid, data):
        connection = self.connection(sid)
        if connection is None or not connection.alive:
            raise Unauthorized
        connection.ready.wait()
        if event != "message":
            connection.settle()  # messages may be on their way to the log; whatever else is asked for comes behind them
        with self.live.app.app_context():
            try:
                actor = self._actor(event, connection)
                if actor is None:
                    raise Unauthorized
                refuse_without(connection.scopes, wire.CLIENT[self.namespace][event].scope)
                if len(data) != 1:
                    raise Invalid(f"Send one object with {', '.join(wire.CLIENT[self.namespace][event].fields)}.")
                limiter.take(wire.CLIENT[self.namespace][event].limit, actor.id)
                form = wire.parse(self.namespace, event, data[0])
                answer = getattr(self, f"on_{event}")(connection, actor, form)
                return {"ok": True, **(answer or {})}
            finally:
                release()

    def _actor(self, event, connection):
        if event in self.needs_only_the_id:
            access = self.live.pump.access
            if connection.asker is None or not connection.asker.holds(access):
                connection.asker = asker_for(connection.token, access)
                self.live.sessions_asked += 1
            else:
                self.live.sessions_at_hand += 1
            return connection.asker
        session = session_for(connection.token)
        return session and session.user
