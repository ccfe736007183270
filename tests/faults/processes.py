"""What happens to processes and to the connections to them."""

import os
import random
import re
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise

from sqlalchemy import select

from chat.accounts.actions import end_other_sessions
from chat.core.db import db
from chat.messages.models import Message
from tests.factories import person
from tests.faults.proxy import Proxy
from tests.faults.table import fault
from tests.faults.world import Outcome, clients_of, spread
from tests.system.server import wait_until
from tests.system.wire import Gone, Wire

NOTHING = "0 lost, 0 duplicated, 0 out of order"


@fault("R01", "kill -9 one of two workers every 5 s", target=f"{NOTHING}; back within 3 s, p95 1.5 s", workers=2)
def kill_one(world, size):
    load, every, killed = size.lasting(4, 120), size.of(1.5, 5), 0
    with world.talking(load) as crowd:
        ends = time.monotonic() + load.seconds
        while time.monotonic() < ends:
            crowd.wait(every)
            world.whole()
            killed += world.kill_worker()
        world.whole()
    crowd.outcome.figures["workers killed"] = killed
    return came_back(crowd, 3, p95=1.5)


@fault("R02", "kill -9 both workers every 15 s", target=f"{NOTHING}; back within 6 s", workers=2)
def kill_all(world, size):
    load, every, killed = size.lasting(2, 120), size.of(1.5, 15), 0
    with world.talking(load) as crowd:
        ends = time.monotonic() + load.seconds
        while time.monotonic() < ends:
            crowd.wait(every)
            for process in world.workers():
                with suppress(ProcessLookupError):
                    os.kill(process, 9)
                    killed += 1
            world.whole()
    crowd.outcome.figures["workers killed"] = killed
    return came_back(crowd, 6)


def came_back(crowd, most, p95=None):
    outcome = crowd.outcome
    recoveries = crowd.recoveries()
    outcome.figures |= spread("back", recoveries)
    if recoveries:
        outcome.within("back max", outcome.figures["back max"], most)
        if p95:
            outcome.within("back p95", sorted(recoveries)[int(len(recoveries) * 0.95) - 1], p95)
            outcome.figures["back p95"] = round(outcome.figures["back p95"], 3)
    else:
        outcome.broken.append("nobody lost a connection: there was no fault")
    return outcome


@fault(
    "R03",
    "killed between commit and telling anybody",
    target=f"{NOTHING}; seen by those who are there within 2 s; back within 6 s",
    workers=2,
)
def die_after_commit(world, size):
    """Until enough have died for its length: one in five seconds, of two that need most of them to start."""
    load, died = size.lasting(4, 120), 0
    enough = size.of(1, round(load.seconds / 5))
    with world.talking(load, writers=1) as crowd:
        began, living = time.monotonic(), set(world.workers())
        with world.switched("die"):
            while (spent := time.monotonic() - began) < load.seconds or (died < enough and spent < 4 * load.seconds):
                crowd.wait(0.1)
                now = set(world.workers())
                died += len(living - now)
                living = now
        world.whole()
    crowd.outcome.figures["died"] = died
    if died < enough:
        crowd.outcome.broken.append(f"only {died} processes died, not {enough}: there was too little of a fault")
    there = crowd.seen_by_those_there()
    crowd.outcome.figures |= spread("seen by those there", there)
    crowd.outcome.within("seen by those there max", max(there, default=None), 2)
    return came_back(crowd, 6)


@fault("R04", "the connection is cut in place of the acknowledgement", target="each message stored once", workers=2)
def cut_acknowledgements(world, size):
    sends = size.of(60, 2000)
    proxy = Proxy(world.servers[0].port)
    proxy.cut_share = 0.5
    try:
        load = size.load
        load.rate, load.haste = 60, 0.1  # each cut costs a handshake, a sign-in and a resume
        with world.talking(load, places=[("127.0.0.1", proxy.port)]) as crowd:
            wait_until(lambda: proxy.cut >= sends / 2, seconds=size.of(60, 600), what="acknowledgements to be cut")
            proxy.cut_share = 0
        crowd.outcome.figures["acknowledgements cut"] = proxy.cut
        return crowd.outcome
    finally:
        proxy.close()


@fault("R16", "two processes are restarted one after the other", target=f"{NOTHING}; 0 failed; pause 3 s", instances=2)
def rolling_restart(world, size):
    load = size.load
    rounds = max(1, round(size.seconds / 25)) if size.seconds else size.of(1, 10)
    with world.talking(load) as crowd:
        for _ in range(rounds):
            for server in world.servers:
                crowd.wait(size.of(0.5, 9))  # those who were sent away are back before the other is restarted
                server.restart()
    answers = sorted((a[6] - a[4], a[4]) for r in crowd.reports for a in r["acknowledged"])
    crowd.outcome.figures["rounds"] = rounds
    crowd.outcome.within("longest pause of a sender", max(spent for _, spent in answers), 3)
    return came_back(crowd, 12)  # they are asked to stay away for up to 8 s


@fault("R18", "the clock of one of two processes is an hour off, and steps", target=NOTHING, instances=2)
def clock_steps(world, size):
    """A file tells tests/faults/app.py how far off the clock of this process is."""
    load = size.load
    file = world.folder / f"clock-{world.servers[1].port}"
    try:
        with world.talking(load) as crowd:
            for seconds in (3600, -3600, 0):
                file.write_text(str(seconds))
                crowd.wait(load.seconds / 3)
    finally:
        file.unlink(missing_ok=True)
    outcome = crowd.outcome
    for name in [name for name in outcome.figures if name.startswith("seen")]:
        del outcome.figures[name]  # these compare clocks
    by_room = world.act(lambda: [[m.created_at for m in in_order(room)] for room in crowd.rooms])
    outcome.never(
        "times that go back", [later for times in by_room for earlier, later in pairwise(times) if later < earlier]
    )
    return outcome


def in_order(room):
    return db.session.scalars(select(Message).where(Message.room_id == room).order_by(Message.seq)).all()


@fault(
    "S03", "somebody is signed out elsewhere while others post, the queue gone", target="0 newer frames", instances=2
)
def sign_out(world, size):
    """The session ends in this process; whoever posts is on the server that the signed-out person is connected to.
    Newer is what was sent after the sign-out had been committed."""
    writer, reader = world.people_needed(2)
    room, server, trials, newer, ended = world.new_room([writer, reader]), world.servers[0], size.of(15, 200), [], []
    sent, enough = [], threading.Event()

    def talk():
        wire, n = Wire(server, server.cookie(writer)), 0
        while not enough.is_set():
            n += 1
            sent.append(time.monotonic())
            wire.call("message", {"room": room, "text": f"{n - 1}", "key": f"k{n}-{random.random()}"})
            wire.take()

    world.redis.kill()
    talking = threading.Thread(target=talk)
    talking.start()
    try:
        for _ in range(trials):
            wire = Wire(server, server.cookie(reader))
            wait_until(
                lambda wire=wire: any(name == "message" for name, _ in wire.take(1)), what="the talk to be heard"
            )
            world.act(lambda: end_other_sessions(person(reader)))
            committed = time.monotonic()
            texts = []
            with suppress(Gone):
                while time.monotonic() < committed + 10:
                    texts += [int(p["message"]["text"]) for name, p in wire.take(1) if name == "message"]
            ended.append(time.monotonic() - committed)
            newer += [text for text in texts if sent[text] > committed]
    finally:
        enough.set()
        talking.join()
        world.redis.start()
        world.heard()
    outcome = Outcome()
    outcome.never("newer frames", newer)
    outcome.figures["sign-outs"] = len(ended)
    outcome.within("ended max", round(max(ended), 3), 2)
    return outcome


@fault("R27", "many write into one room", target=f"{NOTHING}; 200 messages a second, answered within 0.25 s", workers=2)
def hot_room(world, size):
    load = replace(size.load, rooms=1, clients=size.of(8, 50), rate=size.of(30, 300), edits=0, deletes=0)
    with world.talking(load) as crowd:
        crowd.wait(load.seconds)
    outcome = crowd.outcome
    answers = sorted(a[6] for r in crowd.reports for a in r["acknowledged"])
    rate = len(answers) / (answers[-1] - answers[0])
    outcome.figures |= {"senders": load.clients, "messages a second": round(rate)}
    if size.long and rate < 200:
        outcome.missed.append(f"messages a second: {rate:.0f}, not 200")
    outcome.within("ack p99", outcome.figures["ack p99"], 0.25)
    return outcome


@fault(
    "R30",
    "talk for a long time while one fault after the other happens",
    target=f"{NOTHING}; memory and descriptors level, no traceback",
    workers=2,
)
def soak(world, size):
    load = size.lasting(4, 300)
    load.rate /= size.of(1, 4)
    chance, logged = random.Random(30), [len(server.log()) for server in world.servers]
    with world.talking(load) as crowd:
        clients = load.rooms * load.clients * load.tabs
        everybody_is_here(world, clients)
        crowd.wait(size.of(0.7, 5))
        before = Held.by(world)
        ends = time.monotonic() + load.seconds
        while time.monotonic() < ends:
            crowd.wait(size.of(0.7, 5))
            what = chance.choice(("worker", "redis", "freeze", "deaf", "silent"))
            if what == "worker":
                world.whole()
                world.kill_worker()
            elif what == "redis":
                world.redis.kill()
                crowd.wait(size.of(0.3, 3))
                world.redis.start()
            elif what == "freeze":
                world.redis.freeze()
                crowd.wait(size.of(0.3, 8))
                world.redis.thaw()
            else:
                with world.switched({"deaf": "deaf", "silent": "no_hints"}[what]):
                    crowd.wait(size.of(0.3, 6))
        world.whole()
        world.heard()
        everybody_is_here(world, clients)
        after = Held.by(world)
    outcome = crowd.outcome
    outcome.figures |= {"connections": clients, "before": str(before), "after": str(after)}
    if after.files > before.files + MORE_FILES:
        outcome.broken.append(f"descriptors: {after.files}, before {before.files}")
    if after.memory > before.memory + MORE_MEMORY:
        outcome.broken.append(f"memory: {after.memory >> 20} MiB, before {before.memory >> 20}")
    logs = (server.log()[since:] for server, since in zip(world.servers, logged, strict=True))
    outcome.never("tracebacks in the log", [log[at : at + 300] for log in logs for at in places_of("Traceback", log)])
    return outcome


MORE_FILES = 20  # of all processes together: what a database or a queue is asked over, now and then
MORE_MEMORY = 48 << 20  # caches that fill


@dataclass(frozen=True)
class Held:
    """Open files of all processes that serve, and their memory in bytes."""

    files: int
    memory: int

    def __str__(self):
        return f"{self.files} files and {self.memory >> 20} MiB"

    @classmethod
    def by(cls, world):
        files = memory = 0
        for server in world.servers:
            for process in world.workers(server):
                with suppress(OSError):
                    files += len(os.listdir(f"/proc/{process}/fd"))
                    with open(f"/proc/{process}/statm") as statm:
                        memory += int(statm.read().split()[1]) * 4096
        return cls(files, memory)


def everybody_is_here(world, clients):
    """Wait until the servers hold the connections of so many clients: all came back, and who has gone is not held."""

    def held():
        return sum(clients_of(process, server.port) for server in world.servers for process in world.workers(server))

    wait_until(lambda: held() == clients, seconds=60, what=lambda: f"{clients} connections; there are {held()}")


def places_of(word, text):
    return [found.start() for found in re.finditer(word, text)]
