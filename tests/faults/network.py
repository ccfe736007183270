"""What happens to the network: a process in a network namespace of its own, whose packets are lost by rule.

Needs root and nft. Packets are dropped by nft, both ways or one way, all or a fifth of them; kernels without
`sch_netem` cannot delay any, so what is late is made so by a proxy.
"""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest

from tests.faults.proxy import Proxy
from tests.faults.table import fault
from tests.system.server import ROOT, Server

NOTHING = "0 lost, 0 duplicated, 0 out of order"


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"


class Namespace:
    """A network namespace at 10.<n>.1.2, reached from here, which is 10.<n>.1.1 to it."""

    def __init__(self):
        if os.geteuid() or not shutil.which("nft") or not shutil.which("ip"):
            pytest.skip("network namespaces need root, ip and nft")
        number = os.getpid() % 200 + 20
        self.name, self.here, self.there = f"parley{os.getpid()}", f"10.{number}.1.1", f"10.{number}.1.2"
        link = f"pv{os.getpid()}"
        self.inside = ["ip", "netns", "exec", self.name]
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        run("ip", "addr", "add", f"{self.here}/24", "dev", link)
        run("ip", "link", "set", link, "up")
        run(*self.inside, "ip", "addr", "add", f"{self.there}/24", "dev", "eth0")
        run(*self.inside, "ip", "link", "set", "eth0", "up")
        run(*self.inside, "ip", "link", "set", "lo", "up")
        run(*self.inside, "nft", "add", "table", "inet", "faults")

    def close(self):
        run("ip", "netns", "del", self.name)

    @contextmanager
    def losing(self, *matches, share=100, directions=("input", "output")):
        """So many of 100 packets are lost meanwhile: of those that match, such as "tcp dport 6379"; of all without."""
        for direction in directions:
            hook = f"{{ type filter hook {direction} priority 0; }}"
            run(*self.inside, "nft", "add", "chain", "inet", "faults", direction, hook)
            for match in matches or ("oifname eth0" if direction == "output" else "iifname eth0",):
                lost = ["numgen", "random", "mod", "100", "<", str(share)] if share < 100 else []
                run(*self.inside, "nft", "add", "rule", "inet", "faults", direction, *match.split(), *lost, "drop")
        try:
            yield
        finally:
            run(*self.inside, "nft", "flush", "table", "inet", "faults")


class Inside(Server):
    """A server in a namespace."""

    namespace = None

    def begin(self):
        self.environ["HOST"], self.url = "0.0.0.0", f"http://{self.namespace.there}:{self.port}"
        with open(self.folder / "server.log", "ab") as log:
            environ = {k: v for k, v in os.environ.items() if not k.startswith("WERKZEUG")} | self.environ
            command = [*self.namespace.inside, sys.executable, "-m", self.module]
            self.process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=log, stderr=log)
        return self


@fault(
    "R11", "a process loses Redis, its clients, and a part of all packets", target=f"{NOTHING}; 3 s after", alone=True
)
def partitions(make, size):
    """One of two processes is in a namespace. So are, on the way to it, half of the clients; the database's port and
    Redis are outside."""
    namespace = Namespace()
    try:
        inside = type("Inside", (Inside,), {"namespace": namespace})
        world = make(servers=[Server, inside], host=namespace.here)
        try:
            return _partitions(world, namespace, size)
        finally:
            world.close()
    finally:
        namespace.close()


def _partitions(world, namespace, size):
    outside, inside = world.servers
    clients, seconds = f"tcp dport {inside.port}", size.of(1.5, 30)
    queue = [f"tcp dport {world.redis.port}"] + ([f"tcp dport {world.postgresql.port}"] if world.postgresql else [])
    phases = {
        "Redis and the database": {"matches": queue, "directions": ("output",)},
        "clients": {"matches": [clients], "directions": ("input",)},
        "answers to clients": {"matches": [f"tcp sport {inside.port}"], "directions": ("output",)},
        "a fifth of all": {"matches": [], "share": 20},
    }
    proxy = Proxy(outside.port)
    proxy.jitter = 0.2
    here, late, there = ("127.0.0.1", outside.port), ("127.0.0.1", proxy.port), (namespace.there, inside.port)
    try:
        with world.talking(size.load, where=lambda n, place: [(here, late, there, there)[n % 4]]) as crowd:
            crowd.wait(size.of(0.5, 3))
            for name, loss in phases.items():
                with namespace.losing(*loss.pop("matches"), **loss):
                    crowd.wait(seconds)
                crowd.mark(name)
                crowd.wait(size.of(1, 15))  # and then all is as before
    finally:
        proxy.close()
    for name, healed in crowd.marks:
        overdue = [
            at - healed for r in crowd.reports for at, late, _ in r["latencies"] if at > healed and at - late < healed
        ]
        crowd.outcome.within(f"all seen after: {name}", round(max(overdue, default=0), 3), 3)
    return crowd.outcome
