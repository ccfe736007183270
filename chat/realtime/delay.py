"""How long what this process has committed takes until it is on its way to those who follow it."""

import time


class WriteDelay:
    """Seconds from a commit to the moment in which the frame has been given to the sockets, or to the queues of those
    who read slowly. Only for commits of this process: when another one committed, no clock here tells."""

    def __init__(self, fanout):
        self.fanout = fanout
        self.count, self.sum, self.worst = 0, 0.0, 0.0
        self._published = []

    def published(self, committed_at):
        """A frame was published; its transaction committed at `committed_at`, in monotonic seconds."""
        self._published.append(committed_at)
        if len(self._published) == 1:
            self.fanout.after_writing(self._written)

    def _written(self):
        now, moments = time.monotonic(), self._published
        self._published = []
        self.count += len(moments)
        self.sum += now * len(moments) - sum(moments)
        self.worst = max(self.worst, now - min(moments))
