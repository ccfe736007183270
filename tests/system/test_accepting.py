"""When everybody comes back at once the loop goes on between them."""

import subprocess
import sys

from tests.system.server import ROOT

PROGRAM = """
import eventlet
from chat.server.worker import ACCEPTED_AT_ONCE, EventletWorker

class Listener:
    waiting = 10 * ACCEPTED_AT_ONCE
    def setblocking(self, flag):
        pass
    def accept(self):
        if not self.waiting:
            raise eventlet.StopServe
        self.waiting -= 1
        return object(), ("127.0.0.1", 1)

class Pool:
    taken = 0
    def spawn_n(self, *_):
        self.taken += 1

worker, pool, turns = EventletWorker.__new__(EventletWorker), Pool(), []

def another_turn():
    turns.append(pool.taken)
    hub.schedule_call_global(0, another_turn)

hub = eventlet.hubs.get_hub()
another_turn()
worker.handle = None
worker.accept(Listener(), pool)
assert pool.taken == 10 * ACCEPTED_AT_ONCE, pool.taken
steps = [b - a for a, b in zip(turns, turns[1:])]
assert len(turns) >= 9 and max(steps) <= ACCEPTED_AT_ONCE, turns
"""


def test_others_have_their_turn_while_many_connect_at_once():
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
