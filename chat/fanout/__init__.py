"""One frame to many connections, and the end of a connection. Knows sockets; knows nothing of chat.

Under our workers python-socketio's engine and manager are replaced by the fast path (`engine.py`, see README.md);
elsewhere its own serve, and `Fanout` does not see the difference. Nothing here waits, so the caller may count on order.
"""

from contextlib import suppress


class Fanout:
    """Subscriptions and sending over a `socketio.Server`. One for each namespace.

    Readers are receivers that are no websocket, such as an event stream. Anything may be one that has
    `put(event, payload)`, which takes one frame without waiting, and `end()`, which ends it after what was put.
    """

    def __init__(self, server, namespace):
        self.server, self.namespace = server, namespace
        self._readers, self._reading = {}, {}  # by their sid; by room

    def attach(self, sid, reader):
        """From now on `sid` means this reader, in every method here; its transport has the same id."""
        self._readers[sid] = reader

    def detach(self, sid):
        """The reader is gone, from its rooms, too."""
        if self._readers.pop(sid, None):
            for room in [room for room, readers in self._reading.items() if sid in readers]:
                self.leave(sid, room)

    def enter(self, sid, room):
        """From now on `sid` gets what is published to `room`. A connection that is gone enters nothing."""
        if reader := self._readers.get(sid):
            self._reading.setdefault(room, {})[sid] = reader
        else:
            with suppress(ValueError):
                self.server.enter_room(sid, room, namespace=self.namespace)

    def leave(self, sid, room):
        """From now on it does not. A connection that is gone has left already."""
        readers = self._reading.get(room, ())
        if sid in readers:
            del readers[sid]
            if not readers:
                del self._reading[room]
        else:
            self.server.leave_room(sid, room, namespace=self.namespace)

    def publish(self, room, event, payload):
        """Send to everyone in `room`, encoded once."""
        self.server.manager.emit(event, payload, self.namespace, room=room)
        for reader in list(self._reading.get(room, {}).values()):
            reader.put(event, payload)

    def after_writing(self, function):
        """Call `function()` when all that was published so far has been written, or waits for those who read slowly."""
        coalescer = getattr(self.server.eio, "coalescer", None)
        if coalescer is None:
            function()
        else:
            coalescer.afterwards(function)

    def send(self, sid, event, payload):
        """Send to one connection."""
        if reader := self._readers.get(sid):
            reader.put(event, payload)
        else:
            self.server.manager.emit(event, payload, self.namespace, room=sid)

    def close(self, transport_id):
        """End a whole connection, after what was queued for it has been written. May wait: call it beside the loop."""
        if reader := self._readers.get(transport_id):
            reader.end()
        else:
            self.server.eio.disconnect(transport_id)

    def transport_of(self, sid):
        """The id of the connection that carries this namespace's `sid`; other namespaces share it."""
        return sid if sid in self._readers else self.server.manager.eio_sid_from_sid(sid, self.namespace)

    def transport(self, sid):
        """The transport itself; it offers `in_line()` and `settle()`. None for readers and on the stock path."""
        transport = self.server.eio.sockets.get(self.transport_of(sid))
        return transport if hasattr(transport, "in_line") else None
