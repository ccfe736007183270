"""What gunicorn loads: the faults that FAULTS names are put in, then it is the application as always.

`FAULTS="drop_hints=0.5,slow_poll=60"` names functions of this module, or mutations of mutations.py.
"""

import os
import random
import signal
import time
from datetime import datetime, timedelta

from tests.faults.mutations import MUTATIONS


def drop_hints(share):
    """So large a part of all messages on the bus, 0 to 1, is lost on its way to this process, its own echo included."""
    from chat.realtime.bus.queued import Queued

    receive = Queued.receive

    def lossy(self, data):
        if random.random() >= share:
            receive(self, data)

    Queued.receive = lossy


def slow_poll(seconds):
    """The pump polls only so often. What arrives sooner came over the bus, or from this process."""
    from chat.realtime.pump import Pump

    poll, last = Pump.poll, [time.monotonic()]

    def seldom(self):
        if time.monotonic() - last[0] >= seconds:
            last[0] = time.monotonic()
            poll(self)

    Pump.poll = seldom


def fast_poll(seconds):
    """The pump polls so often, instead of once a second: what is found there needs no patience."""
    from chat.realtime.pump import Pump

    init = Pump.__init__

    def hasty(self, *args, sleep, **options):
        init(self, *args, sleep=lambda pause: sleep(seconds if pause == 1 else pause), **options)

    Pump.__init__ = hasty


def by_switch(_):
    """Faults that happen while there is a file `fault-<name>` in DATA_DIR.

    deaf       nothing that is on the bus reaches this process, its own echo included
    no_hints   this process tells the others nothing of what it stores
    die        one in ten times that a message was stored, the process is killed before it tells anybody

    And `clock-<port>` there holds by how many seconds the clock of this process is wrong.
    """
    from chat.core import clock
    from chat.core.transaction import Transaction
    from chat.messages.events import MessagePosted
    from chat.realtime.bus.queued import Queued

    folder, port = os.environ["DATA_DIR"], os.environ["PORT"]
    receive, hint, run_after = Queued.receive, Queued.hint, Transaction.run_after

    def happens(name):
        return os.path.exists(f"{folder}/fault-{name}")

    def may_be_deaf(self, data):
        if not happens("deaf"):
            receive(self, data)

    def may_be_silent(self, stream, head):
        if not happens("no_hints"):
            hint(self, stream, head)

    def may_die(self, committed_at):
        posted = any(isinstance(event, MessagePosted) for event in self.events)
        if posted and happens("die") and random.random() < 0.1:
            os.kill(os.getpid(), signal.SIGKILL)
        run_after(self, committed_at)

    class Moment(clock.datetime):
        @classmethod
        def now(cls, zone):
            moment = datetime.now(zone)
            try:
                with open(f"{folder}/clock-{port}") as file:
                    return moment + timedelta(seconds=float(file.read() or 0))
            except FileNotFoundError:
                return moment

    clock.datetime = Moment
    Queued.receive, Queued.hint, Transaction.run_after = may_be_deaf, may_be_silent, may_die


FAULTS = {"drop_hints": drop_hints, "slow_poll": slow_poll, "fast_poll": fast_poll, "by_switch": by_switch}

for named in filter(None, os.environ.get("FAULTS", "").split(",")):
    name, _, value = named.strip().partition("=")
    if name in MUTATIONS:
        MUTATIONS[name][2](setattr)
    else:
        FAULTS[name](float(value or 1))

from app import app  # noqa: E402, F401 - spoilt first
