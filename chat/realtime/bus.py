"""Hints between processes: "this stream grew, look". Nothing on it is trusted to arrive, or to arrive once.

The log in the database is the truth and the pump polls it, so a lost hint costs at most a second.
"""


class InProcess:
    """The bus of a single process: the pump has already been woken by the commit itself."""

    def hint(self, stream, head):
        """Tell the other processes that `stream` has reached number `head`. There are none."""

    def listen(self, callback):
        """Have `callback(stream, head)` called for the hints of others. None will come."""
