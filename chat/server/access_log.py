"""gunicorn's log without what must not be read there, and without what strangers could fill a disk with."""

import re
import time

from gunicorn.glogging import Logger

SECRET = re.compile(r"(?<=/invite/)[^/ ]+|(?<=/reset/)[^/ ]+|(?<=/move/)[^/ ]+|(?<=/confirm/)[^/ ]+")
NONSENSE = "Invalid request from ip="  # how gunicorn's warnings about requests that are no HTTP begin
NONSENSE_SECONDS = 10  # between two of them


class AccessLogger(Logger):
    """gunicorn's own, with the codes of invites and other links left out: whoever reads the log could use them."""

    _quiet_until = _unsaid = 0

    def atoms(self, resp, req, environ, request_time):
        atoms = super().atoms(resp, req, environ, request_time)
        for name in ("U", "r"):
            atoms[name] = SECRET.sub("…", atoms[name] or "")
        return atoms

    def warning(self, msg, *args, **kwargs):
        """A client may send nonsense as fast as it likes: of that, one line in ten seconds says how much there was."""
        if str(msg).startswith(NONSENSE):
            now = time.monotonic()
            if now < self._quiet_until:
                self._unsaid += 1
                return
            if self._unsaid:
                msg = f"{msg} (and {self._unsaid} more like it)"
            self._quiet_until, self._unsaid = now + NONSENSE_SECONDS, 0
        super().warning(msg, *args, **kwargs)
