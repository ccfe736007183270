"""Whoever is asking over a socket, kept from one event to the next for as long as that is certain to be true."""

import time
from typing import NamedTuple

from chat.accounts.actions.sessions import note_use
from chat.accounts.queries import live_session_row

KEPT_SECONDS = 30  # sessions also run out, which no log tells


class Asker(NamedTuple):
    """For actions that want to know nothing but the `id` and read what else counts themselves.

    access   the number of the log `access` up to which nothing has ended the session
    until    when to look again in any case, on the clock that never goes back
    """

    id: int
    token: str
    access: int
    until: float

    def holds(self, access):
        """Whether, as far as this process knows, the session is what it was: it has handled `access` that far."""
        return self.access == access and time.monotonic() < self.until

    def is_still_here(self, run, access):
        """The same under the locks of a transaction that sees `access` at this number: somebody may have been signed
        out by another process a moment ago, and this one not know yet."""
        return access <= self.access or live_session_row(self.token, run) is not None


def asker_for(token, access):
    """The Asker behind a token; None when `session_for` would find nobody. `access` is what this process has handled,
    looked up before. One quick query."""
    found = live_session_row(token)
    return found and Asker(note_use(found).user_id, token, access, time.monotonic() + KEPT_SECONDS)
