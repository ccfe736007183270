"""python-socketio's manager with rooms that are sets of transports: publishing encodes and frames once, and the end of
a connection costs its own rooms, not everybody's."""

import orjson
import socketio
from bidict import bidict

from chat.fanout.coalescer import Room
from chat.fanout.frames import frame


class Manager(socketio.Manager):
    """`rooms[namespace][None]` stays what python-socketio expects: sid to transport id. Other rooms are `Room`s."""

    def __init__(self):
        super().__init__()
        self.named = {}  # (namespace, name): Room

    def transport(self, sid, namespace):
        """The Transport that carries this namespace's sid, or None."""
        return self.server.eio.sockets.get(self.eio_sid_from_sid(sid, namespace))

    # ---- connections ------------------------------------------------------------------------------------------------

    def pre_connect(self, eio_sid, namespace):
        known = self.rooms.setdefault(namespace, {}).setdefault(None, bidict())
        if eio_sid in known.inverse:
            return None
        sid = self.server.eio.generate_id()
        known[sid] = eio_sid
        self.pending_connect.setdefault(namespace, []).append(sid)
        return sid

    def connect(self, sid, namespace):
        sid = super().connect(sid, namespace)
        eio_sid = self.eio_sid_from_sid(sid, namespace)
        transport = self.server.eio.sockets.get(eio_sid)
        if transport is None or transport.closed:  # it ended while its connect handler waited, and nobody was told
            self.server._handle_disconnect(eio_sid, namespace, self.server.reason.TRANSPORT_CLOSE)
        else:
            transport.sids[namespace] = sid
            self.server.eio.strangers.pop(transport, None)
        return sid

    def basic_disconnect(self, sid, namespace, **_options):
        transport = self.transport(sid, namespace)
        if transport is not None:
            for room in [room for room in transport.rooms if room.namespace == namespace]:
                self._leave(transport, room)
            if transport.sids.pop(namespace, None) and not transport.sids:
                self.server.eio.is_stranger_again(transport)
        self.rooms.get(namespace, {}).get(None, {}).pop(sid, None)
        for pending in (self.pending_connect, self.pending_disconnect):
            if sid in pending.get(namespace, ()):
                pending[namespace].remove(sid)
                if not pending[namespace]:
                    del pending[namespace]

    # ---- rooms ------------------------------------------------------------------------------------------------------

    def basic_enter_room(self, sid, namespace, room, eio_sid=None):
        transport = self.transport(sid, namespace)
        if transport is None:
            raise ValueError(f"{sid} is not connected to {namespace}")
        self.server.eio.coalescer.flush()
        found = self.named.get((namespace, room))
        if found is None:
            found = self.named[namespace, room] = Room(namespace, room)
        found.members[transport] = None
        if room not in (own.name for own in transport.rooms if own.namespace == namespace):
            transport.rooms = (*transport.rooms, found)

    def basic_leave_room(self, sid, namespace, room):
        transport, found = self.transport(sid, namespace), self.named.get((namespace, room))
        if transport is not None and found is not None:
            self._leave(transport, found)

    def _leave(self, transport, room):
        self.server.eio.coalescer.flush()
        room.members.pop(transport, None)
        transport.rooms = tuple(own for own in transport.rooms if own is not room)
        if not room.members:
            self.named.pop((room.namespace, room.name), None)

    def basic_close_room(self, room, namespace):
        found = self.named.get((namespace, room))
        for transport in list(found.members) if found else ():
            self._leave(transport, found)

    def get_participants(self, namespace, room):
        known = self.rooms.get(namespace, {}).get(None, {})
        if room is None:
            yield from list(known.items())
        elif not isinstance(room, str):  # several rooms: everybody in any of them, once
            found = {}
            for one in room:
                found.update(self.get_participants(namespace, one))
            yield from found.items()
        elif room in known:
            yield room, known[room]
        elif found := self.named.get((namespace, room)):
            yield from [(transport.sids[namespace], transport.sid) for transport in found.members]

    def get_rooms(self, sid, namespace):
        transport = self.transport(sid, namespace)
        return [sid, *(r.name for r in transport.rooms if r.namespace == namespace)] if transport else []

    # ---- sending ----------------------------------------------------------------------------------------------------

    def emit(self, event, data, namespace, room=None, skip_sid=None, callback=None, to=None, **options):
        """Publish to one room, or send to one sid, from the same encoded bytes. What else python-socketio's emit can
        do (several rooms, skipping, callbacks) takes its own way, behind what was published."""
        room = to or room
        if callback or skip_sid or not isinstance(room, str):
            self.server.eio.coalescer.flush()
            super().emit(event, data, namespace, room=room, skip_sid=skip_sid, callback=callback, **options)
        elif found := self.named.get((namespace, room)):
            self.server.eio.coalescer.publish(found, frame(packet(event, data, namespace)))
        elif transport := self.transport(room, namespace):
            transport.send_text(packet(event, data, namespace))


def packet(event, data, namespace):
    """The bytes of an event on the wire of Engine.IO and Socket.IO: `42/chat,["event",data]`."""
    arguments = data if isinstance(data, tuple) else () if data is None else (data,)
    head = b"42" if namespace == "/" else b"42%b," % namespace.encode()
    return head + orjson.dumps([event, *arguments])
