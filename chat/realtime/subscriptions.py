"""Who gets which stream, and what they missed. Always in this order: register, read, activate.

A connection is first known to the pump, then its memberships are read, then frames flow. A removal that the pump meets
in between makes it register and read again. So neither an addition nor a removal can fall into a gap.
"""

import threading
from typing import NamedTuple

from chat.accounts.policy import sees_everyone
from chat.accounts.queries import live_session_row
from chat.core.clock import iso, now
from chat.core.db import snapshot
from chat.core.errors import Unauthorized
from chat.core.ledger import glance
from chat.core.transaction import run_in_session
from chat.fanout.transport import SEND_BUFFER
from chat.messages.queries import standings
from chat.messages.text import LONGEST
from chat.realtime import wire
from chat.realtime.drawn import Drawings, Drawn, One
from chat.realtime.frames import present
from chat.rooms.circle import circle_of
from chat.rooms.queries import joined_numbers
from chat.site.queries import epoch_of
from chat.streams import log

MOST_FRAMES, MOST_BYTES = 500, SEND_BUFFER  # of one answer: no more than the kernel takes for whoever reads slowly
BATCH = 100  # entries read and presented at once, in some 25 ms; then others have their turn
AT_ONCE = 8  # resume requests that one process answers at the same time


class Subscriptions:
    """Makes and changes the subscriptions of connections, through the pump."""

    def __init__(self, app, pump, pace):
        self.app, self.pump, self.pace = app, pump, pace
        self._places, self._drawings = threading.Semaphore(AT_ONCE), Drawings()
        self.pump.on_sent, self.pump.on_fresh_start = self._drawings.sent, self._drawings.forget
        self.resumes = self.at_a_glance = self.resets = 0
        self.met = lambda connection, circle: None  # set by presence

    def welcome(self, connection):
        """Subscribe a new connection to its own stream, the site and its rooms. Waits, but not after activating.

        Returns {stream: number it begins behind}.
        """
        own = [log.user_stream(connection.user_id), log.SITE]
        self.pace.turn()
        with connection.lock:
            self.pump.listen(own, connection)
            self._subscribe(connection, self._joined(connection))
            self.meet(connection)
            activated = [self.pump.activate(name, connection, 0) for name in own]
            if connection.alive and not all(activated):
                raise RuntimeError(f"{own} could not be followed; the client has to come again")
            return {name: self.pump.cursor(name) for name in self.pump.streams_of(connection)}

    def hello(self, connection, streams):
        """What the client is told first. `streams` are those of `welcome`."""
        return {
            "proto": wire.PROTO,
            "epoch": self.pump.epoch,
            "user": connection.user_id,
            "streams": streams,
            "server_time": iso(now()),
            "limits": {"text": LONGEST, "frames": MOST_FRAMES},
        }

    def reconcile(self, connection, room_id):
        """Make the subscription to one room (None: to all of theirs) what the membership now says. Waits.

        One that begins here is announced with the number it begins behind.
        """
        if room_id and not connection.wants(room_id):
            return
        connection.ready.wait()
        with connection.lock:
            rooms = [room_id] if room_id else self._joined(connection)
            _, begun = self._subscribe(connection, rooms)
            for name in begun:
                self._announce(connection, name)
            self.meet(connection)
            for name in map(log.room_stream, rooms if connection.is_told_gone else ()):
                if not self.pump.active(name, connection):
                    self.pump.fanout.send(connection.sid, "gone", {"stream": name, "reason": "membership"})

    def meet(self, connection):
        """Read whom a guest knows: the people whose presence they see. Waits."""
        if connection.is_guest:
            with self.app.app_context(), glance() as ask:
                circle = circle_of(connection.user_id, ask)
            self.met(connection, circle)

    def part(self, connection):
        """A guest was removed from a room: until it is read anew whom they know, they know nobody. Does not wait."""
        self.met(connection, frozenset((connection.user_id,)))

    def resume(self, connection, *, epoch, cursors, everything):
        """What a client missed: the answer to `resume`, see docs/protocol.md. Waits.

        cursors      {stream: number it has, or None for a stream it has no copy of}
        everything   also say where the rooms stand that it did not name
        """
        with self._places:
            self.pace.turn()
            return self._resume(connection, epoch, cursors, everything)

    def _resume(self, connection, epoch, cursors, everything):
        with connection.lock:
            rooms = [log.subject_of(name) for name in cursors if _is_room(name)]
            if everything:
                rooms = list(dict.fromkeys([*rooms, *self._joined(connection)]))

            if epoch != self.pump.epoch:
                return {"epoch": self.pump.epoch, "streams": {"*": {"reset": True}}}
            answer, begun = self._subscribe(connection, rooms, _Question(cursors, everything))
            self.resumes += 1
            self.resets += sum("reset" in part for part in answer["streams"].values())
            for name in begun:
                if self.pump.cursor(name) > answer["streams"].get(name, {}).get("head", 0):
                    self._announce(connection, name)  # something was sent between reading and activating
            return answer

    def _announce(self, connection, name):
        self.pump.fanout.send(connection.sid, "subscribed", {"stream": name, "head": self.pump.cursor(name)})

    def _joined(self, connection):
        with self.app.app_context(), glance() as ask:
            return [room_id for room_id in joined_numbers(connection.user_id, ask) if connection.wants(room_id)]

    def _subscribe(self, connection, rooms, question=None):
        """Register with the rooms, read memberships (and the answer to a question) in one snapshot, activate. Waits,
        but not after that.

        Returns (the answer, [streams whose subscription begins here]).
        """
        names = {room_id: log.room_stream(room_id) for room_id in rooms}
        before = {name: self.pump.active(name, connection) for name in names.values()}
        while True:
            self.pump.listen(names.values(), connection)
            joined, answer = self._read(connection, question)
            again = False
            for room_id, name in names.items():
                if room_id not in joined:
                    self.pump.drop(name, connection)
                elif not self.pump.activate(name, connection, joined[room_id]):
                    self.pump.drop(name, connection)
                    again = connection.alive
            if not again:
                now = {name: self.pump.active(name, connection) for name in names.values()}
                return answer, [name for name in now if now[name] and now[name] is not before[name]]

    def _read(self, connection, question):
        """({room id: number of joining}, the answer), both from one moment. Most who come back have missed nothing, or
        the same as others: that is answered at a glance, a thousand of them in a second."""
        with self.app.app_context():
            with glance() as ask:
                if question is None:
                    return joined_numbers(connection.user_id, ask), None
                found, answer = self._answer(connection, question, ask)
            if answer is None:
                with snapshot():
                    found, answer = self._answer(connection, question, run_in_session, self._draw)
            else:
                self.at_a_glance += 1
        return {room_id: row.joined for room_id, row in found.items()}, answer

    def _still_signed_in(self, connection, ask):
        """The role of the person. Raises Unauthorized when the session has ended, as seen in the very moment of what is
        about to be read: another process may have ended it, and this one not know yet."""
        session = live_session_row(connection.token, ask)
        if session is None:
            raise Unauthorized
        return session.role

    # ---- the answer -------------------------------------------------------------------------------------------------

    def _answer(self, connection, question, ask, draw=None):
        """Inside a snapshot, all through `ask`: (how the person stands to each of their rooms, the answer).

        `draw` makes frames that are not at hand, and waits. Without it the answer is None when it would take any.
        """
        role = self._still_signed_in(connection, ask)
        found = standings(ask, connection.user_id)
        names = [log.user_stream(connection.user_id), log.SITE, log.ACCESS]
        own = dict.fromkeys(names, log.Range(0, 0)) | log.heads_and_floors(names, ask)
        moment = log.Moment(epoch_of(ask), own[log.SITE].head, own.pop(log.ACCESS).head)
        cursors = dict(question.cursors)
        for room_id in found if question.everything else ():
            cursors.setdefault(log.room_stream(room_id), None)
        reading = _Reading(ask, draw, moment, Budget(), connection.user_id if not sees_everyone(role) else None)
        streams = {}
        for name, cursor in cursors.items():
            row = found.get(log.subject_of(name)) if _is_room(name) else None
            if row is None and name not in own:
                streams[name] = {"gone": True}
                continue
            (head, floor), joined = ((row.head, row.floor), row.joined) if row else (own[name], 0)
            part = self._missed(name, cursor, head, floor, joined, reading)
            if part is None:
                return found, None
            if row and "head" in part and not part.get("more"):
                part |= {"unread": row.unread, "mentions": row.mentions}
                part["read"] = {"seq": row.position, "v": row.v}
            streams[name] = part
        return found, {"epoch": self.pump.epoch, "streams": streams}

    def _missed(self, name, cursor, head, floor, joined, reading):
        """One stream's part of the answer, or None when it would take drawing and may not."""
        if cursor is None:
            return {"head": head, "frames": []}
        if not floor <= cursor <= head or cursor < joined or head - cursor > log.TOO_MANY:
            return {"reset": True}
        frames, upto, budget = [], cursor, reading.budget
        guest_id = reading.guest_id if name == log.SITE else None
        if guest_id:
            drawn = Drawn(head, reading.moment)  # what others were given is not for guests, nor theirs for others
        else:
            drawn = self._drawings.at(name, head, reading.moment, reading.ask) if cursor < head else None
        while upto < head and budget.frames > 0:
            ones = drawn.after(upto, budget.frames)
            if not ones:
                if reading.draw is None:
                    return None
                ones = reading.draw(name, drawn, upto, min(BATCH, budget.frames), guest_id)
                if ones is None:
                    return {"reset": True}
            for one in ones:
                if not budget.take(one.size):
                    break
                frames.append(one.json)
                upto += 1
        return {"head": head, "frames": frames, "upto": upto, "more": upto < head}

    def _draw(self, name, drawn, upto, limit, guest_id):
        """The Ones from upto + 1 on, for everybody, or for one guest; None when the log does not hold them, or one
        cannot be shown. In the snapshot of `drawn`. Waits."""
        entries = log.since(name, upto, limit=limit)
        made = present(name, entries, [guest_id] if guest_id else ()) if entries else {}
        if entries is None or len(made) != len(entries):
            return None
        if guest_id:
            return [One.of(made[entry.seq].shown_to(guest_id)) for entry in entries]
        ones = [One.of(made[entry.seq]) for entry in entries]
        for entry, one in zip(entries, ones, strict=True):
            self._drawings.keep(name, drawn, entry.seq, one)
        self.pump.sleep(0)
        return ones


class _Question(NamedTuple):
    """What a client says it has, and whether it wants to hear of rooms that it did not name."""

    cursors: dict
    everything: bool


class _Reading(NamedTuple):
    """A snapshot being read for one answer: `ask` asks in it, it shows `moment`, `draw` may wait in it or is None."""

    ask: object
    draw: object
    moment: log.Moment
    budget: "Budget"
    guest_id: int | None  # of the person, if they are one


class Budget:
    """How much one answer may still hold, over all its streams."""

    def __init__(self):
        self.frames, self.bytes = MOST_FRAMES, MOST_BYTES

    def take(self, size):
        """Count a frame of so many bytes. False when it does not fit; the first always does, so that a reader gets
        on."""
        if self.frames < 1 or (size > self.bytes and self.frames < MOST_FRAMES):
            self.frames = 0
            return False
        self.frames, self.bytes = self.frames - 1, self.bytes - size
        return True


def _is_room(name):
    kind, _, number = name.partition(":")
    return kind == "room" and number.isdecimal() and str(int(number)) == number and len(number) < 10
