"""The access log without what must not be read there."""

import re

from gunicorn.glogging import Logger

INVITE = re.compile(r"(?<=/invite/)[^/ ]+")


class AccessLogger(Logger):
    """gunicorn's own, with the codes of invites left out: whoever reads the log could use them."""

    def atoms(self, resp, req, environ, request_time):
        atoms = super().atoms(resp, req, environ, request_time)
        for name in ("U", "r"):
            atoms[name] = INVITE.sub("…", atoms[name] or "")
        return atoms
