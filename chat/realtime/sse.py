"""Server-sent events: what a websocket brings, as a plain HTTP response that does not end.

To the rest of Parley such a response is a connection like any other: the pump sends to it, revocations end it, `bye`
tells it of a restart. It keeps the client rule by itself, since `curl` cannot: what it sent it does not send again, and
what is missing it reads from the log, as `resume` does. So of each stream a client gets one number after the other, or
`reset`.
"""

import _socket
import logging
import re
import secrets
import socket
import time
from collections import deque
from contextlib import suppress
from threading import Event

from chat.accounts.credentials import ends_at
from chat.accounts.policy import sees_everyone
from chat.accounts.queries import live_session_row
from chat.core.errors import Busy, RateLimited, Unauthorized
from chat.core.failures import note_failure
from chat.core.transaction import release
from chat.fanout.transport import SEND_BUFFER
from chat.realtime import wire
from chat.realtime.connections import Connection
from chat.realtime.json import dumps, loads
from chat.streams import log as streams_log

MOST_OWED = 1 << 20  # bytes in line for one client; then it is cut, and resumes
PAGE_BELOW = MOST_OWED // 4  # no more is read from the log while this much waits, and no more held back
MOST_SECONDS = 10  # for one batch to leave
BATCH = 64 * 1024  # bytes after which an id stands: a slow client that is cut has come that far
SILENCE = 15  # seconds; then a comment is sent
LOST_MS = 40_000  # without a word from the client's system; then the connection is over
LAST_WORDS = 0.5  # seconds for what was sent last to be read
COME_BACK_MS = 2000
MOST_ID = 4096
MOST_ROOMS = 50  # named in one request
MOST_HELD = 200  # frames of one stream that wait for those before them
MOST_OF_A_PERSON, MOST = 20, 1000  # streams at a time, in this process
PASSING = wire.SERVER["/presence"].keys()  # events that may be lost: only the newest about each person waits

ID = re.compile(r"([\w-]{1,64})((?:\.(?:s|u\d{1,9}-|\d{1,9}-)\d{1,16})*)", re.ASCII)

log = logging.getLogger(__name__)


class EventConnection(Connection):
    """The connection behind an event stream.

    rooms   the only ones it follows, or None for all, also later ones
    name    what its client calls it, if it wants to know who is here and who is writing; else None
    """

    __slots__ = ("name", "rooms")
    is_told_gone = True

    def __init__(self, sid, session, token, rooms, name):
        super().__init__(
            sid, sid, session.user_id, session.id, token,
            is_guest=not sees_everyone(session.user.role), scopes=session.scopes, until=ends_at(token, session),
        )  # fmt: skip
        self.rooms, self.name = rooms, name

    def is_called(self, name):
        return name is None or name == self.name

    def wants(self, room_id):
        return self.rooms is None or room_id in self.rooms


class EventStream:
    """One response: a reader of the fan-out (`put`, `end`), and the iterator that the web server writes to the client.

    `put` and `cut` never wait; the iterator does, without a connection to the database in hand.
    """

    def __init__(self, connection, live, peer, on_close):
        self.connection, self.live, self.peer, self.on_close = connection, live, peer, on_close
        self.epoch = None
        self.cursors, self.sent = {}, {}  # {stream: number} of what is in line, and of what the client was given
        self.known, self.held = {}, {}  # how far a stream is; {stream: {number: bytes}} of frames from beyond a gap
        self.missing = set()  # streams of which the log has to be read
        self.line, self.owed = deque(), 0  # (bytes, stream, its number from there on), and how much waits in all
        self.passing = {}  # what may be lost: {(event, room, person): the bytes of the newest}
        self.greeted = self.is_ending = self.is_cut = self.is_slow = False
        self.writing_since = None
        self.wake, self.over = Event(), Event()

    # ---- what is sent -----------------------------------------------------------------------------------------------

    def begin(self, hello, given):
        """Greet the client, whose Last-Event-ID was `given`: (epoch, {stream: number}), or None. Does not wait, and has
        to be called before anything does since the subscriptions were made."""
        heads, self.epoch = hello["streams"], hello["epoch"]
        self.cursors = dict(heads)
        epoch, numbers = given or (self.epoch, {})
        if epoch == self.epoch:
            for name in numbers.keys() & heads.keys():
                self.cursors[name], self.known[name] = numbers[name], heads[name]
                if numbers[name] != heads[name]:
                    self.missing.add(name)
        self.sent = dict(self.cursors)
        self._append(b"retry: %d\n%b" % (COME_BACK_MS, encode("hello", hello)))
        if epoch != self.epoch:
            self._append(encode("reset", {"stream": "*", "reason": "epoch"}))
        for room_id in self.connection.rooms or ():
            if (name := streams_log.room_stream(room_id)) not in heads:
                self._append(encode("gone", {"stream": name, "reason": "membership"}), name)

    def put(self, event, payload):
        """Take one frame."""
        if self.is_ending:
            return
        if event == "bye":
            self._append(b"retry: %d\n%b" % (max(payload["after_ms"], 1), encode(event, payload)))
            self.is_ending = True
        elif event in PASSING:
            self.passing[event, payload.get("room"), payload["user"]] = encode(event, payload)
        elif "seq" in payload:
            self._take(event, payload)
        elif event == "subscribed":
            self._subscribed(payload["stream"], payload["head"])
        elif event == "gone":
            self._forget(payload["stream"])
        else:
            self._append(encode(event, payload))
        self.wake.set()

    def _take(self, event, payload):
        """The client rule, on the server's side."""
        name, seq = payload["stream"], payload["seq"]
        cursor = self.cursors.get(name)
        if cursor is None or seq <= cursor:
            return
        if seq > cursor + 1:
            self._hold(name, seq, encode(event, payload))
            return
        self._append(encode(event, payload), name, seq)
        self.cursors[name] = seq
        held = self.held.get(name)
        while held:
            self.owed -= len(held.pop(seq, b""))  # read from the log, too
            if (data := held.pop(seq + 1, None)) is None:
                break
            self.owed -= len(data)
            seq = self.cursors[name] = seq + 1
            self._append(data, name, seq)

    def _hold(self, name, seq, data):
        self.known[name] = max(seq, self.known.get(name, 0))
        self.missing.add(name)
        held = self.held.setdefault(name, {})
        if len(held) < MOST_HELD and seq not in held and self.owed < PAGE_BELOW:
            held[seq] = data
            self._owe(len(data))

    def _subscribed(self, name, head):
        """A stream begins, or may have gone on without us."""
        cursor = self.cursors.get(name)
        if cursor is None:
            self.cursors[name] = head
            self._append(encode("subscribed", {"stream": name, "head": head}), name, head)
        elif cursor < head:
            self.known[name] = max(head, self.known.get(name, 0))
            self.missing.add(name)

    def _forget(self, name, reason="membership"):
        self.cursors.pop(name, None)
        self._let_go_of_held(name)
        self._append(encode("gone", {"stream": name, "reason": reason}), name)

    def _reset(self, name):
        """The client loads that stream's subject anew, and will then be at least as far as the pump is now."""
        self._let_go_of_held(name)
        self.cursors[name] = self.live.pump.cursor(name)
        self._append(encode("reset", {"stream": name, "reason": "gap"}), name, self.cursors[name])

    def _let_go_of_held(self, name):
        self.owed -= sum(map(len, self.held.pop(name, {}).values()))
        self.known.pop(name, None)
        self.missing.discard(name)

    def _append(self, data, name=None, number=None):
        self.line.append((data, name, number))
        self._owe(len(data))

    def _owe(self, size):
        self.owed += size
        if self.owed > MOST_OWED:
            self.give_up()

    # ---- the iterator -----------------------------------------------------------------------------------------------

    def __iter__(self):
        return self

    def __next__(self):
        """The next bytes for the client. Waits."""
        self.writing_since = None
        while not self.is_cut:
            self.wake.clear()
            if self.missing and self.greeted and not self.is_ending and (not self.line or self.owed < PAGE_BELOW):
                self._catch_up()
            if self.line or (self.passing and not self.is_ending):
                return self._written(self._batch())
            if self.is_ending:
                break
            if not self.missing and not self.wake.wait(SILENCE):
                return self._written(b":\n\n")
        raise StopIteration

    def _written(self, data):
        self.writing_since = time.monotonic()
        return data

    def _batch(self):
        """Some of what is in line, and in its last event the id of how far the client is with it, if that is new."""
        has_moved, self.greeted = not self.greeted, True
        parts, size = [], 0
        while self.line and size < BATCH:
            data, name, number = self.line.popleft()
            has_moved = has_moved or name is not None
            if number is not None:
                self.sent[name] = number
            elif name is not None:
                self.sent.pop(name, None)
            parts.append(data)
            size += len(data)
        self.owed -= size
        while self.passing and size < BATCH and not self.is_ending:
            parts.append(self.passing.pop(next(iter(self.passing))))
            size += len(parts[-1])
        id = self._id() if has_moved else b""
        return b"\n".join(parts) + (b"id: %b\n\n" % id if 0 < len(id) <= MOST_ID else b"\n")

    def _id(self):
        parts = [self.epoch]
        for name, number in self.sent.items():
            kind, _, subject = name.partition(":")
            parts.append(f"s{number}" if kind == "site" else f"{'u' if kind == 'user' else ''}{subject}-{number}")
        return ".".join(parts).encode()

    def _catch_up(self):
        """Read one answer's worth of what is missing. When that fails the client comes again, from its last id."""
        asked = {name: self.cursors[name] for name in self.missing if name in self.cursors}
        self.missing.clear()
        try:
            answer = self.live.subscriptions.resume(self.connection, epoch=self.epoch, cursors=asked, everything=False)
        except Unauthorized:  # signed out by another process; coming again is refused
            self.is_ending = True
            return
        except Exception as error:
            note_failure(log, error, "An event stream could not go on; its client comes again.")
            self.is_ending = True
            return
        if not self.connection.alive:  # what was read may be newer than what ended it
            return
        for name, part in answer["streams"].items():
            self._take_part(name, part)
        if self.missing and all(self.cursors.get(name) == number for name, number in asked.items()):
            self.live.pump.sleep(0.2)  # a promise that was not kept; not at full speed

    def _take_part(self, name, part):
        if name == "*":
            self.put("reset", {"stream": "*", "reason": "epoch"})
            self.is_ending = True
        elif part.get("gone"):
            self._forget(name)
        elif part.get("reset"):
            self._reset(name)
        else:
            for frame in part["frames"]:
                self._take(*loads(dumps(frame)))
            cursor = self.cursors.get(name)
            if cursor is not None and (part["more"] or max(self.known.get(name, 0), part["head"]) > cursor):
                self.missing.add(name)

    # ---- the end ----------------------------------------------------------------------------------------------------

    def is_stuck(self, now):
        """Whether the client takes too long to read."""
        return self.writing_since is not None and now - self.writing_since > MOST_SECONDS

    def has_left(self):
        return self.peer is not None and not self.over.is_set() and self.peer.has_left()

    def end(self):
        """End after what was put, or in a moment if the client does not read it. May wait."""
        self.is_ending = True
        self.wake.set()
        if self.peer and not self.over.wait(LAST_WORDS):
            self.cut()

    def give_up(self):
        """The client does not read: end now."""
        self.is_slow = True
        self.cut()

    def cut(self):
        """End now. Does not wait."""
        self.is_ending = self.is_cut = True
        self.line.clear()
        self.held.clear()
        self.passing.clear()
        self.owed = 0
        self.wake.set()
        if self.peer and not self.over.is_set():
            self.peer.shut()

    def close(self):
        """The web server is done with it, for whatever reason."""
        self.is_ending = self.is_cut = True
        self.on_close(self)
        if self.peer and not self.over.is_set():
            self.peer.let_go()
        self.over.set()


class Peer:
    """The client's end of a response, for what a WSGI application cannot do: notice that it has left, and cut it."""

    def __init__(self, sock):
        # Another handle of the same descriptor, without what the async library adds: nothing here waits.
        self._raw = _socket.socket(sock.family, sock.type, 0, fileno=sock.fileno())
        self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        if sock.family != socket.AF_UNIX and hasattr(socket, "TCP_USER_TIMEOUT"):
            self._raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, LOST_MS)

    def has_left(self):
        try:
            return self._raw.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def shut(self):
        with suppress(OSError):
            self._raw.shutdown(socket.SHUT_RDWR)

    def let_go(self):
        self._raw.detach()


class EventStreams:
    """All event streams of this process."""

    def __init__(self, live):
        self.live, self._open = live, {}
        self.slow = 0  # those that were cut because their clients did not read
        live.pump.after_poll.append(self.sweep)

    def __len__(self):
        return len(self._open)

    @property
    def owed(self):
        """Bytes that wait for their readers."""
        return sum(stream.owed for stream in self._open.values())

    def open(self, session, token, *, rooms=None, presence=None, last_id=None, sock=None):
        """A new EventStream, subscribed and greeted. Waits.

        rooms     ids of rooms, or None for all of that person's
        presence  its name, if it is to bring who is here and who is writing
        last_id   the Last-Event-ID of a stream that this one continues
        sock      the client's connection, where the web server gives it
        Raises    RateLimited, Busy when there are too many; Unauthorized when the session ended meanwhile.
        """
        user_id, live = session.user_id, self.live
        self._admit(user_id)
        connection = EventConnection(secrets.token_urlsafe(15), session, token, rooms, presence)
        stream = EventStream(connection, live, Peer(sock) if sock else None, self._closed)
        self._open[connection.sid] = stream
        try:
            live.chat.attach(connection.sid, stream)
            live.connections.add(connection)
            release()
            again = live_session_row(token)  # from now on a revocation finds it, before now it may have missed it
            if again is None:
                raise Unauthorized
            if sees_everyone(again.role) is connection.is_guest:
                raise Busy("Your role was changed just now. Try again in a moment.")
            connection.since = again.access
            release()
            streams = live.subscriptions.welcome(connection)
            if not connection.alive:
                raise Unauthorized
            if stream.is_ending:
                raise Busy("This process is stopping. Try again in a moment.")
            stream.begin(live.subscriptions.hello(connection, streams), last_id and parse_id(last_id, user_id))
        except BaseException:
            stream.close()
            raise
        finally:
            connection.ready.set()
        if presence:
            live.presence_fanout.attach(connection.sid, stream)
            connection.presence_sid = connection.sid
            live.presence.arrived(connection)
        return stream

    def sweep(self):
        """Once a second: let go of clients that left, cut those that do not read."""
        now = time.monotonic()
        for stream in list(self._open.values()):
            if stream.is_stuck(now):
                stream.give_up()
            elif stream.has_left():
                stream.cut()

    def stop(self, quick):
        """All have been told `bye`, which ends them; cut those that do not read it. Waits."""
        deadline = time.monotonic() + (LAST_WORDS / 2 if quick else 2 * LAST_WORDS)
        while self._open and time.monotonic() < deadline:
            self.live.pump.sleep(0.02)
        for stream in list(self._open.values()):
            stream.cut()

    def _admit(self, user_id):
        if self.live.stopping or len(self) >= MOST:
            raise Busy("The server is full. Try again in a moment.")
        mine = [stream for stream in self._open.values() if stream.connection.user_id == user_id]
        if len(mine) >= MOST_OF_A_PERSON:
            left = [stream for stream in mine if stream.has_left()]
            for stream in left:
                stream.cut()
            if len(mine) - len(left) >= MOST_OF_A_PERSON:
                raise RateLimited(f"You have {len(mine)} event streams open. Close one of them.", retry_after=5)

    def _closed(self, stream):
        connection, live = stream.connection, self.live
        if self._open.pop(connection.sid, None):
            self.slow += stream.is_slow
            live.connections.remove(connection)
            live.pump.forget(connection)
            live.presence.left(connection)
            live.presence_fanout.detach(connection.sid)
            connection.presence_sid = None
            live.chat.detach(connection.sid)


class Encode:
    """encode(event, payload) → the event without the empty line that ends it. What many streams get one after the other
    is encoded once."""

    def __init__(self):
        self._payload = self._data = None

    def __call__(self, event, payload):
        if payload is not self._payload:
            self._payload, self._data = payload, b"event: %b\ndata: %b\n" % (event.encode(), dumps(payload).encode())
        return self._data


encode = Encode()


def parse_id(text, user_id):
    """(epoch, {stream: number}) of a Last-Event-ID. One that is not ours, or somebody else's, has no epoch."""
    found = ID.fullmatch(text) if len(text) <= MOST_ID else None
    numbers = {}
    for part in found[2].split(".")[1:] if found else ():
        subject, _, number = part.rpartition("-")
        if part[0] == "s":
            numbers[streams_log.SITE] = int(part[1:])
        elif part[0] != "u":
            numbers[streams_log.room_stream(int(subject))] = int(number)
        elif int(subject[1:]) == user_id:
            numbers[streams_log.user_stream(user_id)] = int(number)
        else:
            return "", {}
    return (found[1], numbers) if found else ("", {})
