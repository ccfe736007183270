import logging

from flask_socketio import ConnectionRefusedError

from chat.accounts.actions.sessions import note_use
from chat.accounts.credentials import ends_at, is_bearer
from chat.accounts.policy import sees_everyone
from chat.accounts.queries import live_session_row
from chat.accounts.scopes import allows
from chat.accounts.signed_in import cookie_value
from chat.core.failures import note_failure
from chat.core.transaction import release
from chat.messages.actions import delete_message, edit_message, post_in
from chat.messages.presenter import present
from chat.messages.queries import message_for
from chat.realtime.connections import Connection
from chat.realtime.namespaces.base import BaseNamespace
from chat.rooms.actions import join_room, leave_room, mark_read, mark_unread
from chat.rooms.queries import room_for
from chat.streams.log import heads

log = logging.getLogger(__name__)


def refused(code="unauthorized"):
    """The CONNECT_ERROR that clients see: message "unauthorized", data {"code": "unauthorized"}."""
    return ConnectionRefusedError(code, {"code": code})


class ChatNamespace(BaseNamespace):
    """/chat: numbered and durable."""

    needs_only_the_id = frozenset({"message", "resume"})

    def __init__(self, live):
        super().__init__("/chat", live)

    def connection(self, sid):
        return self.live.connections.get(sid)

    def arrive(self, sid, environ, auth=None):
        """A connection stands on a session: on that of a browser, or on a token that the client names."""
        live = self.live
        live.pace.turn()
        with live.app.app_context():
            token = self._credential(environ, auth)
            while True:
                access = live.pump.access
                session = live_session_row(token)
                if session is None:
                    raise refused()
                if live.pump.access == access:
                    break  # from here on a revocation finds the connection; one that came meanwhile has missed it
            if not allows(session.scopes, "read"):
                raise refused("forbidden")
            connection = Connection(
                live.chat.transport_of(sid), sid, session.user_id, session.id, token, live.chat.transport(sid),
                since=session.access, is_guest=not sees_everyone(session.role),
                scopes=session.scopes, until=ends_at(token, session),
            )  # fmt: skip
            live.connections.add(connection)
            note_use(session)
        live.spawn(self.welcome, connection)

    def _credential(self, environ, auth):
        """`auth: {"token": …}` comes before the cookie. Another site's page brings our cookie, too, but not our Origin;
        a token it would have to know."""
        if auth is not None and auth != {}:
            token = auth.get("token") if isinstance(auth, dict) else None
            if not is_bearer(token):
                raise refused()
            return token
        if environ.get("HTTP_ORIGIN") not in self.live.settings.origins:
            raise refused()
        return cookie_value(environ.get("HTTP_COOKIE"))

    def welcome(self, connection):
        """Subscribe, then say hello; only then are this client's events looked at."""
        live = self.live
        try:
            streams = live.subscriptions.welcome(connection)
            if connection.alive:
                live.chat.send(connection.sid, "hello", live.subscriptions.hello(connection, streams))
        except Exception as error:
            note_failure(log, error, "A connection could not be welcomed; it is closed and will come again.")
            self.leave(connection.sid)
            live.chat.close(connection.transport_id)
        finally:
            connection.ready.set()

    def leave(self, sid):
        connection = self.connection(sid)
        if connection is not None:
            self.live.connections.remove(connection)
            self.live.pump.forget(connection)
            self.live.presence.left(connection)
            connection.ready.set()

    def on_join(self, connection, actor, form):
        room = join_room(actor, room_for(actor, form.room)).room
        room_id, stream = room.id, room.stream
        release()
        self.live.subscriptions.reconcile(connection, room_id)
        return {"room": room_id, "head": heads([stream])[stream]}

    def on_leave(self, connection, actor, form):
        leave_room(actor, room_for(actor, form.room))

    def on_message(self, connection, actor, form):
        posted = post_in(actor, form.room, form.text, key=form.key, waiting=connection.in_line)
        return {"message": posted.json}

    def on_edit(self, connection, actor, form):
        message = edit_message(actor, message_for(actor, form.message), form.text, rev=form.rev)
        return {"message": present(message).to_json()}

    def on_delete(self, connection, actor, form):
        return {"message": present(delete_message(actor, message_for(actor, form.message))).to_json()}

    def on_read(self, connection, actor, form):
        position = mark_read(actor, room_for(actor, form.room), form.seq)
        return {"seq": position.seq, "v": position.v}

    def on_unread(self, connection, actor, form):
        position = mark_unread(actor, room_for(actor, form.room), form.seq)
        return {"seq": position.seq, "v": position.v}

    def on_resume(self, connection, actor, form):
        release()
        everything = bool(form.all)
        return self.live.subscriptions.resume(connection, epoch=form.epoch, cursors=form.streams, everything=everything)
