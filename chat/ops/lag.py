"""How late the event loop is. Whatever holds it, holds everybody: more than 50 ms is a fault to be found."""

import time

EVERY = 0.02
ALARM = 0.05


class LoopLag:
    """Sleeps for 20 ms again and again and notes by how much it woke too late."""

    def __init__(self, sleep):
        self.sleep = sleep
        self.last = self.worst = 0.0
        self.over = 0  # how often it was more than ALARM

    def watch(self):
        while True:
            began = time.monotonic()
            self.sleep(EVERY)
            self.last = max(0.0, time.monotonic() - began - EVERY)
            self.worst = max(self.worst, self.last)
            self.over += self.last > ALARM
