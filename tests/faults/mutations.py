"""Bugs that Parley does not have, each named as in the model of its delivery: a test that does not notice is blind.

A mutation spoils the product through `patch(object, name, replacement)`, which is `setattr` in a server process (see
app.py) and pytest's monkeypatch in a test. `MUTATIONS` is {name: (what it means, the promise it breaks, the function)}.
"""

from datetime import timedelta

MUTATIONS = {}


def mutation(meaning, promise):
    def register(function):
        MUTATIONS[function.__name__] = (meaning, promise, function)
        return function

    return register


@mutation("a retried send is stored again", "P2")
def nokey(patch):
    import uuid

    from chat.messages.actions import post

    store = post.store_message

    def store_again(run, *, key, **values):
        return store(run, key=f"{key[:40]}-{uuid.uuid4().hex[:8]}", **values)

    patch(post, "store_message", store_again)
    patch(post, "find_by_key", lambda *_: None)


@mutation("acknowledged before commit", "P1")
def ackearly(patch):
    from chat.core import ledger
    from tests.system.server import wait_until

    one, commit = ledger._Line._one, ledger._Line._commit

    def tell_at_once(self, unit):
        one(self, unit)
        unit.waiter.wake()

    def commit_late(self):
        """As on a slow disk: while everybody else goes on for a good while, and the process may be killed."""
        lag = self.ledger.app.extensions["lag"]
        before = lag.turns
        wait_until(lambda: lag.turns > before + 25, what="the event loop to have had its turns")
        commit(self)

    patch(ledger._Line, "_one", tell_at_once)
    patch(ledger._Line, "_commit", commit_late)


@mutation("no poll", "P3")
def hintonly(patch):
    from chat.realtime.pump import Pump

    patch(Pump, "poll", lambda self: None)


@mutation("the poll asks for streams changed in the last seconds instead of comparing heads", "P3")
def window(patch):
    from sqlalchemy import select

    from chat.core.clock import now
    from chat.core.db import db
    from chat.realtime import pump
    from chat.streams.models import Entry

    def poll(self):
        changed = select(Entry.stream).where(Entry.created_at > now() - timedelta(seconds=3)).distinct()
        with self.app.app_context():
            heads = pump.log.heads(db.session.scalars(changed).all())
        for name, head in heads.items():
            self.hinted(name, head)

    patch(pump.Pump, "poll", poll)


@mutation("frames built from the database are sent before the removals that are older than their content", "P6")
def onepass(patch):
    from chat.realtime.pump import Pump

    look = Pump._look
    patch(Pump, "_look", lambda self, follow: look(self, follow)._replace(removals=[]))


@mutation("subscriptions change after the batch", "P6")
def latekick(patch):
    from chat.realtime.pump import Pump

    deliver = Pump._deliver

    def deliver_first(self, follow, frame):
        from dataclasses import replace

        deliver(self, follow, replace(frame, removed=None))
        if frame.removed is not None:
            self._drop_removed(follow, frame.seq, frame.removed)

    patch(Pump, "_deliver", deliver_first)


@mutation("membership is read, then the subscription registered", "P6")
def readfirst(patch):
    from chat.realtime import subscriptions
    from chat.streams import log

    def subscribe(self, connection, rooms, question=None):
        names = {room_id: log.room_stream(room_id) for room_id in rooms}
        before = {name: self.pump.active(name, connection) for name in names.values()}
        joined, found = self._read(connection, question)
        self.pump.listen(names.values(), connection)
        for room_id, name in names.items():
            if room_id in joined:
                self.pump.activate(name, connection, joined[room_id])
            else:
                self.pump.drop(name, connection)
        now = {name: self.pump.active(name, connection) for name in names.values()}
        return found, [name for name in now if now[name] and now[name] is not before[name]]

    patch(subscriptions.Subscriptions, "_subscribe", subscribe)


@mutation("a removal older than the membership ends the new subscription", "P3")
def oldleave(patch):
    from chat.realtime.pump import Pump

    def drop_removed(self, follow, seq, user_id):
        for connection in self.connections.of(user_id):
            if follow.subscriptions.pop(connection, None):
                self.fanout.leave(connection.sid, follow.name)

    patch(Pump, "_drop_removed", drop_removed)


@mutation("a removal that meets a subscription in the making cancels it for good", "P3")
def noretry(patch):
    from chat.realtime.pump import Pump

    activate = Pump.activate

    def activate_or_never(self, name, connection, joined):
        if not activate(self, name, connection, joined):
            self.drop(name, connection)
        return True

    patch(Pump, "activate", activate_or_never)


@mutation("a subscription made outside resume is not announced with the number it starts behind", "P3")
def quietsub(patch):
    from chat.realtime.subscriptions import Subscriptions

    patch(Subscriptions, "_announce", lambda self, connection, name: None)


@mutation("a pump below the floor keeps its subscriptions", "P6")
def keepsubs(patch):
    from chat.realtime.pump import Pump

    def go_on(self, follow, head):
        follow.cursor = follow.known = max(head, follow.cursor)

    patch(Pump, "_begin_again", go_on)


@mutation("a copy made under an earlier membership is continued", "P5")
def oldcopy(patch):
    from chat.realtime.subscriptions import Subscriptions

    missed = Subscriptions._missed
    patch(
        Subscriptions,
        "_missed",
        lambda self, name, cursor, head, floor, joined, reading: missed(self, name, cursor, head, floor, 0, reading),
    )


@mutation("resume reads, then subscribes", "P3")
def resumefirst(patch):
    from chat.realtime import subscriptions

    subscribe = subscriptions.Subscriptions._subscribe

    def read_first(self, connection, rooms, question=None):
        _, found = self._read(connection, question)
        subscribe(self, connection, rooms)
        return found, []

    patch(subscriptions.Subscriptions, "_subscribe", read_first)


@mutation("the pump sends what it has at hand without reading the missing numbers first", "P4")
def skipgap(patch):
    from chat.realtime.pump import Pump

    advance = Pump._advance

    def at_hand(self, follow):
        if follow.handed and follow.cursor is not None:
            follow.cursor = max(follow.cursor, min(follow.handed) - 1)
        advance(self, follow)

    patch(Pump, "_advance", at_hand)


@mutation("revocations are handled once a second, not before the frames that are newer", "P6")
def accesslate(patch):
    from chat.realtime.pump import Pump

    look, advance = Pump._look, Pump._advance

    def look_away(self, follow):
        return look(self, follow)._replace(revoked=[])

    def regardless(self, follow):
        follow.handed = {seq: handed._replace(access=0) for seq, handed in follow.handed.items()}
        advance(self, follow)

    patch(Pump, "_look", look_away)
    patch(Pump, "_advance", regardless)


@mutation("the page reads its content first and its cursors afterwards", "P5")
def pagelate(patch):
    from flask import g

    from chat.core.db import db
    from chat.messages import views

    room_page, content = views._room_page, views._page

    def page(actor, room, head, *args, **more):
        return g.pop("content", None) or content(actor, room, head, *args, **more)

    def content_first(actor, room, *, numbers=None, **more):
        heads, counts, _ = numbers or views._numbers(actor, room)
        position = counts.get(room.id, (0, 0, 0))[0]
        g.content = content(
            actor, room, heads[room.stream], more.get("before"), more.get("after"), more.get("around"), position
        )
        db.session.rollback()
        return room_page(actor, room, numbers=views._numbers(actor, room), **more)

    patch(views, "_page", page)
    patch(views, "_room_page", content_first)


@mutation("unread counts are not taken at the cursor they are shown with", "P5")
def countopen(patch):
    from chat.core.db import db
    from chat.messages import views

    def numbers(actor, room):
        heads = views.log.heads([room.stream, actor.stream, views.log.SITE])
        db.session.rollback()
        return heads, views.unread_counts(actor.id), views.reports_waiting(actor)

    patch(views, "_numbers", numbers)


@mutation("resume below the floor answers with what is left", "P5")
def lowfloor(patch):
    from chat.realtime.subscriptions import Subscriptions

    missed = Subscriptions._missed

    def go_on(self, name, cursor, head, floor, joined, reading):
        if cursor is not None and cursor < floor:
            return missed(self, name, floor, head, floor, 0, reading)
        return missed(self, name, cursor, head, floor, joined, reading)

    patch(Subscriptions, "_missed", go_on)


@mutation("another epoch is not noticed", "P9")
def noepoch(patch):
    from chat.realtime.pump import Pump

    moment = Pump._moment

    def the_first(self, ask):
        found = moment(self, ask)
        return found._replace(epoch=self.epoch or found.epoch)

    patch(Pump, "_moment", the_first)


@mutation("a read position is set, not raised", "P10")
def readset(patch):
    from chat.rooms.actions import read

    move = read._move
    patch(read, "_move", lambda actor, room, wanted: move(actor, room, lambda old, head: wanted(0, head)))
