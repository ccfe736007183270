"""Parley and its peers as processes, and the load generator against them."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path

from tests.bench.community import first_room
from tests.system.server import wait_until

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
METRICS_TOKEN = "metrics for the benchmark"
SECRET_KEY = "a key for the benchmark, long enough for the check"
STARTS_IN, STOPS_IN = 60, 30  # seconds at most


class Failed(Exception):
    """A server did not start or the load generator did not finish; the text says why."""


def compiled(folder):
    """Build the C programs into `folder`. Raises Failed when there is no compiler or it refuses."""
    cc = shutil.which("cc") or shutil.which("gcc")
    if cc is None:
        raise Failed("A C compiler is missing (Debian: sudo apt-get install gcc libc6-dev).")
    for source, target, flags in (
        ("loadgen.c", "loadgen", []),
        ("peers/floor.c", "floor", []),
        ("peers/slowsync.c", "slowsync.so", ["-shared", "-fPIC"]),
    ):
        done = subprocess.run(
            [cc, "-O2", *flags, "-o", folder / target, HERE / source, "-ldl"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Failed(f"{source} does not compile:\n{done.stderr}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server(ABC):
    """One process (Parley: gunicorn and its worker) on a port of its own. Used with `with`: it is gone afterwards.

    work      the folder with the programs, the seeded database and the logs
    environ   more environment for the process
    """

    kind, namespace = "", ""

    def __init__(self, work, **environ):
        self.work, self.port, self.process = Path(work), free_port(), None
        self.environ = {k: str(v) for k, v in environ.items()}

    def __enter__(self):
        with open(self.work / f"{self.kind}.log", "ab") as log:
            self.process = subprocess.Popen(
                self.command(), cwd=ROOT, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, "PORT": str(self.port), **self.settings(), **self.environ},
            )  # fmt: skip
        with suppress(AssertionError):
            wait_until(lambda: self.answers() or self.process.poll() is not None, seconds=STARTS_IN)
        if not self.answers():
            self.stop()
            raise Failed(f"{self.kind} did not start:\n{(self.work / f'{self.kind}.log').read_text()[-1500:]}")
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ask it to stop, and after a while don't ask."""
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(STOPS_IN)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def restart(self):
        """When it is so far behind that what comes next would be measured wrongly."""
        self.stop()
        self.__enter__()

    @abstractmethod
    def command(self):
        """What to start, as a list of words."""

    def settings(self):
        return {}

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 0.5).close()
        except OSError:
            return False
        return True

    def pids(self):
        return [self.process.pid]

    def options(self, room_size):
        """What the load generator has to know to enter a room of this size here."""
        return ["--join-event", "join", "--join-args", '{"room":{room}}']

    def connects(self):
        """What it has to know merely to connect."""
        return []


class Node(Server):
    """npm socket.io."""

    kind = "node"

    def command(self):
        return ["node", HERE / "peers/node.mjs"]

    def settings(self):
        return {"NODE_ENV": "production"}


class Plain(Server):
    """Flask-SocketIO on eventlet, without anything of ours."""

    kind = "plain"

    def command(self):
        return [sys.executable, HERE / "peers/plain.py"]


class Floor(Server):
    """The floor, in C."""

    kind = "floor"

    def command(self):
        return [self.work / "floor"]

    def options(self, room_size):
        return ["--raw", "--path", "/"]


class Parley(Server):
    """Parley as `make run` starts it, on a copy of the seeded database. Rate limits are off: a hundred people could not
    keep it busy otherwise.

    data      a folder that another Parley already works on; its own when left out
    """

    kind = "parley"

    def __init__(self, work, *, people, data=None, **environ):
        super().__init__(work, **environ)
        self.people, self.own = people, data is None
        self.data = Path(data) if data else self.work / f"data-{self.port}"

    def command(self):
        return [sys.executable, "-m", "chat.server.start"]

    def settings(self):
        return {
            "DATA_DIR": str(self.data), "SECRET_KEY": SECRET_KEY, "RATE_LIMITS": "off", "METRICS_TOKEN": METRICS_TOKEN,
            "DATABASE_URL": f"sqlite:///{self.data / 'parley.db'}", "BASE_URL": f"http://localhost:{self.port}",
            "WEB_CONCURRENCY": "1", "ASYNC_MODE": os.environ.get("ASYNC_MODE", "eventlet"),
        }  # fmt: skip

    def __enter__(self):
        if self.own:
            shutil.copytree(self.work / "seed", self.data)
        return super().__enter__()

    def stop(self):
        super().stop()
        if self.own:
            shutil.rmtree(self.data, ignore_errors=True)

    def answers(self):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2).status == 200
        except OSError:
            return False

    def pids(self):
        """The master and its workers."""
        master = self.process.pid
        return [master, *map(int, Path(f"/proc/{master}/task/{master}/children").read_text().split())]

    def worker(self):
        return self.pids()[1]

    def options(self, room_size):
        return [*self.connects(), "--first-room", str(first_room(self.people, room_size))]

    def connects(self):
        return ["--namespace", "/chat", "--ready-event", "hello", "--cookies", self.work / "seed/cookies"]

    def metrics(self):
        """{name: value} of /metrics."""
        address = f"http://127.0.0.1:{self.port}/metrics"
        request = urllib.request.Request(address, headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
        try:
            lines = urllib.request.urlopen(request, timeout=10).read().decode().splitlines()
        except OSError as error:
            raise Failed(f"Parley's /metrics: {error}") from error
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[:1] != "#")}

    def stored(self):
        """How many messages the database holds."""
        with sqlite3.connect(f"file:{self.data / 'parley.db'}?mode=ro", uri=True) as connection:
            return connection.execute("SELECT count(*) FROM messages").fetchone()[0]


class Redis(Server):
    """A Redis of the benchmark's own, which keeps nothing."""

    kind = "redis"

    def command(self):
        return ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", self.work]

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"


def load(servers, *options, room_size=None, timeout=150, while_running=None):
    """Run the load generator against a server or several processes of one, and return what it measured.

    room_size      None: connect only
    while_running  called once it runs, with nothing; what it returns is not looked at
    """
    servers = servers if isinstance(servers, (list, tuple)) else [servers]
    first = servers[0]
    enters = first.connects() if room_size is None else ["--room-size", room_size, *first.options(room_size)]
    command = [
        first.work / "loadgen", "--target", ",".join(str(server.port) for server in servers),
        "--pids", ",".join(str(pid) for server in servers for pid in server.pids()), *enters, *options,
    ]  # fmt: skip
    process = subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        if while_running:
            while_running()
        out, complaint = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Failed(f"The load generator against {first.kind} was not done after {timeout} s.") from None
    finally:
        process.kill()
        process.wait()
    if not out:
        raise Failed(f"The load generator against {first.kind} ended with {process.returncode}: {complaint[-400:]}")
    return json.loads(out)
