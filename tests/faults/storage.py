"""What happens to the database and to the disk."""

import os
import subprocess
import time
import urllib.request
from contextlib import suppress
from tempfile import mkdtemp

from tests.faults.table import fault

NOTHING = "0 lost, 0 duplicated, 0 out of order"


@fault(
    "R09",
    "PostgreSQL ends as in a crash, and starts again",
    target=f"{NOTHING}; no longer than 10 s",
    database="postgresql",
    workers=2,
)
def postgresql_restarted(world, size):
    with world.talking(size.load) as crowd:
        ready = []
        for _ in range(size.of(1, 5)):
            crowd.wait(size.of(1, 5))
            world.postgresql.restart()
            ready.append(time.time())
            crowd.wait(size.of(1, 5))
    outcome = crowd.outcome
    waited = [first_after(crowd, moment) - moment for moment in ready]
    outcome.within("stored again after", round(max(waited), 3), 10)
    outcome.figures["processes that ended"] = ended(world)
    return outcome


def first_after(crowd, moment):
    return min((a[6] for r in crowd.reports for a in r["acknowledged"] if a[6] > moment), default=moment + 99)


def ended(world):
    return sum(server.log().count("Worker exiting") + server.log().count("SIGKILL") for server in world.servers)


@fault(
    "R10", "PostgreSQL is frozen", target=f"{NOTHING}; nobody ends, the loop goes on", database="postgresql", workers=2
)
def postgresql_frozen(world, size):
    before, gone = set(world.workers()), ended(world)
    with world.talking(size.load) as crowd:
        crowd.wait(1)
        lags = []
        world.postgresql.freeze()
        try:
            ends = time.monotonic() + size.of(3, 15)
            while time.monotonic() < ends:
                crowd.wait(0.5)
                with suppress(OSError):
                    began = time.monotonic()
                    urllib.request.urlopen(f"{world.servers[0].url}/healthz", timeout=5).read()
                    lags.append(time.monotonic() - began)
        finally:
            world.postgresql.thaw()
        crowd.wait(1)
    outcome = crowd.outcome
    if set(world.workers()) != before or ended(world) != gone:
        outcome.broken.append("a process ended")
    outcome.figures["asked meanwhile"] = len(lags)
    outcome.within("healthz answered meanwhile max", round(max(lags, default=99), 3), 0.1)
    return outcome


class SmallDisk:
    """A file system of so many MiB, in memory. Needs root."""

    def __init__(self, mebibytes):
        self.folder = mkdtemp(prefix="parley-small-")
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", self.folder], check=True, capture_output=True
        )

    def fill(self):
        """Take all that is free. `free` gives it back."""
        with open(f"{self.folder}/full", "ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))

    def free(self):
        os.unlink(f"{self.folder}/full")

    def close(self):
        subprocess.run(["umount", "-l", self.folder], check=True)
        os.rmdir(self.folder)


@fault(
    "R12",
    "the disk is full",
    target="0 acknowledged and lost; pages are served; stored again within 5 s",
    database="sqlite",
    alone=True,
)
def disk_full(make, size):
    """Its world is its own: the database, its log and the server's log are on a disk of 24 MiB."""
    disk = SmallDisk(24)
    try:
        world = make(folder=disk.folder, queue=False)
        try:
            return _disk_full(world, disk, size)
        finally:
            world.close()
    finally:
        disk.close()


def _disk_full(world, disk, size):
    server, pages = world.servers[0], []
    cookie = server.cookie("ada")
    before = set(world.workers())
    load = size.load
    load.rate = min(load.rate, 60)
    with world.talking(load, padding=2000) as crowd:
        for _ in range(size.of(1, 3)):
            crowd.wait(size.of(1, 5))
            disk.fill()
            full = time.time()
            ends = time.monotonic() + size.of(2.5, 10)
            while time.monotonic() < ends:
                request = urllib.request.Request(f"{server.url}/rooms/{crowd.rooms[0]}", headers={"Cookie": cookie})
                with suppress(OSError):
                    pages.append(urllib.request.urlopen(request, timeout=5).status)
                crowd.wait(0.2)
            disk.free()
            freed = time.time()
            crowd.wait(size.of(2, 5))
    outcome = crowd.outcome
    stored = [a for r in crowd.reports for a in r["acknowledged"] if full + 1 < a[6] < freed]
    outcome.figures["stored while full"] = len(stored)
    outcome.figures["pages while full"] = len(pages)
    outcome.never("pages that failed", [status for status in pages if status != 200] if pages else ["none was served"])
    outcome.within("stored again after", round(first_after(crowd, freed) - freed, 3), 5)
    if set(world.workers()) != before:
        outcome.broken.append("a process ended")
    if outcome.figures["repeated"] == 0:
        outcome.broken.append("nothing had to be repeated: the disk was not full")
    return outcome
