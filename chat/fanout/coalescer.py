"""What one turn of the loop publishes leaves as one buffer for each connection: one system call instead of many.

When nothing is behind, a turn holds one frame and nothing changes. Under load it is what turns overload into
throughput rather than latency.
"""


class Room:
    """A name and who is in it. `members` is a dict used as an ordered set of transports."""

    __slots__ = ("members", "name", "namespace")

    def __init__(self, namespace, name):
        self.namespace, self.name, self.members = namespace, name, {}


class Coalescer:
    """The log of one turn: (room or transport, frame).

    Of one room, and of everything a single connection gets while something is sent to it alone, the order is kept.
    The order between different rooms is not: each has numbers of its own. Entering and leaving flush first, so nobody
    gets a frame from before they entered, or misses one from before they left.
    """

    def __init__(self, loop):
        self.loop, self.log, self.alone, self.after = loop, [], {}, []

    def publish(self, room, frame):
        if not self.log:
            self.loop.soon(self._end_of_turn)
        self.log.append((room, frame))

    def private(self, transport, frame):
        """For one transport, behind what the log holds for its rooms. Only while there is a log."""
        self.log.append((transport, frame))
        self.alone[transport] = None

    def afterwards(self, function):
        """Call `function()` when what is in the log has been sent; now, if there is nothing."""
        if self.log:
            self.after.append(function)
        else:
            function()

    def _end_of_turn(self):
        """The acknowledgements of what was just published are made in the same turn: let them come along."""
        self.loop.soon(self.flush)

    def flush(self):
        """Send all. O(frames + deliveries)."""
        if not self.log:
            return
        self._send()
        after, self.after = self.after, []
        for function in after:
            function()

    def _send(self):
        log, alone = self.log, self.alone
        self.log, self.alone = [], {}
        if len(log) == 1:
            target, frame = log[0]
            fan_out(list(target.members), frame)
            return
        parts = {}
        for place, (target, frame) in enumerate(log):
            parts.setdefault(target, []).append((place, frame))
        for transport in alone:
            own = parts.pop(transport)
            for room in transport.rooms:
                if room in parts:
                    own += parts[room]
            own.sort()
            transport.write(b"".join([frame for _, frame in own]))
        for room, frames in parts.items():
            members = [t for t in room.members if t not in alone] if alone else list(room.members)
            fan_out(members, frames[0][1] if len(frames) == 1 else b"".join([frame for _, frame in frames]))


def fan_out(transports, data):
    """Write the same bytes to all of them; the loop that everything here is about."""
    size = len(data)
    for transport in transports:
        if transport.queue is None:
            try:
                sent = transport.send_some(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                transport.lost()
                continue
            if sent != size:
                transport.keep(data, sent)
        else:
            transport.keep(data, 0)
