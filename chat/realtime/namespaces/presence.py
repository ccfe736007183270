from chat.core.errors import Invalid
from chat.realtime.namespaces.base import BaseNamespace
from chat.realtime.namespaces.chat import refused
from chat.rooms.queries import joined_room_for


class PresenceNamespace(BaseNamespace):
    """/presence: who is here, who is writing. May be dropped at any time. It stands on the same connection's /chat."""

    def __init__(self, live):
        super().__init__("/presence", live)

    def connection(self, sid):
        transport_id = self.live.presence_fanout.transport_of(sid)
        connection = transport_id and self.live.connections.over(transport_id)
        return connection if connection and connection.presence_sid == sid else None

    def arrive(self, sid, environ, auth=None):
        connection = self.live.connections.over(self.live.presence_fanout.transport_of(sid))
        if connection is None or connection.presence_sid:
            raise refused()
        connection.presence_sid = sid
        self.live.spawn(self.live.presence.arrived, connection)

    def leave(self, sid):
        connection = self.connection(sid)
        if connection is not None:
            self.live.presence.left(connection)
            connection.presence_sid = None

    def on_typing(self, connection, actor, form):
        room = joined_room_for(actor, form.room)
        self.live.presence.typing(connection, room.id, form.on)

    def on_here(self, connection, actor, form):
        room = joined_room_for(actor, form.room) if form.room is not None else None
        state = {"active": form.active, "room_id": room and room.id}
        if connection.is_visit:
            self.live.presence.here_by_request(connection, form.presence, **state)
        elif form.presence is not None:
            raise Invalid("presence is for requests; a websocket speaks for itself.", field="presence")
        else:
            self.live.presence.here(connection, **state)
