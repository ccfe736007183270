"""One websocket after its handshake: the only writer of its descriptor, and no green thread while it is idle."""

import errno
import socket
from collections import deque

from engineio.exceptions import SocketIsClosedError

from chat.fanout.frames import BINARY, CLOSE, PING, POLICY, PONG, TEXT, FrameReader, Refused, closing, frame

MOST_OWED = 1 << 20  # bytes that wait for a slow reader; then it is cut, and resumes
MOST_SECONDS = 10  # that a byte may wait
MOST_SILENCE = 15  # seconds that a sent byte may stay unconfirmed; the kernel would go on for a quarter of an hour
MOST_OWED_TO_STRANGERS = 16 * 1024  # while it is in no namespace: it may read its refusals, or be cut
SEND_BUFFER = 128 * 1024  # of the kernel; left alone it would grow to 4 MiB for each reader that does not read
FIRST_BYTES = 8 * 1024  # of a message, until the client is in a namespace: a stranger costs little
MOST_PARKED = 16  # events of one connection that wait in a queue which keeps their order
FULL_INBOX, ROOM_AGAIN = 64, 16  # events read and not begun: above the first it is not read from, until the second
USER_TIMEOUT = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux has it
READ_BYTES = 16 * 1024  # at once: the smallest frames there are, that many, take a few milliseconds
MOST_CONNECTS = 20  # to namespaces over one websocket: each costs what the first does, and that is limited elsewhere
EVENTS_AT_ONCE = 32  # of one connection, if none of them waits for anything; then others have their turn
DRAIN_SECONDS = 2  # how long a client may take to close after our goodbye
AT_ONCE = 64  # buffers in one system call

CLOSED = deque()  # the queue of a transport that takes nothing more
PONG_TEXT = b"3"


def _no_send(_data):
    raise OSError(errno.EPIPE, "closed")


class Transport:
    """See the module. `queue` None: what is written goes to the kernel at once; a deque: behind what waits there.

    All of it runs in the loop or in the green thread of a handler, never waits, and never raises for a broken
    connection: the end is noted and the disconnect handlers run in a green thread of their own.
    """

    __slots__ = (
        "closed", "connects", "engine", "inbox", "leaving", "number", "owed", "parked", "paused", "pinged_at", "pong",
        "queue", "reader", "reading", "release", "rooms", "runner", "send_some", "sent", "sid", "sids", "slot",
        "socket", "waiting", "writing",
    )  # fmt: skip
    connected = upgraded = True  # what engineio asks of its sockets
    upgrading = False

    def __init__(self, engine, sid):
        self.engine, self.sid = engine, sid
        self.socket = self.inbox = self.runner = self.pinged_at = self.slot = self.waiting = self.pong = None
        self.reading = self.writing = self.release = None
        self.reader, self.rooms, self.sids = FrameReader(), (), {}
        self.queue, self.send_some = CLOSED, _no_send
        self.owed = self.sent = self.parked = self.number = self.connects = 0
        self.closed = self.leaving = self.paused = False

    def attach(self, sock, release):
        """Take over a connected, non-blocking socket; `release()` is called once when it has ended."""
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if USER_TIMEOUT is not None:
                sock.setsockopt(socket.IPPROTO_TCP, USER_TIMEOUT, MOST_SILENCE * 1000)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self.socket, self.number, self.release = sock, sock.fileno(), release
        self.queue, self.send_some = None, sock.send

    def listen(self):
        """Begin to read."""
        if self.socket is not None and self.reading is None:
            self.reading = self.engine.loop.watch_read(self.number, self.on_readable)

    def deafen(self):
        """Read no further; what the client sends waits in the kernel, and in the end at the client."""
        if self.reading is not None:
            handle, self.reading = self.reading, None
            self.engine.loop.unwatch(handle)

    # ---- out --------------------------------------------------------------------------------------------------------

    def write(self, data):
        """Send these bytes, whole frames, after all that was written before."""
        if self.queue is None:
            try:
                sent = self.send_some(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                return self.lost()
            if sent != len(data):
                self.keep(data, sent)
        else:
            self.keep(data, 0)
        return None

    def keep(self, data, sent):
        """Of `data` only `sent` bytes have gone: keep the rest, by reference, since the same bytes wait for others."""
        if self.queue is CLOSED or self.leaving:  # nothing follows a close frame
            return
        if self.owed + len(data) - sent > (MOST_OWED if self.sids else MOST_OWED_TO_STRANGERS):
            self.engine.counted["slow"] += 1
            self.lost()
            return
        if self.queue is None:
            self.queue = deque()
            self.writing = self.engine.loop.watch_write(self.number, self.on_writable)
            self.engine.behind[self] = None
        self.queue.append(memoryview(data)[sent:] if sent else data)
        self.owed += len(data) - sent

    def on_writable(self, _number=None):
        if self.writing is None:
            return
        queue = self.queue
        try:
            sent = self.socket.sendmsg([queue[i] for i in range(min(len(queue), AT_ONCE))])
        except BlockingIOError:
            return
        except OSError:
            self.lost()
            return
        self.owed -= sent
        self.sent += sent
        while queue and sent >= len(queue[0]):
            sent -= len(queue.popleft())
        if sent:
            queue[0] = memoryview(queue[0])[sent:]
        if not queue:
            self.queue = self.waiting = None
            del self.engine.behind[self]
            handle, self.writing = self.writing, None
            self.engine.loop.unwatch(handle)
            if self.leaving:
                self._shut_write()
            elif self.pong is not None:
                self._answer_ping(self.pong)

    def is_stale(self, now):
        """Asked once a second while bytes wait: whether one of them has waited for more than MOST_SECONDS."""
        if self.waiting is None:
            self.waiting = deque()
        while self.waiting and self.sent >= self.waiting[0][1]:
            self.waiting.popleft()
        self.waiting.append((now + MOST_SECONDS, self.sent + self.owed))  # until when what waits now must be gone
        return now > self.waiting[0][0]

    def send_text(self, payload):
        """Send a packet to this connection alone, in order with what this turn of the loop publishes to its rooms."""
        coalescer = self.engine.coalescer
        if coalescer.log:
            coalescer.private(self, frame(payload))
        else:
            self.write(frame(payload))

    def send(self, packet):
        """engineio's: send one of its packets."""
        if self.closed:
            raise SocketIsClosedError
        encoded = packet.encode()
        if not isinstance(encoded, str):
            raise ValueError("binary packets are not sent")
        self.send_text(encoded.encode())

    # ---- in ---------------------------------------------------------------------------------------------------------

    def on_readable(self, _number=None):
        if self.reading is None:
            return
        try:
            data = self.socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self.lost()
            return
        if not data:
            self.lost()
        elif not self.leaving:  # one that is leaving is only drained, or closing would reset it and destroy the goodbye
            self.feed(data)

    def feed(self, data):
        """Take bytes of the client. Its events begin in their order, in a green thread that lives as long as there are
        any."""
        work, ping = [], None
        try:
            for opcode, body in self.reader.feed(data, self.engine.max_http_buffer_size if self.sids else FIRST_BYTES):
                if opcode == TEXT:
                    if body == PONG_TEXT:
                        self.pinged_at = None
                    else:
                        work.append(body)
                elif opcode == PING:
                    ping = body
                elif opcode == CLOSE:
                    self.write(frame(body[:2], CLOSE))
                    self.lost(self.engine.reason.CLIENT_DISCONNECT)
                    return
                elif opcode == BINARY:
                    raise Refused(POLICY)
        except Refused as refusal:
            self.refuse(refusal.code)
            return
        if ping is not None:
            self._answer_ping(ping)
        if work and self.inbox is not None:
            self.inbox.extend(work)
        elif work:
            self.inbox = deque(work)
            self._run()
        if self.inbox is not None and len(self.inbox) > FULL_INBOX:
            self.paused = True
            self.deafen()

    def _answer_ping(self, body):
        """Only the newest ping of those that came together, or while bytes wait, is answered (RFC 6455, 5.5.3): pongs
        are small, and a client that asks for many and reads none would have us keep them."""
        self.pong = body if self.queue is not None else None
        if self.pong is None:
            self.write(frame(body, PONG))

    def _run(self):
        self.engine.busy += 1
        self.engine.loop.spawn(self._drain)

    def _drain(self):
        """Handle what is in the inbox, one event after the other. At most one green thread is at it."""
        me = self.runner = object()
        handled = 0
        try:
            while self.runner is me and self.inbox and not self.closed:
                self.engine.receive(self, self.inbox.popleft())
                if self.paused and len(self.inbox or ()) <= ROOM_AGAIN and not (self.leaving or self.engine.stopping):
                    self.paused = False
                    self.listen()
                handled += 1
                if handled % EVENTS_AT_ONCE == 0:
                    self.engine.loop.sleep(0)
        except Refused as refusal:
            self.refuse(refusal.code)
        except Exception:
            self.engine.logger.exception("An event failed; its connection ends")
            self.lost()
        finally:
            if self.runner is me:
                self.runner = self.inbox = None
            self.engine.busy -= 1

    def refuse(self, code):
        """End a connection whose client does not keep to the protocol. Counted, not logged: a log fills a disk."""
        if self.socket is not None and not self.leaving:
            self.engine.counted["malformed"] += 1
            self.say_goodbye(code)

    def in_line(self):
        """Held round a wait whose place in a queue is taken: the connection's next event may begin meanwhile.

        The queue keeps the order. At most MOST_PARKED events wait so; then the next ones wait in the inbox.
        """
        return _InLine(self)

    def settle(self):
        """Wait until none of this connection's events is in such a queue any more."""
        while self.parked and not self.closed:
            self.engine.loop.sleep(0.001)

    # ---- the end ----------------------------------------------------------------------------------------------------

    def close(self, wait=True, abort=False, reason=None):
        """engineio's: end the connection, after what was written."""
        self.say_goodbye(1000)

    def say_goodbye(self, code):
        """A close frame behind all that was written, then our half closed, then some patience: closing with unread
        input would reset the connection and destroy what is on its way."""
        if self.socket is None or self.leaving:
            return
        self.engine.coalescer.flush()
        self.write(closing(code))
        self.leaving = True
        self.listen()
        if self.queue is None:
            self._shut_write()
        self.engine.loop.later(DRAIN_SECONDS, self.lost, self.engine.reason.SERVER_DISCONNECT)

    def _shut_write(self):
        self.queue, self.send_some = CLOSED, _no_send
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.lost()

    def lost(self, reason=None):
        """It has ended. Unwatched before it is closed: its number is given to the next connection at once."""
        if self.socket is None:
            return
        sock, self.socket = self.socket, None
        self.queue, self.send_some, self.owed = CLOSED, _no_send, 0
        self.deafen()
        if self.writing is not None:
            handle, self.writing = self.writing, None
            self.engine.loop.unwatch(handle)
        self.engine.behind.pop(self, None)
        self.engine.strangers.pop(self, None)
        self.engine.wheel.discard(self)
        sock.close()
        self.release()
        self.engine.loop.spawn(self._forget, reason or self.engine.reason.TRANSPORT_CLOSE)

    def _forget(self, reason):
        self.closed = True
        try:
            self.engine.handlers["disconnect"](self.sid, reason)
        except Exception:
            self.engine.logger.exception("A disconnect handler failed")
        finally:
            self.engine.sockets.pop(self.sid, None)


class _InLine:
    __slots__ = ("entered", "transport")

    def __init__(self, transport):
        self.transport = transport

    def __enter__(self):
        transport = self.transport
        self.entered = transport.parked < MOST_PARKED and transport.runner is not None
        if self.entered:
            transport.parked += 1
            transport.runner = None
            if transport.inbox:
                transport._run()
            else:
                transport.inbox = None

    def __exit__(self, *_):
        if self.entered:
            self.transport.parked -= 1
