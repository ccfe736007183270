"""Several processes may start at once on one database: whoever comes while another changes the tables waits for it."""

import fcntl
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import contextmanager

import psycopg
import pytest

from tests.system.postgresql import PostgreSQL
from tests.system.server import ROOT, wait_until

HELD = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted = %s"
TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"


@pytest.fixture(scope="module")
def postgresql():
    cluster = PostgreSQL()
    yield cluster
    cluster.stop()


@contextmanager
def upgrading(folder, **environ):
    """`flask db upgrade`, running; it must succeed once the block is left."""
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "app", "db", "upgrade"],
        cwd=ROOT,
        env=os.environ | {"DATA_DIR": str(folder), **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said
    finally:
        process.kill()


def waits_for(path):
    """Whether somebody waits for the lock on this file: /proc/locks marks waiting with an arrow."""
    inode = path.stat().st_ino
    with open("/proc/locks") as locks:
        return any(re.search(rf"-> FLOCK .*:{inode} ", line) for line in locks)


def test_on_one_machine_the_second_waits_for_the_first(tmp_path):
    path = tmp_path / "migrating"
    with open(path, "w") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        with upgrading(tmp_path):
            wait_until(lambda: waits_for(path), seconds=60, what="it to wait for its turn")
            assert not (tmp_path / "parley.db").exists(), "it has not even opened the database"
            fcntl.flock(first, fcntl.LOCK_UN)

    with sqlite3.connect(tmp_path / "parley.db") as made:
        assert made.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)


@pytest.mark.services
def test_on_several_machines_the_second_waits_for_the_first(tmp_path, postgresql):
    url = postgresql.database()
    number = int(re.search(r"ONE_AT_A_TIME = (\w+)", (ROOT / "migrations/env.py").read_text())[1], 16)
    with psycopg.connect(url, autocommit=True) as first:
        first.execute("SELECT pg_advisory_lock(%s)", [number])
        with upgrading(tmp_path, DATABASE_URL=url):
            wait_until(lambda: first.execute(HELD, [False]).fetchone()[0], seconds=60, what="it to wait for its turn")
            assert first.execute(TABLES).fetchone() == (0,)
            first.execute("SELECT pg_advisory_unlock(%s)", [number])

        assert first.execute(TABLES).fetchone()[0] > 5
        assert first.execute(HELD, [True]).fetchone() == (0,), "it gave the lock back"
