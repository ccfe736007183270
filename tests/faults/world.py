"""A community with server processes, a database, a message queue and a crowd of clients: what faults are done to."""

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
import uuid
from bisect import bisect_right
from collections import defaultdict
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

import orjson
from flask_migrate import upgrade
from sqlalchemy import select

from chat.accounts.actions import create_user
from chat.accounts.passwords import hash_password
from chat.core.db import db
from chat.core.transaction import transaction
from chat.messages.models import Message
from chat.realtime.bus.transports import channel_of
from chat.rooms.actions import add_member, create_room
from chat.rooms.models import Membership
from chat.site.models import Site
from chat.streams import log
from chat.streams.models import Entry
from tests import factories
from tests.factories import person
from tests.faults.clients import digest
from tests.faults.neighbours import ReachablePostgreSQL, ReachableRedis
from tests.system.server import ROOT, Server, wait_until

ESTABLISHED = "01"  # in /proc/net/tcp


@dataclass
class Load:
    """How many talk how much. The default is the smallest that has something to lose."""

    rooms: int = 2
    clients: int = 3  # people in each room
    tabs: int = 1  # of each of them
    rate: float = 30  # messages a second, by all together
    seconds: float = 4
    edits: float = 0.1
    deletes: float = 0.05
    haste: float = 0.3  # of the pauses that a browser makes before it comes back
    patience: float = 30  # for what does not come


L1 = Load(rooms=20, clients=10, rate=200, seconds=60, haste=1, patience=60)


@dataclass
class Outcome:
    """What a fault did. `broken`: promises. `missed`: bounds in time, which a busy machine may miss."""

    figures: dict = field(default_factory=dict)
    broken: list = field(default_factory=list)
    missed: list = field(default_factory=list)

    def within(self, name, value, bound, unit="s"):
        """Note a figure that has a bound."""
        value = round(value, 3) if isinstance(value, float) else value
        self.figures[name] = value
        if value is None or value > bound:
            self.missed.append(f"{name}: {value} {unit}, not {bound}")

    def never(self, what, found):
        """Note what there must be none of. `found` is a list."""
        self.figures[what] = len(found)
        if found:
            self.broken.append(f"{what}: {len(found)}, such as {found[:3]}")

    def absorb(self, other):
        self.figures.update(other.figures)
        self.broken += other.broken
        self.missed += other.missed
        return self


class World:
    """Servers on one database. `workers`: of one gunicorn; `instances`: gunicorns.

    founded   a folder with a database that has the cast in it; made when missing
    servers   a class for each; `host` is where they find the queue and the database
    """

    def __init__(
        self,
        *,
        founded=None,
        database="sqlite",
        queue=True,
        workers=1,
        instances=1,
        servers=None,
        folder=None,
        host="127.0.0.1",
        **environ,
    ):
        self.own_folder = None if folder else mkdtemp(prefix="parley-faults-", dir="/dev/shm")
        self.folder = Path(folder or self.own_folder) / "data"
        self.redis = ReachableRedis(host) if queue else None
        self.postgresql = ReachablePostgreSQL(host) if database == "postgresql" else None
        environ |= {"WEB_CONCURRENCY": str(workers)} if workers > 1 else {}
        if self.redis:
            environ["MESSAGE_QUEUE_URL"] = self.redis.url
        if self.postgresql:
            environ["DATABASE_URL"] = self.postgresql.database()
        if founded and not self.postgresql:
            shutil.copytree(founded, self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        kinds = servers or [Server] * instances
        self.servers = [server(self.folder, **{"faults": "by_switch"} | environ) for server in kinds]
        if not founded or self.postgresql:
            self.act(found)
        self.people = {}
        for one in self.servers:
            one.begin()
        for one in self.servers:
            one.wait()
        if self.redis:
            self.heard()

    def close(self):
        for server in self.servers:
            server.close()
        if self.redis:
            with suppress(ProcessLookupError):
                self.redis.thaw()
            self.redis.stop()
        if self.postgresql:
            self.postgresql.thaw()
            self.postgresql.stop()
        if self.own_folder:
            shutil.rmtree(self.own_folder, ignore_errors=True)

    def act(self, work):
        """Run `work()` in this process, on the servers' database."""
        with self.servers[0].app.app_context():
            try:
                return work()
            finally:
                db.session.remove()

    def heard(self):
        """Wait until every server hears the message queue."""
        for server in self.servers:
            wait_until(lambda server=server: "degraded" not in server.ready(), seconds=30, what="the queue to be heard")

    def workers(self, server=None):
        """The ids of the processes that serve."""
        return (server or self.servers[0])._children()

    def kill_worker(self, server=None):
        """kill -9 one of a server's processes: the one that has most clients. Returns whether there was one."""
        server = server or self.servers[0]
        with suppress(ValueError, ProcessLookupError):
            os.kill(max(self.workers(server), key=lambda pid: clients_of(pid, server.port)), signal.SIGKILL)
            return True
        return False

    def whole(self):
        """Wait until every server has all its processes, and each of them serves: it hears the queue then."""
        count = sum(int(server.environ.get("WEB_CONCURRENCY", 1)) for server in self.servers)
        for server in self.servers:
            server.wait()
        if self.redis:
            channel = channel_of(self.servers[0].app.config["PARLEY"])
            with self.redis.client() as client:
                wait_until(
                    lambda: client.pubsub_numsub(channel)[0][1] >= count, seconds=60, what="all processes to serve"
                )

    @contextmanager
    def switched(self, *faults):
        """Have these faults of tests/faults/app.py happen meanwhile, in every process that serves."""
        files = [self.folder / f"fault-{name}" for name in faults]
        for file in files:
            file.touch()
        try:
            yield
        finally:
            for file in files:
                file.unlink()

    # ---- people -----------------------------------------------------------------------------------------------------

    def people_needed(self, count):
        """Usernames of this many people, made when there are not so many yet."""
        names = [f"person{n}" for n in range(count)]
        missing = [name for name in names if name not in self.people]

        def make():
            hashed = hash_password("four odd tide gauges")
            for some in (missing[n : n + 20] for n in range(0, len(missing), 20)):
                with transaction():
                    for name in some:
                        create_user(name=name, username=name, email=f"{name}@example.org", password_hash=hashed)
                for name in some:
                    self.people[name] = person(name).id

        self.act(make)
        return names

    def new_room(self, members, *, kind="private"):
        """The id of a new room of ada's with these people in it."""

        def make():
            with transaction():
                room = create_room(person("ada"), f"room-{uuid.uuid4().hex[:12]}", kind=kind)
                for member in members:
                    add_member(person("ada"), room, person(member))
            return room.id

        return self.act(make)

    def heads(self, names=None):
        return self.act(
            lambda: (
                log.heads(names) if names else dict(db.session.execute(select(log.Stream.name, log.Stream.head)).all())
            )
        )

    # ---- talk -------------------------------------------------------------------------------------------------------

    @contextmanager
    def talking(self, load, **options):
        """A Crowd that talks as long as the block lasts; then it comes to an end, and `outcome` is the verdict."""
        crowd = Talk(self, load, **options)
        try:
            crowd.begin()
            yield crowd
            crowd.settle()
        finally:
            crowd.close()

    def talk(self, load, fault, **options):
        """Have people talk while `fault(crowd)` happens. Returns the Outcome."""
        with self.talking(load, **options) as crowd:
            fault(crowd)
        return crowd.outcome


def found():
    upgrade(directory="migrations")
    factories.found()


def clients_of(pid, port):
    """How many connections to this port a process holds, by /proc."""
    tables = (Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6"))
    rows = [row.split() for table in tables for row in table.splitlines()[1:]]
    inodes = {row[9] for row in rows if row[3] == ESTABLISHED and row[1].endswith(f":{port:04X}")}
    links = set()
    for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
        with suppress(OSError):
            links.add(os.readlink(descriptor))
    return sum(f"socket:[{inode}]" in links for inode in inodes)


class Talk:
    """The clients of one fault, in a process of their own, and the verdict on them.

    places     [(host, port)] for the clients; of the servers themselves when missing
    where      where(client number, its number in the room) → places of that client alone
    writers    how many of each room write; all when None
    first      the number of the first person among them; whom another crowd is made of are others
    judged     without, the reports are all there is: for a database that is not the one they talked on
    """

    def __init__(
        self, world, load, *, places=None, where=None, writers=None, rooms_each=1, padding=0, judged=True, first=0
    ):
        self.world, self.load, self.judged, self.outcome, self.marks = world, load, judged, Outcome(), []
        self.file = world.folder.parent / f"journals-{uuid.uuid4().hex[:8]}.json"
        names = world.people_needed(first + load.rooms * load.clients)[first:]
        groups = [names[n : n + load.clients] for n in range(0, len(names), load.clients)]
        # Everybody is in a room of their own group and, with `rooms_each`, in those of the groups that follow.
        inside = defaultdict(list)
        for n, group in enumerate(groups):
            for m in range(rooms_each):
                inside[(n + m) % len(groups)] += group
        self.rooms = [world.new_room(inside[n]) for n in range(len(groups))]
        self.begun = world.heads([f"room:{room}" for room in self.rooms])
        places = places or [(None, server.port) for server in world.servers]
        origin = f"http://localhost:{world.servers[0].port}"
        count = load.rooms * load.tabs * (load.clients if writers is None else writers)
        epoch, allowed = world.act(lambda: (db.session.scalar(select(Site.epoch)), memberships()))
        clients = []
        tabs = [name for name in names for _ in range(load.tabs)]
        cookies = world.act(lambda: [world.servers[0].cookie(name) for name in tabs])
        for n, (name, cookie) in enumerate(zip(tabs, cookies, strict=True)):
            group, place = divmod(n // load.tabs, load.clients)
            own = [self.rooms[(group + m) % len(groups)] for m in range(rooms_each)]
            mine = where(n, place) if where else places
            clients.append(
                {
                    "name": name if n % load.tabs == 0 else f"{name}.{n % load.tabs}",
                    "cookie": cookie,
                    "epoch": epoch,
                    "rooms": own,
                    "allowed": allowed[world.people[name]],
                    "places": [(host or "127.0.0.1", port, self._origin(port, origin)) for host, port in mine],
                    "cursors": {f"room:{room}": self.begun[f"room:{room}"] for room in own},
                    "rate": load.rate / count if writers is None or place < writers else 0,
                }
            )
        shared = {name: getattr(load, name) for name in ("edits", "deletes", "haste", "patience")}
        self.plan = {"clients": clients, "file": str(self.file), "padding": padding, **shared}

    def _origin(self, port, otherwise):
        return f"http://localhost:{port}" if port in [server.port for server in self.world.servers] else otherwise

    def begin(self):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.clients"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.tell(json.dumps(self.plan))
        self.hear("ready")
        self.began = time.time()

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self, word):
        heard = self.process.stdout.readline().strip()
        assert heard == word, f"the clients said {heard!r}, not {word}"

    def wait(self, seconds):
        """Let this much time pass, of talk. Fails at once when the clients have ended."""
        with suppress(subprocess.TimeoutExpired):
            raise AssertionError(f"the clients ended with {self.process.wait(seconds)}")

    def mark(self, what):
        """Remember the moment at which something was over."""
        self.marks.append((what, time.time()))

    def settle(self):
        """Everybody finishes what they have to say, and sees everything; then the journals are held against the log."""
        self.tell("stop")
        self.hear("quiet")
        while True:  # an edit may still be on its way
            heads = self.world.heads([f"room:{room}" for room in self.rooms])
            self.tell("heads " + json.dumps(heads))
            self.hear("equal")
            if heads == self.world.heads(list(heads)):
                break
        self.tell("end")
        self.hear("ended")
        self.reports = orjson.loads(self.file.read_bytes())
        if self.judged:
            self.outcome.absorb(self.world.act(lambda: verdict(self.reports, self.rooms, self.begun, heads)))

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.file.unlink(missing_ok=True)

    def seen_by_those_there(self):
        """Seconds until a message was seen, without those in which a client had no connection, or was catching up."""
        found = []
        for report in self.reports:
            absences = sorted(report["absences"])
            backs = [back for _, back in absences]
            for at, late, _ in report["latencies"]:
                next_one = bisect_right(backs, at - late)
                if next_one == len(absences) or absences[next_one][0] > at:
                    found.append(late)
        return found

    def recoveries(self, since=0):
        """Seconds that clients were without what is new, each time that a connection ended after `since`."""
        return [back - lost for r in self.reports for lost, back in r["absences"] if lost >= max(since, self.began)]

    def latencies(self, since=0, until=float("inf")):
        """Seconds from a message's being stored to its being seen, between these moments."""
        return [late for r in self.reports for at, late, _ in r["latencies"] if since <= at < until]


def memberships():
    """{person: [the rooms they are in]}"""
    found = defaultdict(list)
    for user, room in db.session.execute(
        select(Membership.user_id, Membership.room_id).where(Membership.role.is_not(None))
    ):
        found[user].append(room)
    return found


def verdict(reports, rooms, begun, heads):
    """An Outcome: what the journals of these clients have that the database has not, and the other way round."""
    outcome = Outcome()
    stored = {m.id: m for m in db.session.scalars(select(Message).where(Message.room_id.in_(rooms)))}
    entries = defaultdict(list)
    for e in db.session.scalars(select(Entry).where(Entry.stream.in_(list(begun))).order_by(Entry.stream, Entry.seq)):
        if begun[e.stream] < e.seq <= heads[e.stream]:
            entries[e.stream].append((e.seq, e.kind, e.subject_id))
    keys = defaultdict(list)
    for message in stored.values():
        keys[message.author_id, message.key].append(message.id)
    by_key = {message.key: message for message in stored.values()}
    lost, twice, wrong, disordered = [], [ids for ids in keys.values() if len(ids) > 1], [], []
    refused, forbidden, unseen, content = [], [], [], {}
    for report in reports:
        name, last = report["name"], {}
        for key, message_id, seq, hashed, *_ in report["acknowledged"]:
            message = by_key.get(key)
            if message is None:
                lost.append(f"{key} was acknowledged and is not stored")
            elif (message.id, message.seq) != (message_id, seq) or (
                message.rev == 1 and not message.deleted_at and digest(message.text) != hashed
            ):
                wrong.append(f"{key} was acknowledged as another message than is stored")
        refused += [f"{key}: {code}" for key, code in report["refused"]]
        own = sorted((m for m in stored.values() if m.key.startswith(f"{name}-")), key=lambda m: m.seq)
        for message in own:
            n = int(message.key.split("-")[1])
            if n <= last.get(message.room_id, 0):
                disordered.append(f"{name}'s message {n} after {last[message.room_id]}")
            last[message.room_id] = n
        disordered += [p for p in report["problems"] if p.startswith("out of order")]
        forbidden += [p for p in report["problems"] if p.startswith("forbidden")]
        wrong += [p for p in report["problems"] if p.startswith("gone")]
        for stream, lines in report["journal"].items():
            skipped = [upto for of, upto in report["skipped"] if of == stream]
            expected = [e for e in entries[stream] if e[0] > max(skipped, default=0)]
            have = [line for line in lines if max(skipped, default=0) < line[0] <= heads[stream]]
            numbers = [line[0] for line in have]
            if len(numbers) != len(set(numbers)):
                twice.append(f"{name} has a number of {stream} twice")
            missing = {e[0] for e in expected} - set(numbers)
            if missing and not report["revoked"]:
                unseen.append(f"{name} has not seen {stream} {sorted(missing)[:5]}")
            known = {e[0]: e for e in expected}
            for seq, change, message_id, v, hashed in have:
                entry = known.get(seq)
                if entry is None or entry[1] != change or (message_id and entry[2] != message_id):
                    wrong.append(f"{name} saw {stream} {seq} as {change} of {message_id}; it is {entry}")
                if message_id and content.setdefault((message_id, v), hashed) != hashed:
                    wrong.append(f"{name} saw another text of message {message_id} at {v} than others")
    for (message_id, v), hashed in content.items():
        message = stored.get(message_id)
        if message and message.v == v and digest(message.text) != hashed:
            wrong.append(f"message {message_id} was seen with another text than is stored")
    acknowledged = [a for report in reports for a in report["acknowledged"]]
    outcome.figures |= {"messages": len(acknowledged), "deliveries": sum(len(r["latencies"]) for r in reports)}
    outcome.never("lost", lost + unseen)
    outcome.never("duplicated", twice)
    outcome.never("out of order", disordered)
    outcome.never("wrong", wrong)
    outcome.never("forbidden", forbidden)
    outcome.never("refused", refused)
    outcome.never("never answered", [r["name"] for r in reports if r["waiting"]])
    attempts = sum(r["attempts"] for r in reports)
    outcome.figures["repeated"] = attempts - len(acknowledged)
    outcome.figures |= spread("ack", [a[5] for a in acknowledged])
    outcome.figures |= spread("seen", [late for r in reports for _, late, _ in r["latencies"]])
    outcome.figures["resets"] = sum(r["resets"] for r in reports)
    return outcome


def spread(name, values):
    """{"name p50": …, "p99": …, "max": …} of these seconds."""
    if not values:
        return {}
    return {
        f"{name} p50": middle(values, 0.5),
        f"{name} p99": middle(values, 0.99),
        f"{name} max": round(max(values), 3),
    }


def middle(values, share):
    """The value that this share of them does not exceed. None of none."""
    values = sorted(values)
    return round(values[min(len(values) - 1, int(len(values) * share))], 3) if values else None


def mean(values):
    return round(statistics.mean(values), 3) if values else None
