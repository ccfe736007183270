"""Several processes that start at once on an empty database: one makes the tables, the others wait for them."""

import os
import subprocess
import sys

import pytest

from tests.system.postgresql import PostgreSQL
from tests.system.server import ROOT

TOGETHER = 4


@pytest.fixture(scope="module")
def postgresql():
    cluster = PostgreSQL()
    yield cluster
    cluster.stop()


def upgrade_together(folder, **environ):
    """The last lines of `flask db upgrade` in several processes that began together; all must succeed."""
    command = [sys.executable, "-m", "flask", "--app", "app", "db", "upgrade"]
    environ = os.environ | {"DATA_DIR": str(folder), **environ}
    running = [
        subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(TOGETHER)
    ]
    said = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0] * TOGETHER, said
    return said


def steps(said):
    return [line for text in said for line in text.splitlines() if "Running upgrade" in line]


def test_sqlite_is_made_once(tmp_path):
    said = upgrade_together(tmp_path)

    assert len(steps(said)) == len(set(steps(said))) > 0, "each step was taken by one process"


@pytest.mark.services
def test_postgresql_is_made_once(tmp_path, postgresql):
    said = upgrade_together(tmp_path, DATABASE_URL=postgresql.database())

    assert len(steps(said)) == len(set(steps(said))) > 0, "each step was taken by one process"
    assert "Traceback" not in postgresql.log()
