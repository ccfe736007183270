"""The pump: one for each process. It sends the entries of every stream that has local subscribers, in number order.

It wakes when a local transaction commits (which hands over its frames, built from the rows as that transaction wrote
them), on a hint from the bus, and on a poll of the heads once a second. If the next number is at hand it is sent; if
numbers are missing they are read from the database first, in one snapshot. So order, no gap and no duplicate depend on
nothing but the log.

Between two waits (database, locks) everything here runs without letting another green thread in: that is what makes
"check, then send" exact. Methods that may wait say so.
"""

import logging
from collections import deque, namedtuple

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from chat.core.db import db, snapshot
from chat.core.failures import note_failure
from chat.core.gates import Gate
from chat.core.ledger import glance, read
from chat.core.prepared import Prepared
from chat.core.transaction import run_in_session
from chat.messages.presenter import present_sent
from chat.messages.queries import as_posted
from chat.realtime.delay import WriteDelay
from chat.realtime.frames import posted, present
from chat.site.models import Site
from chat.streams import log
from chat.streams.models import Entry, Stream

logger = logging.getLogger(__name__)

SETTLING = 0.05  # seconds in which what this process has just committed is handed over; reading it would be in vain
BATCH = 100  # entries read and presented at once, in some 25 ms; then others have their turn
COMPARED = 1000  # heads compared at once, in a quarter of a millisecond
GLANCED = 20  # entries that one stream may miss to be glanced at; streams so looked at together
TOGETHER = 50
Access = namedtuple("Access", "seq kind subject_id data")
# What one snapshot showed of a stream: frames None when the log cannot be continued, revoked None when `access` cannot.
Found = namedtuple("Found", "epoch access_head revoked head removals frames")
# A frame that waits for its number, the head of `access` it is as new as, the Moment it shows (None: not known), and
# when it was committed here.
Handed = namedtuple("Handed", "frame access moment committed_at")
# What a transaction handed over: the Moment that it is as new as, its changes of `access`, its frames as Handed.
Ready = namedtuple("Ready", "moment access frames")
_site, _access = aliased(Stream), aliased(Stream)
_MARKS = Prepared(
    select(Site.epoch, func.coalesce(_site.head, 0).label("site"), func.coalesce(_access.head, 0).label("access"))
    .select_from(Site)
    .outerjoin(_site, _site.name == log.SITE)
    .outerjoin(_access, _access.name == log.ACCESS)
)


class Subscription:
    """A connection's part in one stream. `joined` None: registered, the membership not yet read.

    joined    the number at which the membership it stands for began (0 for streams without members)
    removed   the newest removal of this person that the pump met while `joined` was unknown
    """

    __slots__ = ("joined", "removed")

    def __init__(self):
        self.joined, self.removed = None, 0


class Follow:
    """One stream as this process follows it. `cursor`: the number it has sent up to, None while it is being opened."""

    __slots__ = ("cursor", "handed", "known", "name", "opened", "reading", "subscriptions")

    def __init__(self, name):
        self.name, self.cursor, self.known, self.reading = name, None, 0, False
        self.handed, self.subscriptions, self.opened = {}, {}, Gate()

    @property
    def promised(self):
        """The highest number heard of."""
        return max(self.known, max(self.handed, default=0))

    @property
    def wants_a_look(self):
        """Whether something waits to be sent or read, or nobody follows it here. Asked of every stream each second."""
        return bool(self.handed) or self.known > (self.cursor or 0) or not self.subscriptions

    @property
    def behind(self):
        return self.cursor is not None and self.promised > self.cursor


class Pump:
    """See the module. `start()` it once in a process that serves.

    fanout        where frames go (chat.fanout)
    connections   who is connected (chat.realtime.connections)
    spawn(fn, *args) and sleep(seconds) come from the async library.
    """

    def __init__(self, app, fanout, connections, bus, *, spawn, sleep):
        self.app, self.fanout, self.connections, self.bus = app, fanout, connections, bus
        self.spawn, self.sleep = spawn, sleep
        self.follows, self.delay = {}, WriteDelay(fanout)
        self.epoch, self.access = None, 0
        self._lacking, self._glancing = deque(), False  # streams that wait to be glanced at
        self.on_access = lambda change: None  # set by revoke.py
        self.on_sent = lambda frame, moment: None  # set by subscriptions.py; so are the following
        self.on_fresh_start = lambda: None
        self.reconcile = lambda connection, room_id: None
        self.meet = self.part = lambda connection: None
        self.after_poll = []  # small things to do once a second
        self.reads = self.sent = self.repairs = 0

    # ---- from the transaction ---------------------------------------------------------------------------------------

    def capture(self, event, transaction):
        """Subscriber, within: note what changed, so that its frames are built from the rows as this transaction wrote
        them. What is handed over fresh needs no look at the rows, and is built while the commit goes on."""
        changes, fresh = event.changes(), transaction.handover.get("fresh", ())
        transaction.handover.setdefault("changes", []).extend(changes)
        if all((change.stream, change.seq) in fresh for change in changes):
            transaction.meanwhile(self._show_fresh)
        else:
            transaction.before_commit(self._hand_over)

    def _hand_over(self, transaction):
        """Under the lock: build the frames of streams that are followed here, with the epoch and the heads they are as
        new as. Names are not under the lock: on PostgreSQL one may change while the frames are built."""
        changes, fresh = transaction.handover["changes"], transaction.handover.get("fresh", ())
        wanted = {}
        for change in changes:
            if change.stream in self.follows and (change.stream, change.seq) not in fresh:
                wanted.setdefault(change.stream, set()).add(change.seq)
        access = [Access(c.seq, c.kind, c.subject_id, c.data) for c in changes if c.stream == log.ACCESS]
        if not wanted and not (access and self.follows):
            return
        before, frames = self._moment(run_in_session), []
        for stream, numbers in wanted.items():
            entries = db.session.scalars(select(Entry).where(Entry.stream == stream, Entry.seq.in_(numbers))).all()
            frames += present(stream, entries, self.connections.guests()).values()
        moment = self._moment(run_in_session)
        shown = moment if moment == before else None
        handed = [Handed(frame, moment.access, shown, None) for frame in frames]
        transaction.handover["ready"] = Ready(moment, access, handed)

    def _show_fresh(self, transaction):
        """Build the frames of messages whose views were handed over, if they are followed here. Asks nothing."""
        for (stream, seq), fresh in transaction.handover["fresh"].items():
            if stream in self.follows:
                ready = transaction.handover.setdefault("ready", Ready(fresh.moment, [], []))
                frame = posted(stream, seq, fresh.view)
                ready.frames.append(Handed(frame, fresh.moment.access, fresh.moment, None))

    def wake(self, event, transaction):
        """Subscriber, after: send what the transaction handed over, and tell other processes. Once a transaction."""
        changes, ready = transaction.handover.pop("changes", ()), transaction.handover.pop("ready", None)
        if ready is not None:
            if ready.moment.epoch != self.epoch:
                self.start_afresh(ready.moment.epoch, ready.moment.access)
            for change in ready.access:
                if change.seq == self.access + 1:
                    self._handle_access(change)
            for handed in ready.frames:
                follow, seq = self.follows.get(handed.frame.stream), handed.frame.seq
                if follow is not None and (follow.cursor is None or seq > follow.cursor):
                    follow.handed[seq] = handed._replace(committed_at=transaction.committed_at)
            for name in dict.fromkeys(handed.frame.stream for handed in ready.frames):
                if name in self.follows:
                    self._advance(self.follows[name])
        for change in changes:
            self.hinted(change.stream, change.seq)  # followed only since the frames were built? then it is read now
            self.bus.hint(change.stream, change.seq)

    # ---- from the bus and the clock ---------------------------------------------------------------------------------

    def start(self):
        """Begin to poll. Waits for the database once."""
        with self.app.app_context():
            self.begin_now()
        self.bus.listen(self.hinted)
        self.spawn(self._poll_for_ever)

    def begin_now(self):
        """What is as old as this need not be told. Waits."""
        self.epoch, _, self.access = self._moment(run_in_session)

    def hinted(self, stream, head):
        """Another process says that `stream` has reached this number. Does not wait."""
        if stream == log.ACCESS:
            if self.epoch is not None and head > self.access:
                self.spawn(self.look_at_access)
            return
        follow = self.follows.get(stream)
        if follow is not None and follow.cursor is not None and head > follow.cursor:
            follow.known = max(follow.known, head)
            self._advance(follow)

    def _poll_for_ever(self):
        while True:
            self.sleep(1)
            try:
                self.poll()
            except Exception as error:
                note_failure(logger, error, "The poll failed; it is tried again in a second.")

    def poll(self):
        """Compare every followed stream's head, `access` and the epoch with the database. Waits."""
        heads, names = {}, list(self.follows)
        for start in range(0, len(names) or 1, COMPARED):
            if start:
                self.sleep(0)
            heads |= self._moved(names[start : start + COMPARED])
        if any(self._lacks(name, head) for name, head in heads.items()):
            self.sleep(SETTLING)
        for name, head in heads.items():
            if self._lacks(name, head):
                self.follows[name].known = max(self.follows[name].known, head)
                self.repairs += 1
        for follow in [follow for follow in self.follows.values() if follow.wants_a_look]:
            self._advance(follow)
            self._let_go(follow)
        for task in self.after_poll:
            task()

    def _moved(self, names):
        """{name: head} of those of these streams that have other heads than their cursors, after whatever `access` and
        the epoch say has been done. Waits."""
        cursors = {}  # before the snapshot, never above it
        for name in names:
            follow = self.follows.get(name)
            if follow is not None and follow.cursor is not None:
                cursors[name] = follow.cursor
        known = self.access
        with self.app.app_context(), glance() as ask:
            epoch, _, access = self._moment(ask)
            heads = log.other_heads(cursors, ask) if cursors else {}
        if access < known or any(head < cursors[name] for name, head in heads.items()):
            self.start_afresh(epoch, access)
        elif epoch != self.epoch or access > self.access:
            self.look_at_access()
        return heads

    def look_at_access(self):
        """Handle what has been revoked up to now. Waits."""
        access = self.access
        with self.app.app_context(), snapshot():
            epoch, _, access_head = self._moment(run_in_session)
            revoked = self._access_after(access, access_head)
        if epoch != self.epoch or access_head < access or revoked is None:
            self.start_afresh(epoch, access_head)
        for change in revoked or ():
            self._handle_access(change)

    def _lacks(self, name, head):
        follow = self.follows.get(name)
        return follow is not None and follow.cursor is not None and head > follow.cursor

    def _moment(self, ask):
        return log.Moment(*(ask(_MARKS) or [(None, 0, 0)])[0])

    def _access_after(self, seq, head):
        """The entries of `access` after number `seq`, up to its head. None when the log does not hold them all any
        more."""
        if head <= seq:
            return []
        entries = log.since(log.ACCESS, seq)
        if entries is None or len(entries) < head - seq:
            return None
        return [Access(e.seq, e.kind, e.subject_id, e.data) for e in entries]

    def _handle_access(self, change):
        if change.seq > self.access:
            self.access = change.seq
            self.on_access(change)

    def start_afresh(self, epoch, access_head):
        """Another epoch, numbers that went back, or revocations that cannot be read any more: whatever anyone here
        holds is worthless. Everybody reconnects, and has to show their session again."""
        if self.epoch is not None:  # None: nobody had set it up yet when this process began
            logger.warning("The log cannot be continued (epoch %s). All connections start afresh.", epoch)
        connections = self.connections.all()
        for connection in connections:
            self.forget(connection)  # it may take a while to close, and must not get what others are sent meanwhile
        self.epoch, self.access, self.follows = epoch, access_head, {}
        self.on_fresh_start()
        for connection in connections:
            self.fanout.send(connection.sid, "reset", {"stream": "*", "reason": "epoch"})
            self.connections.remove(connection)
            self.spawn(self.fanout.close, connection.transport_id)

    # ---- subscriptions ----------------------------------------------------------------------------------------------

    def listen(self, names, connection):
        """Register `connection` with these streams, before anything is read for it. Waits.

        From here on the pump sees it, and notes removals for it. A stream that nobody followed begins at the head it
        has now.
        """
        fresh = []
        for name in names:
            follow = self.follows.get(name)
            if follow is None:
                follow = self.follows[name] = Follow(name)
                fresh.append(follow)
            if connection.alive:
                follow.subscriptions.setdefault(connection, Subscription())
                connection.streams[name] = None
        if fresh:
            self._open(fresh)
        for name in names:
            if follow := self.follows.get(name):
                follow.opened.wait()

    def _open(self, follows):
        try:
            with self.app.app_context():
                heads = log.heads([follow.name for follow in follows], read)
        except Exception:
            for follow in follows:
                self.follows.pop(follow.name, None)
                follow.opened.set()
            raise
        for follow in follows:
            follow.cursor = follow.known = heads.get(follow.name, 0)
            follow.opened.set()
            self._advance(follow)

    def subscription(self, name, connection):
        """The Subscription that a connection has, active or registered, or None."""
        follow = self.follows.get(name)
        return follow and follow.subscriptions.get(connection)

    def active(self, name, connection):
        """The same, None while it is only registered."""
        subscription = self.subscription(name, connection)
        return subscription if subscription and subscription.joined is not None else None

    def streams_of(self, connection):
        """The streams whose frames a connection gets."""
        return [name for name in connection.streams if self.active(name, connection)]

    def activate(self, name, connection, joined):
        """Let frames flow, for a membership that began at number `joined`. Does not wait.

        False when what was read may be outdated: a removal newer than it was met since, or the connection was dropped
        from the stream. The caller registers and reads again.
        """
        subscription = self.subscription(name, connection)
        if subscription is None or subscription.removed > joined or not connection.alive:
            return False
        if subscription.joined is None and not _is_shown_one_by_one(connection, name):
            self.fanout.enter(connection.sid, name)
        subscription.joined = max(joined, subscription.joined or 0)
        return True

    def drop(self, name, connection):
        """End a subscription, active or registered. Does not wait."""
        follow = self.follows.get(name)
        subscription = follow and follow.subscriptions.pop(connection, None)
        connection.streams.pop(name, None)
        was_active = subscription and subscription.joined is not None and connection.alive
        if was_active and not _is_shown_one_by_one(connection, name):
            self.fanout.leave(connection.sid, name)
        if follow:
            self._let_go(follow)

    def _let_go(self, follow):
        """Stop following what nobody here is subscribed to."""
        unused = not follow.subscriptions and follow.cursor is not None and not follow.reading
        if unused and self.follows.get(follow.name) is follow:
            del self.follows[follow.name]

    def forget(self, connection):
        """The connection is gone. Does not wait."""
        for name in list(connection.streams):
            self.drop(name, connection)

    def cursor(self, name):
        """The number up to which this process has sent `name`."""
        return self.follows[name].cursor

    def _drop_removed(self, follow, seq, user_id):
        """Somebody was removed at number `seq`: nothing from there on reaches them. An older removal than the
        membership a subscription stands for is ignored."""
        for connection in self.connections.of(user_id):
            subscription = follow.subscriptions.get(connection)
            if subscription is None:
                continue
            if subscription.joined is None:
                subscription.removed = max(subscription.removed, seq)
            elif seq > subscription.joined:
                del follow.subscriptions[connection]
                connection.streams.pop(follow.name, None)
                self.fanout.leave(connection.sid, follow.name)
                if connection.is_guest:
                    self.part(connection)

    # ---- sending ----------------------------------------------------------------------------------------------------

    def _advance(self, follow):
        """Send what is next and at hand; if numbers are missing, begin to read them. Does not wait."""
        if follow.cursor is None or follow.reading:
            return
        self._send_handed(follow)
        if follow.behind:
            follow.reading = True
            self._lacking.append(follow)
            if not self._glancing:
                self._glancing = True
                self.spawn(self._glance_at_lacking)

    def _send_handed(self, follow):
        for seq in [s for s in follow.handed if s <= follow.cursor]:
            del follow.handed[seq]
        while follow.cursor + 1 in follow.handed:
            frame, access, moment, committed_at = follow.handed[follow.cursor + 1]
            if access > self.access:  # somebody was signed out before this was written: handle that first
                break
            del follow.handed[frame.seq]
            self._deliver(follow, frame)
            if moment is not None:
                self.on_sent(frame, moment)
            if committed_at is not None:
                self.delay.published(committed_at)

    def _deliver(self, follow, frame):
        if frame.removed is not None:
            self._drop_removed(follow, frame.seq, frame.removed)
        self.fanout.publish(follow.name, frame.event, frame.payload)
        self.sent += 1
        follow.cursor = frame.seq
        if self.connections.of_guests:
            self._show_guests(follow, frame)
        if frame.room is not None:
            for connection in self.connections.of(log.subject_of(follow.name)):
                self.spawn(self.reconcile, connection, frame.room)

    def _glance_at_lacking(self):
        """What is missing is nearly always a message or two that another process has just stored, in many streams at
        once: these are read together, and drawn as their own process drew them. Waits."""
        try:
            while self._lacking:
                self._glance([self._lacking.popleft() for _ in range(min(TOGETHER, len(self._lacking)))])
                self.sleep(0)
        finally:
            self._glancing = False

    def _glance(self, follows):
        """Send what these streams miss, as far as it is messages that are as they were posted; the rest is read stream
        by stream. Nothing sent here is newer than its number, so no removal beyond it matters. Waits."""
        cursors = {follow.name: follow.cursor for follow in follows}
        try:
            spans = [(f.name, f.cursor, f.promised) for f in follows if f.promised - f.cursor <= GLANCED]
            moment, found = self._ask(spans)
            if moment.epoch != self.epoch or moment.access > self.access:
                self.look_at_access()
        except Exception as error:
            note_failure(logger, error, "Reading %s streams failed; the next poll tries again.", len(follows))
            for follow in follows:
                follow.reading = False
            return
        for follow in follows:
            if self.follows.get(follow.name) is not follow:  # begun afresh meanwhile
                continue
            for frame in found.get(follow.name, ()):
                follow.handed.setdefault(frame.seq, Handed(frame, moment.access, moment, None))  # committed elsewhere
            self._send_handed(follow)
            if not follow.behind:
                follow.reading = False
                self._let_go(follow)
            elif follow.cursor > cursors[follow.name]:
                self._lacking.append(follow)
            else:
                self.spawn(self._read, follow)

    def _ask(self, spans):
        """(the Moment, {stream: [Frame]}), all from it."""
        self.reads += 1
        found = {}
        with self.app.app_context():
            with glance() as ask:
                moment = self._moment(ask)
                messages = as_posted(ask, spans) if spans else ()
            for row, mentions in messages:
                found.setdefault(row.stream, []).append(posted(row.stream, row.seq, present_sent(row, mentions)))
        return moment, found

    def _show_guests(self, follow, frame):
        """To guests, what they may see of the community's stream; and whoever comes into their rooms is no stranger."""
        for connection in list(self.connections.of_guests):
            if not self.active(follow.name, connection):
                continue
            if follow.name == log.SITE:
                if shown := frame.shown_to(connection.user_id):
                    self.fanout.send(connection.sid, shown.event, shown.payload)
                else:  # came since it was built, and asks
                    self.fanout.send(connection.sid, "subscribed", {"stream": follow.name, "head": frame.seq})
            elif frame.event == "member":
                self.spawn(self.meet, connection)

    def _read(self, follow):
        """Read and send until nothing is missing. One reader for each stream at a time. Waits."""
        try:
            while follow.behind and self.follows.get(follow.name) is follow:
                promised = follow.promised
                found = self._look(follow)
                self._send_read(follow, found)
                if found.head <= follow.cursor and follow.promised == promised:  # more was promised than there is
                    follow.known, follow.handed = follow.cursor, {}
                self.sleep(0)
        except Exception as error:
            note_failure(logger, error, "Reading %s failed; the next poll tries again.", follow.name)
        finally:
            follow.reading = False
        self._let_go(follow)

    def _look(self, follow):
        """One snapshot: some entries as frames, every removal up to the head, and how far revocations have come."""
        self.reads += 1
        name, cursor, access = follow.name, follow.cursor, self.access
        with self.app.app_context(), snapshot():
            epoch, _, access_head = self._moment(run_in_session)
            head, floor = log.head_and_floor(name) or (0, 0)
            if epoch != self.epoch or access_head < access or head < cursor:
                return Found(epoch, access_head, None, head, [], None)
            revoked = self._access_after(access, access_head)
            entries = log.since(name, cursor, limit=BATCH)
            removals = log.of_kinds(name, ("left",), after=max(cursor, floor), upto=head, limit=10_000)
            removals = [(entry.seq, entry.subject_id) for entry in removals]
            frames = present(name, entries, self.connections.guests()) if entries else {}
            complete = entries is not None and len(frames) == len(entries)
            return Found(
                epoch, access_head, revoked, head, removals, [frames[e.seq] for e in entries] if complete else None
            )

    def _send_read(self, follow, found):
        """Send what was read. Does not wait."""
        if found.epoch != self.epoch or found.revoked is None:
            self.start_afresh(found.epoch, found.access_head)
            return
        for change in found.revoked:
            self._handle_access(change)
        for seq, user_id in found.removals:  # what was read is as new as the head: so are these
            self._drop_removed(follow, seq, user_id)
        if found.frames is None:
            self._begin_again(follow, found.head)
            return
        for frame in found.frames:
            if frame.seq == follow.cursor + 1:
                self._deliver(follow, frame)
        follow.handed = {s: f for s, f in follow.handed.items() if s > follow.cursor}

    def _begin_again(self, follow, head):
        """The log does not reach back, or an entry cannot be shown: go to the head. Removals may be among what is gone,
        so every subscription is made anew; a stream never stops."""
        follow.cursor = follow.known = max(head, follow.cursor)
        follow.handed = {s: f for s, f in follow.handed.items() if s > follow.cursor}
        kind, room_id = follow.name.partition(":")[0], log.subject_of(follow.name)
        for connection, subscription in list(follow.subscriptions.items()):
            if subscription.joined is None:
                if kind == "room":
                    subscription.removed = follow.cursor
            elif kind == "room":
                self.drop(follow.name, connection)
                self.spawn(self.reconcile, connection, room_id)
            else:
                self.fanout.send(connection.sid, "subscribed", {"stream": follow.name, "head": follow.cursor})
                if kind == "user":  # rooms that this person was added to may be among what is gone, too
                    self.spawn(self.reconcile, connection, None)


def _is_shown_one_by_one(connection, name):
    """Guests see what their own rooms show of the community's stream: they are not among those who get each frame."""
    return connection.is_guest and name == log.SITE
