"""How much one person, account or network address may do in a while: token buckets, counted in this process.

Every limit is a setting (`LIMIT_…`); `RATE_LIMITS=off` switches all of them off. Routes and socket events share them.
"""

import ipaddress
import math
import time
from functools import wraps

from flask import current_app, request
from werkzeug.local import LocalProxy

from chat.core.errors import RateLimited

MOST_BUCKETS = 50_000
ROUNDING = 1e-6  # seconds; twenty times a fifth is a little more than four


class Buckets:
    """Token buckets that need one number each: the moment at which a bucket will be full again.

    A bucket that is full is the same as one that was never used, so it is forgotten. At `most` buckets the least
    recently used go first. `monotonic` is where time comes from, in seconds; tests bring their own.
    """

    def __init__(self, *, most=MOST_BUCKETS, monotonic=time.monotonic):
        self.most, self.monotonic = most, monotonic
        self._full_at = {}

    def __len__(self):
        return len(self._full_at)

    def wait(self, key, limit):
        """Seconds until `key` may take one token; 0 when it may now. Takes nothing."""
        now = self.monotonic()
        wait = self._after_one_more(key, limit, now) - now - limit.burst / limit.rate
        return wait if wait > ROUNDING else 0.0

    def take(self, key, limit):
        """Take one token and return 0, or take nothing and return the seconds to wait."""
        wait = self.wait(key, limit)
        if not wait:
            full_at = self._after_one_more(key, limit, self.monotonic())
            self._full_at.pop(key, None)  # so that the order of the dict is the order of use
            self._full_at[key] = full_at
            if len(self._full_at) > self.most:
                self._forget()
        return wait

    def give_back(self, key, limit):
        """Undo one `take`."""
        if key in self._full_at:
            self._full_at[key] -= 1 / limit.rate

    def _after_one_more(self, key, limit, now):
        return max(self._full_at.get(key, now), now) + 1 / limit.rate

    def _forget(self):
        now = self.monotonic()
        self._full_at = {key: full_at for key, full_at in self._full_at.items() if full_at > now}
        surplus = len(self._full_at) - self.most * 9 // 10  # a tenth more than needed, so that this stays rare
        for key in list(self._full_at)[: max(0, surplus)]:
            del self._full_at[key]


class Limiter:
    """The buckets of one application, by verb and subject: `limiter.take("send", actor.id)`."""

    def __init__(self, settings, buckets=None):
        self.settings = settings
        self.buckets = Buckets() if buckets is None else buckets

    def take(self, verb, subject, *, because="That was too much at once."):
        """Count one `verb` of `subject`. Raises RateLimited when its bucket is empty; then nothing is counted.

        because   the first sentence of the refusal; the second says how long to wait.
        """
        if self.settings.rate_limits:
            self._refuse(self.buckets.take((verb, subject), self.settings.limit(verb)), because)

    def check(self, verb, subject, *, because="That was too much at once."):
        """Raise RateLimited when `take` would. Counts nothing."""
        if self.settings.rate_limits:
            self._refuse(self.buckets.wait((verb, subject), self.settings.limit(verb)), because)

    def give_back(self, verb, subject):
        """Undo a `take`: it turned out not to count, such as a password that was right.

        Taking first and giving back, rather than counting failures afterwards: many guesses sent at once would all
        pass a check before the first of them is counted.
        """
        if self.settings.rate_limits:
            self.buckets.give_back((verb, subject), self.settings.limit(verb))

    def _refuse(self, wait, because):
        if wait:
            seconds = math.ceil(round(wait * 10, 6)) / 10
            raise RateLimited(f"{because} Try again in {in_words(seconds)}.", retry_after=max(0.1, seconds))


def limited(verb):
    """Counts every sending of a view's form as one `verb` of the person asking. Below `@signed_in`.

    For forms that are a button; those with fields take in the view, so that a refusal is shown beside what was typed.
    """

    def decorate(view):
        @wraps(view)
        def counted(actor, *args, **kwargs):
            if request.method not in ("GET", "HEAD"):
                limiter.take(verb, actor.id)
            return view(actor, *args, **kwargs)

        return counted

    return decorate


def in_words(seconds):
    """A wait for people: "1 second", "40 seconds", "12 minutes"."""
    whole = math.ceil(seconds)
    count, unit = (whole, "second") if whole < 120 else (math.ceil(whole / 60), "minute")
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def network_of(address):
    """What a network address counts as: IPv4 addresses one by one, IPv6 by their /64, which one customer owns whole."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if found.version == 6 and found.ipv4_mapped:
        found = found.ipv4_mapped
    return str(found) if found.version == 4 else str(ipaddress.ip_network((int(found), 64), strict=False))


def _of_this_app():
    app = current_app._get_current_object()
    if "limiter" not in app.extensions:
        app.extensions["limiter"] = Limiter(app.config["PARLEY"])
    return app.extensions["limiter"]


limiter = LocalProxy(_of_this_app)
