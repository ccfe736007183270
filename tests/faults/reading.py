"""What happens to those who read: they come back all at once, amid anything, to too much, or to the past."""

import copy
import json
import random
import sqlite3
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import orjson
from sqlalchemy import delete, insert, select, update

from chat.accounts.actions import update_profile
from chat.accounts.models import Session
from chat.core.clock import now
from chat.core.db import db
from chat.core.transaction import transaction
from chat.messages.actions import delete_message, edit_message
from chat.messages.models import Message
from chat.rooms.actions import add_member, change_room, leave_room, mark_read, remove_member, set_role
from chat.rooms.models import Room
from chat.site.actions import begin_epoch
from chat.streams import log
from chat.streams.models import Entry, Stream
from tests.factories import person, say
from tests.faults.clients import BEGUN_AGAIN
from tests.faults.table import fault
from tests.faults.world import Load, Outcome, middle
from tests.system.server import wait_until
from tests.system.tab import Tab
from tests.system.wire import Wire

READ_UP = 60  # seconds for what must come, if slowly


@fault(
    "R15", "all clients are cut at once, and have missed changes", target="all equal within 60 s; p99 1 s", workers=2
)
def storm(world, size):
    """Each is in 5 of 20 rooms and has missed 200 changes. Others talk meanwhile, and were not cut."""
    load = size.load
    load.rooms, load.clients, load.tabs, load.rate = size.of(5, 20), size.of(4, 25), size.of(2, 10), 1
    load.edits = load.deletes = 0
    load.patience = 400
    missed = size.of(10, 40)  # in each room
    with world.talking(Load(rate=10, haste=1), first=load.rooms * load.clients) as others:
        with world.talking(load, writers=0, rooms_each=5) as crowd:
            crowd.tell("cut")
            crowd.hear("cut")
            for room in crowd.rooms:
                world.act(lambda room=room: talk(room, missed))
            came = time.time()
            crowd.tell("come")
            crowd.tell("heads " + json.dumps(world.heads([f"room:{room}" for room in crowd.rooms])))
            crowd.hear("equal")
            equal = time.time()
        outcome = crowd.outcome
        clients = len(crowd.reports)
    during = [a[5] for r in others.reports for a in r["acknowledged"] if came <= a[6] < equal]
    for what in ("lost", "duplicated", "out of order", "wrong", "forbidden"):
        outcome.figures[f"{what} of others"] = others.outcome.figures[what]
    outcome.broken += others.outcome.broken
    outcome.figures |= {"clients": clients, "missed by each": missed * 5}
    outcome.within("all equal after", round(equal - came, 3), 60)
    outcome.within("others answered meanwhile p99", middle(during, 0.99), 1)
    return outcome


def talk(room, count):
    """ada says so many things."""
    with transaction():
        for n in range(count):
            say(person("ada"), db.session.get(Room, room), f"missed {n}", key=f"ada-{n + 1}-{uuid.uuid4().hex[:12]}")


@fault(
    "R19",
    "the connection ends after each frame of random traces",
    target="every screen equals a fresh page",
    instances=2,
)
def every_cut(world, size):
    """One tab is never cut. Of what it shows after each frame a copy is kept; in the end each copy connects, asks what
    it missed, and must equal the page as it is then."""
    chance, cuts, unequal = random.Random(19), size.of(16, 1000), []
    done = 0
    while done < cuts:
        room = world.new_room(["alice", "bob"])
        tab, copies = Tab(world.servers, "bob"), []
        tab.connect(world.servers[0])
        read_up(tab, world)
        tab.on_frame = lambda *_, tab=tab, copies=copies: copies.append(kept(tab))  # before it, that is after the last
        for _ in range(size.of(16, 40)):
            world.act(lambda room=room: anything(chance, room))
            tab.read()
        read_up(tab, world)
        fresh = Tab(world.servers, "bob", cookie=tab.cookie)
        for before in [*copies[:: max(1, len(copies) // (cuts - done) if cuts > done else 1)], kept(tab)]:
            again = copy.copy(tab)
            again.on_frame = lambda *_: None
            again.__dict__.update(copy.deepcopy(before))
            again.wire = None
            again.disconnect()
            again.connect(world.servers[done % 2])
            read_up(again, world)
            if difference := again.difference(fresh):
                unequal.append(difference)
            again.disconnect()
            done += 1
        tab.disconnect()
        world.act(lambda room=room: leave_room(person("bob"), db.session.get(Room, room)))
    outcome = Outcome()
    outcome.figures["cuts"] = done
    outcome.never("screens that differ", unequal)
    return outcome


KEPT = ("cursors", "rooms", "positions", "people", "epoch", "me", "known")


def kept(tab):
    return copy.deepcopy({name: getattr(tab, name) for name in KEPT})


def read_up(tab, world):
    heads = world.heads()
    wait_until(lambda: tab.read(0.01) or tab.is_up_to(heads), seconds=READ_UP, what=f"{tab.username} to see everything")
    wait_until(lambda: not tab.read(0.02) and tab.is_up_to(heads), seconds=READ_UP, what="quiet")


def anything(chance, room):
    """Something happens in a room of ada's, with alice and bob in it, or to their names or read positions."""
    room, ada, bob = db.session.get(Room, room), person("ada"), person("bob")
    messages = db.session.scalars(
        select(Message).where(Message.room_id == room.id, Message.author_id == ada.id, Message.deleted_at.is_(None))
    ).all()
    what = chance.choice(("post", "post", "post", "edit", "edit", "delete", "read", "name", "topic", "role", "come"))
    if what in ("edit", "delete") and messages:
        message = chance.choice(messages)
        edit_message(ada, message, f"{chance.random()}") if what == "edit" else delete_message(ada, message)
    elif what == "read":
        mark_read(bob, room, chance.randrange(log.heads([room.stream])[room.stream] + 1))
    elif what == "name":
        who = person(chance.choice(("alice", "bob")))
        update_profile(
            who, name=f"{who.username} {chance.randrange(100)}", username=who.username, bio="", time_zone="UTC"
        )
    elif what == "topic":
        change_room(ada, room, name=room.name, topic=f"{chance.random()}", description="")
    elif what == "role":
        set_role(ada, room, person("alice"), chance.choice(("owner", "member")))
    elif what == "come":
        remove_member(ada, room, bob)
        add_member(ada, room, bob)
    else:
        say(ada, room, f"Is it {chance.random()}?")


@fault(
    "R22",
    "an older backup takes the place of the database",
    target="all begin anew; 0 ghosts",
    alone=True,
    database="sqlite",
)
def restored(make, size):
    """Half of the sessions are ended with it, as a restore has to do with those that a backup revives."""
    world = make(queue=False)
    try:
        server, load = world.servers[0], size.load
        load.haste = 0.3
        with world.talking(load, judged=False) as crowd:
            crowd.wait(1)
            backup = sqlite3.connect(world.folder / "backup.db")
            with sqlite3.connect(world.folder / "parley.db") as live:
                live.backup(backup)
            crowd.wait(1)
            world.act(lambda: db.engine.dispose())
            server.kill()
            with sqlite3.connect(world.folder / "parley.db") as live:
                backup.backup(live)
            backup.close()
            ended = world.people_needed(load.rooms * load.clients)[::2]
            world.act(lambda: after_restoring(ended))
            server.start()
            back = time.time()
            wait_until(
                lambda: server.metrics()["parley_connections"] >= load.rooms * load.clients - len(ended), seconds=60
            )
            crowd.wait(1)
        outcome = Outcome()
        revoked = {r["name"] for r in crowd.reports if r["revoked"]}
        outcome.never("old sessions that were let in", sorted(set(ended) - revoked))
        outcome.never("sessions that were not", sorted(revoked - set(ended)))
        outcome.never(
            "clients that went on as before", [r["name"] for r in crowd.reports if not r["revoked"] and not r["resets"]]
        )
        entries = world.act(
            lambda: set(db.session.execute(select(Entry.stream, Entry.seq, Entry.kind, Entry.subject_id)))
        )
        outcome.never("ghosts", [line for r in crowd.reports for line in ghosts(r, entries)])
        outcome.figures["lines since"] = sum(
            len(since(lines)) for r in crowd.reports for lines in r["journal"].values()
        )
        again = [r["absences"][-1][1] - back for r in crowd.reports if not r["revoked"]]
        outcome.within("all begun anew after", round(max(again), 3), 5)
        return outcome
    finally:
        world.close()


def since(lines):
    """What a journal has since its client last began again."""
    begun = [n for n, line in enumerate(lines) if line[1] == BEGUN_AGAIN]
    return lines[begun[-1] + 1 :] if begun else lines


def ghosts(report, entries):
    """What a client saw since it began again, and is not in the log."""
    for stream, lines in report["journal"].items():
        for seq, change, message, *_ in [] if report["revoked"] else since(lines):
            if message and (stream, seq, change, message) not in entries:
                yield report["name"], stream, seq, change, message


def after_restoring(ended):
    begin_epoch()
    ids = [person(name).id for name in ended]
    with transaction():
        db.session.execute(delete(Session).where(Session.user_id.in_(ids)))


@fault(
    "R23", "1, 1,999, 2,001 and 100,000 changes were missed, or are pruned", target="rows, rows, 3 resets", instances=2
)
def gaps(world, size):
    room = world.new_room(["alice", "bob"])
    stream, outcome = f"room:{room}", Outcome()
    head = world.heads([stream])[stream]
    world.act(lambda: pad(room, 100_001))
    top = world.heads([stream])[stream]
    wire = Wire(world.servers[0], world.servers[0].cookie("bob"))
    epoch = next(payload["epoch"] for name, payload in wire.take(5) if name == "hello")
    longest, largest = 0.0, 0

    def resume(cursor):
        """(frames that came, whether it was a reset) from there to the head."""
        nonlocal longest, largest
        count = 0
        while True:
            began = time.monotonic()
            answer = wire.call("resume", {"epoch": epoch, "streams": {stream: cursor}}, seconds=60)
            longest = max(longest, time.monotonic() - began)
            largest = max(largest, len(orjson.dumps(answer)))
            part = answer["streams"][stream]
            if part.get("reset"):
                return count, True
            count, cursor = count + len(part["frames"]), part["upto"]
            if not part["more"]:
                return count, False

    wrong = []
    for missed, expected in ((1, (1, False)), (1999, (1999, False)), (2001, (0, True)), (100_000, (0, True))):
        if (found := resume(top - missed)) != expected:
            wrong.append(f"{missed} missed: {found}, not {expected}")
    world.act(lambda: prune(stream, top - 5))
    for cursor, expected in ((top - 5, (5, False)), (top - 6, (0, True)), (head, (0, True))):
        if (found := resume(cursor)) != expected:
            wrong.append(f"from {cursor} after pruning: {found}, not {expected}")
    wire.drop()
    outcome.never("wrong answers", wrong)
    outcome.within("answer max", round(longest, 3), 0.3)
    outcome.within("largest answer", largest, 512 * 1024, "bytes")
    return outcome


def pad(room, count):
    """So many changes of one message, as if it had been edited again and again."""
    with transaction():
        message = say(person("ada"), db.session.get(Room, room), "edited again and again")
        stream = db.session.get(Stream, f"room:{room}")
        db.session.refresh(stream)
        rows = [
            {
                "stream": stream.name,
                "seq": stream.head + n,
                "kind": "edited",
                "subject_id": message.id,
                "created_at": now(),
            }
            for n in range(1, count + 1)
        ]
        for start in range(0, count, 5000):
            db.session.execute(insert(Entry), rows[start : start + 5000])
        stream.head += count


def prune(stream, floor):
    with transaction():
        db.session.execute(update(Stream).where(Stream.name == stream).values(floor=floor))
        db.session.execute(delete(Entry).where(Entry.stream == stream, Entry.seq <= floor))


@fault("R25", "three devices mark as read, and one as unread, all at once", target="never back by itself", instances=2)
def positions(world, size):
    room, each = world.new_room(["alice", "bob"]), size.of(100, 3400)
    world.act(lambda: talk(room, 60))
    head = world.heads([f"room:{room}"])[f"room:{room}"]
    cookie = world.servers[0].cookie("bob")

    def device(n):
        """(position by version as told in frames and answers, versions at which this device went back)"""
        chance, wire, told, back = random.Random(n), Wire(world.servers[n % 2], cookie), [], set()
        for count in range(each):
            unread = n == 2 and count % 10 == 0
            seq = chance.randrange(head + 1)
            answer = wire.call("unread" if unread else "read", {"room": room, "seq": seq}, seconds=30)
            assert answer["ok"] or answer["code"] == "busy", answer
            if answer["ok"]:
                told.append((answer["v"], answer["seq"]))
                back |= {answer["v"]} if unread else set()
        told += [
            (p["v"], p["position"])
            for name, p in wire.take(1.5)
            if name == "me" and p["change"] == "read" and p["room"] == room
        ]
        wire.drop()
        return told, back

    with ThreadPoolExecutor(3) as pool:
        devices = list(pool.map(device, range(3)))
    at, wrong = {}, []
    for told, _ in devices:
        for v, seq in told:
            if at.setdefault(v, seq) != seq:
                wrong.append(f"{v} is {at[v]} to one and {seq} to another")
    allowed = set().union(*(back for _, back in devices))
    last = 0
    for v in sorted(at):
        if at[v] < last and v not in allowed:
            wrong.append(f"{at[v]} after {last}, at {v}")
        last = at[v]
    outcome = Outcome()
    outcome.figures["marks"] = 3 * each
    outcome.figures["positions"] = len(at)
    outcome.never("went back", wrong)
    return outcome
