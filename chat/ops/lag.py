"""How late the event loop is. Whatever holds it, holds everybody: more than 50 ms is a fault to be found."""

import time

EVERY = 0.02
ALARM = 0.05
LATE = 0.005


class LoopLag:
    """Sleeps for 20 ms again and again and notes by how much it woke too late.

    Late is also a loop whose processor was given to another program. So it notes, too, how much of the processor the
    loop used between two of its turns: that is what our own functions held it for (a slow disk is not in it).
    """

    def __init__(self, sleep):
        self.sleep = sleep
        self.last = self.worst = 0.0
        self.turns = self.late = 0  # how often it woke, and of those more than LATE too late
        self.over = 0  # how often it was more than ALARM
        self.busy_worst, self.busy_over = 0.0, 0  # the same for the processor time between two turns

    def watch(self):
        while True:
            began, used = time.monotonic(), time.thread_time()
            self.sleep(EVERY)
            busy = time.thread_time() - used
            self.busy_worst = max(self.busy_worst, busy)
            self.busy_over += busy > ALARM
            self.last = max(0.0, time.monotonic() - began - EVERY)
            self.worst = max(self.worst, self.last)
            self.turns += 1
            self.late += self.last > LATE
            self.over += self.last > ALARM
