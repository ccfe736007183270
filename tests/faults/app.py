"""What gunicorn loads: the faults that FAULTS names are put in, then it is the application as always."""

import os
import random
import time


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


FAULTS = {"drop_hints": drop_hints, "slow_poll": slow_poll}

for named in filter(None, os.environ.get("FAULTS", "").split(",")):
    name, _, value = named.partition("=")
    FAULTS[name.strip()](float(value))

from app import app  # noqa: E402, F401 - spoilt first
