"""The security log: who came in, and what was refused to whom, for whoever has to find out later.

The audit log keeps what was done; it stands in the database and nobody can fill it from outside. What was tried and
refused stands here, in the log of the process under the name `chat.security`: one line for each, in UTC, with ids and
network addresses, and never with what somebody typed: a password is soon typed into the wrong field.
"""

import logging
import time

from flask import has_request_context, request

from chat.core.errors import Forbidden, NotFound

log = logging.getLogger("chat.security")

MOST, SECONDS = 20, 10  # so many lines about one kind of refusal in that time; the rest is counted

_windows = {}  # {kind: [when its window ends, how many since it began]}, for as many kinds as there are calls


def note(what, **about):
    """Write that something happened: `what` in words, `about` as name=value; values are numbers and our own names."""
    log.info("%s", _line(what, about))


def note_refusal(what, **about):
    """The same for something that was refused. A flood of them writes no more than `MOST` lines in `SECONDS`, and the
    next one says how many it stands for."""
    now = time.monotonic()
    window = _windows.setdefault(what, [0.0, 0])
    unsaid = 0
    if now >= window[0]:
        unsaid = max(0, window[1] - MOST)
        window[:] = now + SECONDS, 0
    window[1] += 1
    if window[1] <= MOST:
        log.warning("%s%s", _line(what, about), f" (and {unsaid} more before)" if unsaid else "")


def _line(what, about):
    if has_request_context():
        about = {"at": request.endpoint, **about, "address": request.remote_addr}
    return " ".join([f"{what}:", *(f"{name}={value}" for name, value in about.items() if value is not None)])


def note_denial(error, user_id, **about):
    """Write that somebody who is signed in wanted what they may not do, or what does not exist for them."""
    if user_id is not None and isinstance(error, Forbidden | NotFound):
        note_refusal("not allowed", code=error.code, user=user_id, **about)


def note_signed_in(event, _transaction):
    """Subscriber of SessionBegan, after the commit. Which way somebody took shows in the address that was asked."""
    note("signed in", user=event.user_id, session=event.session_id)
