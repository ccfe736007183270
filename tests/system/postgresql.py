"""A throwaway PostgreSQL for tests: its own cluster on a free port, gone afterwards."""

import itertools
import os
import pwd
import shutil
import subprocess
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.system.server import free_port

FAST = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200"


class PostgreSQL:
    """Skips the test that asks for it, by name, when PostgreSQL is missing."""

    def __init__(self):
        self.bin = _programs()
        # Not below pytest's folders, which it keeps for their owner alone.
        self.folder, self.port, self.names = Path(mkdtemp(prefix="parley-postgresql-")), free_port(), itertools.count(1)
        self.as_user = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            postgres = pwd.getpwnam("postgres")
            self.as_user = ["runuser", "-u", "postgres", "--"]
            os.chown(self.folder, postgres.pw_uid, postgres.pw_gid)
        self._run("initdb", "-D", self.folder, "-A", "trust", "-U", "parley", "-E", "UTF8", "--no-sync")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} {FAST}"
        self._run("pg_ctl", "-D", self.folder, "-w", "-l", self.folder / "log", "-o", options, "start")

    def database(self):
        """The address of a new, empty database."""
        name = f"parley{next(self.names)}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "parley", name)
        return f"postgresql://parley@127.0.0.1:{self.port}/{name}"

    def stop(self):
        self._run("pg_ctl", "-D", self.folder, "-m", "immediate", "stop")
        shutil.rmtree(self.folder)

    def log(self):
        return (self.folder / "log").read_text()

    def _run(self, program, *args):
        done = subprocess.run(
            [*self.as_user, self.bin / program, *args],
            cwd="/",
            capture_output=program != "pg_ctl",
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"


def _programs():
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [Path(p) for p in [shutil.which("initdb")] if p]
    if not found:
        pytest.skip("PostgreSQL is missing")
    return found[-1].parent
