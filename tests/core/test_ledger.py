"""Group commit in processes like those that serve, in both async modes."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.conftest import settings_for
from tests.databases import ON_POSTGRESQL
from tests.system.server import ROOT


@pytest.fixture(params=["eventlet", "gevent"])
def carry_out(request, founded, tmp_path):
    """carry_out(scenario) → what came of it; see tests/core/green.py."""

    def carry_out(scenario):
        folder = tmp_path / "data"
        shutil.copytree(founded, folder)
        settings_for(folder)  # in this process, which has a server to make a database on
        command = [sys.executable, "-W", "ignore", "-m", "tests.core.green", request.param, str(folder), scenario]
        done = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    return carry_out


def in_order(numbers):
    """What they are when units are stored in the order in which they were begun. On PostgreSQL they come in another:
    first each looks up its author and its room, and while it waits the others go on."""
    return numbers if ON_POSTGRESQL else sorted(numbers)


def test_a_hundred_units_share_few_transactions_and_each_has_its_own_verdict(carry_out):
    came = carry_out("mixed")

    results = came["results"]
    assert [results[n] for n in range(3, 100, 10)] == ["forbidden"] * 10
    assert [results[n] for n in range(7, 100, 10)] == ["broken"] * 10
    numbers = [seq for seq in results if isinstance(seq, int)]
    assert numbers == in_order(numbers)
    assert came["entries"] == list(range(1, came["head"] + 1)), "no hole where a unit was undone"
    assert len(came["texts"]) == len(set(numbers)) == 79 and results[98] == results[99], "the same key is one message"
    assert came["groups"] < came["units"] / 4


@pytest.mark.sqlite
def test_while_another_process_holds_the_lock_all_are_told_and_the_retry_is_stored_once(carry_out):
    came = carry_out("locked")

    assert came["results"]["while"] == ["busy", "busy"]
    assert len(set(came["results"]["then"])) == 1 and came["texts"] == ["one"]


@pytest.mark.sqlite
def test_a_full_disk_is_told_and_loses_nothing_that_was_acknowledged(carry_out):
    came = carry_out("full")

    told = came["results"]["while"]
    assert "busy" in told
    assert len(came["texts"]) == len([seq for seq in told if isinstance(seq, int)]) + 1
    assert came["texts"][-1] == "again" and came["entries"] == list(range(1, came["head"] + 1))


def test_what_waits_when_the_process_is_told_to_stop_is_stored_and_nothing_overtakes_it(carry_out):
    came = carry_out("stopped")

    *texts, last = came["texts"]
    assert last == "late", "what comes after is stored, too"
    numbers = [50 if text == "meanwhile" else int(text) for text in texts]
    assert numbers == in_order(numbers) and sorted(numbers) == [*range(51)]


@pytest.mark.sqlite
def test_a_unit_that_lets_others_run_while_it_writes_is_named_in_the_log(carry_out):
    came = carry_out("switching")

    assert came["texts"] == ["1", "2"]
    [said] = came["results"]["said"]
    assert "switching.<locals>.unit" in said and "let another green thread run" in said


def test_a_native_thread_waits_beside_the_loop_and_keeps_what_it_works_on_to_the_end(carry_out):
    came = carry_out("beside")["results"]

    assert came["results"] == [3, "slow", "quick"]
    assert (came["early"], came["late"]) == ([], ["interrupted"])
    assert came["failed"] == ["failed", 7]


def test_what_computes_for_long_never_does_so_in_the_loop(carry_out):
    came = carry_out("apart")["results"]

    assert came["elsewhere"] and came["nicer"]
    assert came["answers"] == ["fed"] * 4 + ["feeding"]
    assert came["failed"] == ["failed", [2, 1]]
