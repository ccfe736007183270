"""A throwaway PostgreSQL for tests: its own cluster on a free port, gone afterwards."""

import atexit
import itertools
import os
import pwd
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import psycopg
import pytest

from tests.system.ports import free_port

FAST = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None


class PostgreSQL:
    """Skips the test that asks for it, by name, when PostgreSQL is missing.

    durable   what is committed survives the end of it all; without, it is quick and in memory where there is room
    host      another address that it listens on, for those in other networks
    """

    def __init__(self, *, durable=False, host="127.0.0.1"):
        self.bin = _programs()
        # Not below pytest's folders, which it keeps for their owner alone.
        self.folder = Path(mkdtemp(prefix="parley-postgresql-", dir=None if durable else MEMORY))
        self.port, self.names = free_port(), itertools.count(1)
        self.as_user = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            postgres = pwd.getpwnam("postgres")
            self.as_user = ["runuser", "-u", "postgres", "--"]
            os.chown(self.folder, postgres.pw_uid, postgres.pw_gid)
        self._run("initdb", "-D", self.folder, "-A", "trust", "-U", "parley", "-E", "UTF8", "--no-sync")
        self.options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1,{host} -c unix_socket_directories={self.folder} "
            f"-c max_connections=200 {'' if durable else FAST}"
        )
        self.start()

    def start(self):
        self._run("pg_ctl", "-D", self.folder, "-w", "-l", self.folder / "log", "-o", self.options, "start")

    def crash(self):
        """Every process of it ends at once, as when the machine stops: nothing is written that was not, nobody told."""
        self._run("pg_ctl", "-D", self.folder, "-m", "immediate", "stop")

    def database(self, template=None):
        """The address of a new database: empty, or a copy of the one of this name."""
        name = f"parley{next(self.names)}"
        copied = f"TEMPLATE {template} STRATEGY FILE_COPY" if template else ""
        self.do(f"CREATE DATABASE {name} {copied}")
        return self.address(name)

    def drop(self, address):
        self.do(f"DROP DATABASE {address.rpartition('/')[2]} WITH (FORCE)")

    def do(self, statement):
        """Run a statement, outside any database of a test."""
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def address(self, name):
        return f"postgresql://parley@127.0.0.1:{self.port}/{name}"

    def stop(self):
        if (self.folder / "postmaster.pid").exists():  # else it has crashed already
            self.crash()
        shutil.rmtree(self.folder)

    def log(self):
        return (self.folder / "log").read_text()

    def _run(self, program, *args):
        done = subprocess.run(
            [*self.as_user, self.bin / program, *args],
            cwd="/",
            stdout=subprocess.DEVNULL,  # no pipe: the server would keep it
            stderr=subprocess.DEVNULL if program == "pg_ctl" else subprocess.PIPE,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.stderr or self.folder / 'log'}"


@cache
def shared():
    """The cluster that everybody uses who does not stop it, until this process ends."""
    cluster = PostgreSQL()
    atexit.register(cluster.stop)
    return cluster


def _programs():
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [Path(p) for p in [shutil.which("initdb")] if p]
    if not found:
        pytest.skip("PostgreSQL is missing")
    return found[-1].parent
