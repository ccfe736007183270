"""What a worker no longer has to load, seen from a process that does as gunicorn's master and its worker do."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = {"SECRET_KEY": "a key for tests, long enough for the check"}
MASTER = """
import gc, json, sys
from chat.server import libraries
libraries.load()
loaded, before = set(sys.modules), sorted(name for name in sys.modules if name.startswith("chat."))
"""


@pytest.fixture
def after_loading(tmp_path):
    """after_loading(code) returns what `code` prints as JSON, in a process that has done what the master does."""

    def run(code, **settings):
        done = subprocess.run(
            [sys.executable, "-c", MASTER + code],
            cwd=ROOT,
            env={"DATA_DIR": str(tmp_path), **SETTINGS, **settings},
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)

    return run


def test_the_application_brings_hardly_a_library_that_is_not_there_yet(after_loading):
    brought = after_loading(
        """
from chat import create_app
create_app()
own = sys.stdlib_module_names | {"chat", "config"}
new = {name for name in set(sys.modules) - loaded if name.split(".")[0] not in own and sys.modules[name].__spec__}
print(json.dumps(sorted(new)))
"""
    )
    assert len(brought) < 30, brought


def test_the_application_itself_is_not_there_yet(after_loading):
    assert set(after_loading("print(json.dumps(before))")) <= {
        "chat.core",
        "chat.core.scrub",
        "chat.server",
        "chat.server.async_mode",
        "chat.server.libraries",
    }


@pytest.mark.parametrize("mode", ["eventlet", "gevent"])
def test_the_master_really_waits_though_its_standard_library_is_green(after_loading, mode):
    sleep, queue, green, heard = after_loading(
        """
import os, time
from gunicorn import arbiter
told = arbiter.queue.SimpleQueue()
arbiter.signal.signal(arbiter.signal.SIGCHLD, lambda *_: told.put("a child has ended"))
child = arbiter.os.fork()
if not child:
    os._exit(0)
told.get(timeout=30)  # where the arbiter waits, too
ended, _ = arbiter.os.waitpid(-1, arbiter.os.WNOHANG)
print(json.dumps([repr(arbiter.time.sleep), repr(arbiter.queue.SimpleQueue), repr(time.sleep), ended == child]))
""",
        ASYNC_MODE=mode,
    )
    assert (sleep, queue) == ("<built-in function sleep>", "<class '_queue.SimpleQueue'>")
    assert green != sleep
    assert heard


def test_a_library_is_looked_through_for_garbage_no_more_and_the_rest_is(after_loading):
    frozen, at_work = after_loading("print(json.dumps([gc.get_freeze_count(), gc.isenabled()]))")
    assert frozen > 100_000
    assert at_work
