"""What happens to the message queue, and to what it should have carried."""

import random
import time

from sqlalchemy import text

from chat.core.db import db
from chat.core.transaction import transaction
from chat.rooms.models import Room
from tests.factories import person, say
from tests.faults.table import fault
from tests.faults.world import middle, spread

NOTHING = "0 lost, 0 duplicated, 0 out of order"


def while_gone(crowd, since, until, most=2.0):
    """Note how long it took to see a message while the queue was not there."""
    crowd.outcome.figures |= spread("seen meanwhile", crowd.latencies(since, until))
    if late := crowd.latencies(since, until):
        crowd.outcome.within("seen meanwhile max", round(max(late), 3), most)
    else:
        crowd.outcome.broken.append("nothing was seen meanwhile")
    return crowd.outcome


@fault("R05", "Redis is killed and comes back", target=f"{NOTHING}; seen within 2 s, p99 0.3 s after", instances=2)
def redis_killed(world, size):
    load = size.load
    with world.talking(load) as crowd:
        began, ends = time.time(), time.monotonic() + load.seconds
        while time.monotonic() < ends:
            world.redis.kill()
            crowd.wait(size.of(1.5, 10))
            world.redis.start()
            world.heard()
            gone = time.time()
            crowd.wait(size.of(0.7, 10))
    outcome = while_gone(crowd, began, gone)
    if after := crowd.latencies(gone):
        outcome.within("seen afterwards p99", middle(after, 0.99), 0.3)
    return outcome


@fault("R06", "CLIENT KILL TYPE pubsub, again and again", target=f"{NOTHING}; seen within 1.5 s", instances=2)
def subscribers_killed(world, size):
    with world.talking(size.load) as crowd:
        began = time.time()
        for _ in range(size.of(4, 100)):
            with world.redis.client() as client:
                client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            crowd.wait(size.of(0.6, 1))
    world.heard()
    return while_gone(crowd, began, time.time(), 1.5)


@fault("R07", "Redis is frozen", target=f"{NOTHING}; answered with p99 0.5 s, seen within 2 s", instances=2)
def redis_frozen(world, size):
    with world.talking(size.load) as crowd:
        began = time.time()
        world.redis.freeze()
        try:
            crowd.wait(size.of(4, 30))
        finally:
            gone = time.time()
            world.redis.thaw()
    world.heard()
    outcome = while_gone(crowd, began, gone)
    outcome.within("answered meanwhile p99", middle(answered(crowd, began, gone), 0.99), 0.5)
    return outcome


def answered(crowd, since, until):
    return [a[5] for r in crowd.reports for a in r["acknowledged"] if since <= a[6] < until]


@fault("R08", "the hint of a message is lost, and then there is silence", target="seen within 1.5 s", instances=2)
def last_hint_lost(world, size):
    """One writes on one process, others read on the other, and each room is silent for longer than a poll takes."""
    load = size.load
    load.rooms, load.clients, load.edits, load.deletes = size.of(4, 40), 2, 0, 0
    load.rate = load.rooms / 1.7  # one after the other would be 1.7 s apart, the nearest half of that
    here, there = ([(None, server.port)] for server in world.servers)
    trials = size.of(8, 1000)
    apart = world.talking(load, writers=1, where=lambda n, place: (here, there)[place])
    with world.switched("no_hints"), apart as crowd:
        crowd.wait(trials / load.rate)
    outcome = crowd.outcome
    readers = [r for n, r in enumerate(crowd.reports) if n % 2]
    late = [late for r in readers for _, late, _ in r["latencies"]]
    outcome.figures["lost hints"] = len(late)
    outcome.figures |= spread("seen by others", late)
    outcome.within("seen by others max", round(max(late), 3), 1.5)
    return outcome


@fault(
    "R08b",
    "a transaction is open for long, and its hint is lost",
    target="seen within 1.5 s of its commit",
    instances=2,
)
def late_commit(world, size):
    """On PostgreSQL others go on meanwhile; SQLite has one writer, and they are told to try again."""
    load = size.load
    load.rate = load.rate / 10
    with world.talking(load, writers=1) as crowd:
        room, moments = crowd.rooms[0], {}

        def work():
            with transaction():
                say(person("ada"), db.session.get(Room, room), "open for long", key="ada-1-late")
                for _ in range(size.of(3, 30)):
                    db.session.execute(text("SELECT 1"))  # PostgreSQL ends a transaction that does nothing for long
                    crowd.wait(0.5)
            moments["committed"] = time.time()

        world.act(work)
        crowd.wait(2.5)
    outcome = crowd.outcome
    seen = [
        at - moments["committed"]
        for r in crowd.reports
        for (at, late, name) in r["latencies"]
        if late > size.of(1.4, 14) and name == f"room:{room}" and at >= moments["committed"] - 0.1
    ]
    outcome.figures["seen by"] = len(seen)
    if len(seen) < load.clients:
        outcome.broken.append(f"the late message was seen by {len(seen)}, not {load.clients}")
    outcome.within("seen after its commit max", round(max(seen, default=99), 3), 1.5)
    return outcome


@fault("R31", "one process no longer hears the queue, and lives", target=f"{NOTHING}; noticed within 5 s", instances=2)
def deaf(world, size):
    with world.talking(size.load) as crowd:
        began = time.monotonic()
        since = time.time()
        with world.switched("deaf"):
            while not all(server.ready().get("degraded") for server in world.servers):
                crowd.wait(0.1)
                if time.monotonic() - began > 20:
                    break
            noticed = time.monotonic() - began
            crowd.wait(size.of(0.5, 30))
        until = time.time()
        world.heard()
    outcome = while_gone(crowd, since, until)
    outcome.within("noticed after", round(noticed, 3), 6.5)
    return outcome


@fault("R08c", "half of everything on the queue is lost", target=f"{NOTHING}; seen within 2 s", instances=2)
def lossy(world, size):
    """Which half changes ten times a second."""
    with world.talking(size.load) as crowd:
        began, ends = time.time(), time.monotonic() + size.load.seconds
        while time.monotonic() < ends:
            with world.switched(*random.sample(["deaf", "no_hints"], 1)):
                crowd.wait(0.05)
            crowd.wait(0.05)
    world.heard()
    return while_gone(crowd, began, time.time())
