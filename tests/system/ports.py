"""Ports for whatever a test starts, which binds them later than they are asked for."""

import os
import socket
from itertools import cycle
from random import SystemRandom

FIRST, LAST = 16_000, 32_000  # below those that systems give to outgoing connections: none of these takes one meanwhile
SHARE = 2000  # of each process that tests run in beside others: more than one takes in a run


def _ports():
    """Round and round, from anywhere, since other runs on this machine may have begun at the beginning."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    begin = FIRST + SHARE * worker % (LAST - FIRST)
    start = SystemRandom().randrange(SHARE)  # Hypothesis seeds the other one: everybody would begin at the same
    return cycle([*range(begin + start, begin + SHARE), *range(begin, begin + start)])


_next = _ports()


def free_port():
    """A port of 127.0.0.1 at which nobody listens, and which nobody else is given for a long while."""
    for port in _next:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
