"""The way in, as a browser goes it: a first factor, then the second one, then a session.

Between the two the browser holds, in its signed Flask session, for whom it has shown the first factor. That opens
nothing but the page that asks for the second: there is no session yet, and whoever steals that cookie stands before the
same question.
"""

import secrets
from datetime import datetime, timedelta
from functools import wraps
from typing import NamedTuple

from flask import redirect, session

from chat.accounts import actions
from chat.accounts.actions.admit import SET_UP, SHOW, TOO_LATE
from chat.accounts.return_path import return_path
from chat.accounts.signed_in import WAITING, keep_token, session_here, this_browser
from chat.core.clock import iso, now
from chat.core.errors import Unauthorized
from chat.core.web import see_other, wants_json

LASTS = {SHOW: timedelta(minutes=5), SET_UP: timedelta(minutes=30)}
PAGES = {SHOW: "/login/second", SET_UP: "/login/set-up"}


class Waiting(NamedTuple):
    """Who has shown a first factor in this browser.

    nonce   this one time of coming in: what is asked of the browser on the way is answered on the same way
    next    where they wanted to go
    """

    user_id: int
    mark: str
    needs: str
    nonce: str
    next: str


def come_in(user, *, next=None):
    """The response to whoever has just shown a first factor: to where they wanted to go, or to the second factor."""
    return let_in(actions.admit(user, **this_browser()), next=next)


def let_in(admitted, *, next=None):
    """The same, when that was decided already."""
    if admitted.token:
        take_over(admitted.token)
        return redirect(return_path(next), 303)
    session.clear()  # nothing that was planted there before comes in along
    session[WAITING] = {
        "user": admitted.user_id, "mark": admitted.mark, "needs": admitted.needs, "next": return_path(next),
        "nonce": secrets.token_urlsafe(12), "since": iso(now()),
    }  # fmt: skip
    return redirect(PAGES[admitted.needs], 303)


def take_over(token):
    """Give this browser another session, and end the one that it had: whoever signs in where somebody is signed in
    takes their place."""
    if present := session_here():
        actions.end_session(present.user, present)
    keep_token(token)


def who_waits(needs):
    """The Waiting of this browser, or None."""
    kept = session.get(WAITING)
    if not isinstance(kept, dict) or kept.get("needs") != needs:
        return None
    if not timedelta(0) <= now() - datetime.fromisoformat(kept["since"]) < LASTS[needs]:
        return None
    return Waiting(kept["user"], kept["mark"], needs, kept["nonce"], kept["next"])


def waiting(needs):
    """Passes the Waiting of this browser to the view; whoever waits for nothing is asked to sign in."""

    def decorate(view):
        @wraps(view)
        def asked(*args, **kwargs):
            found = who_waits(needs)
            if found is None:
                if wants_json():
                    raise Unauthorized("Sign in first.")
                return see_other("/login", "Sign in first." if WAITING not in session else TOO_LATE, "danger")
            return view(found, *args, **kwargs)

        asked.policy = f"whoever has shown a first factor and has to {needs} the second"
        return asked

    return decorate
