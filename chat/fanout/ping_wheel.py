"""One green thread keeps time for every connection: pings, readers that do not read, strangers that say nothing."""

import time

from chat.fanout.frames import POLICY, closing, frame

PING = frame(b"2")
STRANGER_SECONDS = 10  # to connect to a namespace; after that it is no client of ours


class PingWheel:
    """One slot for each second of the ping interval. A pong that is missing is noticed at the next turn."""

    def __init__(self, engine):
        self.engine = engine
        self.slots = [{} for _ in range(max(1, int(engine.ping_interval)))]
        self.turn, self.started = 0, False

    def add(self, transport):
        if not self.started:
            self.started = True
            self.engine.loop.spawn(self._run)
        transport.slot = (self.turn - 1) % len(self.slots)
        self.slots[transport.slot][transport] = None
        self.engine.strangers[transport] = time.monotonic() + STRANGER_SECONDS

    def discard(self, transport):
        if transport.slot is not None:
            self.slots[transport.slot].pop(transport, None)

    def _run(self):
        due = time.monotonic()
        while True:
            due += 1
            self.engine.loop.sleep(max(0, due - time.monotonic()))
            try:
                self.tick(time.monotonic())
            except Exception:
                self.engine.logger.exception("The ping wheel stumbled; it goes on.")

    def tick(self, now):
        """What is due in this second."""
        slot = self.slots[self.turn % len(self.slots)]
        self.turn += 1
        for transport in list(slot):
            if transport.pinged_at and now - transport.pinged_at > self.engine.ping_timeout:
                transport.lost(self.engine.reason.PING_TIMEOUT)
            else:
                transport.pinged_at = now
                transport.write(PING)
        for transport in [t for t in self.engine.behind if t.is_stale(now)]:
            self.engine.counted["slow"] += 1
            transport.lost()
        for transport, until in list(self.engine.strangers.items()):
            if until > now:
                break  # in the order they came
            self.engine.counted["strangers"] += 1
            transport.write(closing(POLICY))
            transport.lost()
