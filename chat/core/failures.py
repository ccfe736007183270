"""How failures are logged: ours with a traceback, the database's with a line now and then."""

import time

from sqlalchemy.exc import DBAPIError

from chat.core.errors import Busy
from chat.core.transaction import is_passing

QUIET_SECONDS = 10

_last = {}  # {(logger, words): when that was said last}, for as many as there are calls of `note_failure`
_unsaid = {}  # how often it was not, since


def note_failure(log, error, words, *args):
    """Log, from where `error` was caught, what failed: `words` with `args` in the places of its %s.

    A database that is away or overloaded is no fault of ours: one line, a warning, and the same words again after
    QUIET_SECONDS at the earliest, since everybody who wants something meets it.
    """
    if not isinstance(error, Busy) and not is_passing(error):
        log.error(words, *args, exc_info=error)
        return
    key, now = (log.name, words), time.monotonic()
    if key in _last and now < _last[key] + QUIET_SECONDS:
        _unsaid[key] = _unsaid.get(key, 0) + 1
        return
    _last[key], unsaid = now, _unsaid.pop(key, 0)
    also = f" ({unsaid} more like it since the last such line)" if unsaid else ""
    log.warning(f"{words} %s%s", *args, in_one_line(error), also)


def in_one_line(error):
    """What a database said, without the statement: the first line of it."""
    said = str(error.orig if isinstance(error, DBAPIError) else error).strip().splitlines()
    return said[0] if said else type(error).__name__
