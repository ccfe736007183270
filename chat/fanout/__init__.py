"""One frame to many connections, and the end of a connection. Knows sockets; knows nothing of chat.

This is the stock path of python-socketio: the manager encodes a packet once for a room and queues it for each member.
Nothing here waits, so that the caller may count on order.
"""


class Fanout:
    """Subscriptions and sending over a `socketio.Server`. One for each namespace."""

    def __init__(self, server, namespace):
        self.server, self.namespace = server, namespace

    def enter(self, sid, room):
        """From now on `sid` gets what is published to `room`."""
        self.server.enter_room(sid, room, namespace=self.namespace)

    def leave(self, sid, room):
        """From now on it does not. A connection that is gone has left already."""
        self.server.leave_room(sid, room, namespace=self.namespace)

    def publish(self, room, event, payload):
        """Send to everyone in `room`, encoded once."""
        self.server.emit(event, payload, to=room, namespace=self.namespace)

    def send(self, sid, event, payload):
        """Send to one connection."""
        self.server.emit(event, payload, to=sid, namespace=self.namespace)

    def close(self, transport_id):
        """End a whole connection, after what was queued for it has been written. May wait: call it beside the loop."""
        self.server.eio.disconnect(transport_id)

    def transport_of(self, sid):
        """The id of the connection that carries this namespace's `sid`; other namespaces share it."""
        return self.server.manager.eio_sid_from_sid(sid, self.namespace)
