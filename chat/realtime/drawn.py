"""Frames as JSON, read, drawn and encoded once for all who missed them: after a network has gone away and come back
thousands ask for the same numbers within seconds. What was just sent to those who were there is at hand already.

A frame shows its subject as it is now, so what is kept belongs to one moment of the log. Whoever read a later moment
drops what has changed since; whoever read an earlier one gets nothing of it, since it may show what came after the end
of their session.
"""

from collections import OrderedDict
from typing import NamedTuple

import orjson
from sqlalchemy import bindparam, select

from chat.core.prepared import Prepared
from chat.realtime.frames import ABOUT_MESSAGES
from chat.streams.log import TOO_MANY
from chat.streams.models import Entry

MOST_BYTES = 16 * 1024 * 1024  # of JSON, over all streams
MOST_SENT = 500  # frames of one stream that are kept as they are sent: as many as one answer holds

_CHANGES = Prepared(
    select(Entry.kind, Entry.subject_id).where(
        Entry.stream == bindparam("stream"), Entry.seq > bindparam("after"), Entry.seq <= bindparam("upto")
    )
)


class One(NamedTuple):
    """A frame. `json`: [event, payload], which orjson puts into an answer as it is; `message`: the id of the one it
    shows, or None."""

    json: orjson.Fragment
    size: int
    message: int | None

    @classmethod
    def of(cls, frame):
        encoded = orjson.dumps([frame.event, frame.payload])
        return cls(orjson.Fragment(encoded), len(encoded), frame.message)


class Drawn:
    """What is at hand of one stream as it was at one moment, with its head then: {number: One}.

    lent   somebody reads it: it stays at its moment, and a later one has a Drawn of its own
    """

    __slots__ = ("frames", "head", "lent", "moment", "size")

    def __init__(self, head, moment, frames=()):
        self.head, self.moment, self.frames, self.lent = head, moment, dict(frames), False
        self.size = sum(one.size for one in self.frames.values())

    def is_later_than(self, head, moment):
        """Whether it may show what came after that moment."""
        heads = zip((self.head, *self.moment[1:]), (head, *moment[1:]), strict=True)
        return self.moment.epoch == moment.epoch and any(mine > other for mine, other in heads)

    def after(self, seq, most):
        """The Ones from seq + 1 on, up to the first that is not at hand."""
        found = []
        while len(found) < most and (one := self.frames.get(seq + len(found) + 1)):
            found.append(one)
        return found


class Drawings:
    """The Drawn of each stream, the newest moment of it; streams nobody asked for lately go first."""

    def __init__(self, most=MOST_BYTES):
        self.most, self.size, self._newest = most, 0, OrderedDict()

    def at(self, stream, head, moment, ask):
        """The Drawn of a stream, as it is in the snapshot that `ask` reads, and that gave `head` and `moment`. May wait
        for one question."""
        drawn = self._at(stream, head, moment, ask)
        drawn.lent = True
        return drawn

    def _at(self, stream, head, moment, ask):
        newest = self._newest.get(stream)
        if newest is None or newest.is_later_than(head, moment):
            return Drawn(head, moment)
        self._newest.move_to_end(stream)
        if (newest.head, newest.moment) == (head, moment):
            return newest
        newest.lent = True  # what is sent while this one asks goes into another
        drawn = Drawn(head, moment, self._unchanged(stream, newest, head, moment, ask))
        if self._newest.get(stream) is newest:  # nobody else came first while this one asked
            self._put(stream, drawn)
        return drawn

    def sent(self, frame, moment):
        """Have a frame at hand that everybody in a room is just being sent: it shows the room at its number, and what
        `moment` says. Does not wait."""
        stream, seq = frame.stream, frame.seq
        newest = self._newest.get(stream)
        if newest is not None and newest.is_later_than(seq - 1, moment):
            return
        if frame.message is None:  # nobody knows which lines show it
            self._drop(stream)
            return
        goes_on = newest is not None and (newest.head, newest.moment) == (seq - 1, moment)
        if not goes_on or newest.lent:
            newest = Drawn(seq - 1, moment, newest.frames if goes_on else ())
            self._put(stream, newest)
        one = One.of(frame)
        if frame.payload["change"] != "posted":
            for other in [other for other, shown in newest.frames.items() if shown.message == one.message]:
                self._take_out(newest, other)
        if len(newest.frames) >= MOST_SENT:
            self._take_out(newest, next(iter(newest.frames)))
        newest.head = seq
        self._add(stream, newest, seq, one)

    def keep(self, stream, drawn, seq, one):
        """Have a frame at hand that was drawn at the moment of `drawn`, if that is still the newest. What is a person's
        own depends on more than a Moment has, and nobody else asks for it: it is not kept."""
        newest = self._newest.get(stream)
        if newest is not drawn:
            if stream.startswith("user:") or (newest and newest.is_later_than(drawn.head, drawn.moment)):
                return
            self._put(stream, drawn)
        self._add(stream, drawn, seq, one)

    def forget(self):
        """Numbers went back: what had them may have been something else."""
        self._newest.clear()
        self.size = 0

    def _add(self, stream, drawn, seq, one):
        """To the Drawn that is the newest of its stream."""
        self._newest.move_to_end(stream)
        while self.size + one.size > self.most and len(self._newest) > 1:
            self._drop(next(iter(self._newest)))
        if seq not in drawn.frames and self.size + one.size <= self.most:
            drawn.frames[seq] = one
            drawn.size += one.size
            self.size += one.size

    def _take_out(self, drawn, seq):
        size = drawn.frames.pop(seq).size
        drawn.size -= size
        self.size -= size

    def _put(self, stream, drawn):
        self._drop(stream)
        self._newest[stream] = drawn
        self.size += drawn.size

    def _drop(self, stream):
        if gone := self._newest.pop(stream, None):
            self.size -= gone.size

    def _unchanged(self, stream, before, head, moment, ask):
        """Of what was at hand, {number: One} of messages that have not changed; nothing when more than messages has."""
        if moment != before.moment or not before.frames or head - before.head > TOO_MANY:
            return {}
        changes = ask(_CHANGES, stream=stream, after=before.head, upto=head)
        if len(changes) != head - before.head or any(change.kind not in ABOUT_MESSAGES for change in changes):
            return {}
        changed = {change.subject_id for change in changes}
        return {seq: one for seq, one in before.frames.items() if one.message not in changed}
