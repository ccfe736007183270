"""How much one person, account or network address may do in a while: token buckets.

Every limit is a setting (`LIMIT_…`); `RATE_LIMITS=off` switches all of them off. Routes and socket events share them.
Several processes share the buckets through Redis, where that is the message queue (shared_buckets.py): guesses at
secrets are counted there one by one, all else is counted here and put together five times a second. Why: decision 9.
"""

import ipaddress
import logging
import math
import time
from functools import lru_cache, wraps

from flask import current_app, request
from werkzeug.local import LocalProxy

from chat.core.errors import RateLimited
from chat.core.security_log import note_refusal
from chat.core.shared_buckets import Away
from config import Limit

log = logging.getLogger(__name__)

MOST_BUCKETS = 50_000
ROUNDING = 1e-6  # seconds; twenty times a fifth is a little more than four
SHARE_SECONDS = 0.2
# What somebody could guess at: a thousand guesses sent to all processes at once are still one bucket's worth.
GUESSES = frozenset(
    {
        "sign_in", "sign_in_address", "sign_up", "second_factor", "reset", "reset_address", "token", "provider",
    }
)  # fmt: skip
BECAUSE = {"send": "You are writing very fast."}


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

    def adjust(self, key, ahead):
        """From now on `key` will be full again in `ahead` seconds, whatever was counted here."""
        self._full_at.pop(key, None)
        if ahead > 0:
            self._full_at[key] = self.monotonic() + ahead

    def _after_one_more(self, key, limit, now):
        return max(self._full_at.get(key, now), now) + 1 / limit.rate

    def _forget(self):
        now = self.monotonic()
        self._full_at = {key: full_at for key, full_at in self._full_at.items() if full_at > now}
        surplus = len(self._full_at) - self.most * 9 // 10  # a tenth more than needed, so that this stays rare
        for key in list(self._full_at)[: max(0, surplus)]:
            del self._full_at[key]


class Limiter:
    """The buckets of one application, by verb and subject: `limiter.take("send", actor.id)`.

    shared   those of all its processes, a SharedBuckets; None: there is nothing that could hold them.
    """

    def __init__(self, settings, buckets=None, shared=None):
        self.settings = settings
        self.buckets = Buckets() if buckets is None else buckets
        self.shared, self._unshared = shared, {}

    def take(self, verb, subject, *, because=None):
        """Count one `verb` of `subject`. Raises RateLimited when its bucket is empty; then nothing is counted.

        because   the first sentence of the refusal; the second says how long to wait.
        """
        if self.settings.rate_limits:
            self._refuse(verb, subject, self._take(verb, (verb, subject)), because or BECAUSE.get(verb))

    def _take(self, verb, key):
        if verb in GUESSES and self.shared:
            try:
                return self.shared.take(key, self.settings.limit(verb))
            except Away:
                pass  # half of it, here
        wait = self.buckets.take(key, self._limit_here(verb))
        if self.shared and not wait and verb not in GUESSES:
            self._unshared[key] = self._unshared.get(key, 0) + 1
        return wait

    def check(self, verb, subject, *, because=None):
        """Raise RateLimited when `take` would, as far as this process knows. Counts nothing."""
        if self.settings.rate_limits:
            self._refuse(verb, subject, self.buckets.wait((verb, subject), self._limit_here(verb)), because)

    def give_back(self, verb, subject):
        """Undo a `take`: it turned out not to count, such as a password that was right.

        Taking first and giving back, rather than counting failures afterwards: many guesses sent at once would all
        pass a check before the first of them is counted.
        """
        if not self.settings.rate_limits:
            return
        key = (verb, subject)
        if verb in GUESSES and self.shared:
            try:
                self.shared.give_back(key, self.settings.limit(verb))
                return
            except Away:
                pass
        self.buckets.give_back(key, self._limit_here(verb))
        if self._unshared.get(key):
            self._unshared[key] -= 1

    def _limit_here(self, verb):
        """What this process may allow by itself: all of it while it hears of the others, half while it does not.

        Processes that never hear of each other divide what could be used for guessing; the rest each has whole, since
        one person's connection is in one process.
        """
        limit = self.settings.limit(verb)
        if self.shared:
            return part_of(limit, 2) if self.shared.is_away else limit
        return part_of(limit, self.settings.workers) if verb in GUESSES else limit

    def share(self):
        """Tell the other processes what was counted here since the last time, and learn what they counted."""
        unshared, self._unshared = self._unshared, {}
        counts = {key: (count, self.settings.limit(key[0])) for key, count in unshared.items() if count > 0}
        if not counts:
            return
        try:
            ahead = self.shared.add(counts)
        except Away:
            for key, count in unshared.items():  # told later, as far as it still matters then
                if len(self._unshared) < MOST_BUCKETS:
                    self._unshared[key] = self._unshared.get(key, 0) + count
            return
        for key, seconds in ahead.items():
            meanwhile = self._unshared.get(key, 0) / counts[key][1].rate
            self.buckets.adjust(key, seconds + meanwhile)

    def keep_sharing(self, sleep):
        while True:
            sleep(SHARE_SECONDS)
            try:
                self.share()
            except Exception:  # a fault here must not end the sharing for good
                log.exception("The limits of this process could not be put together with those of others.")

    def _refuse(self, verb, subject, wait, because):
        if wait:
            # A name that somebody typed is not written down: it may be a password in the wrong field.
            note_refusal(f"limit {verb} reached", user=subject if isinstance(subject, int) else None)
            seconds = math.ceil(round(wait * 10, 6)) / 10
            because = because or "That was too much at once."
            raise RateLimited(f"{because} Try again in {in_words(seconds)}.", retry_after=max(0.1, seconds))


@lru_cache(maxsize=256)
def part_of(limit, parts):
    """A limit of which each of `parts` has one."""
    return limit if parts == 1 else Limit(max(1, limit.burst // parts), limit.rate / parts)


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


def init_app(app, shared=None):
    app.extensions["limiter"] = Limiter(app.config["PARLEY"], shared=shared)


limiter = LocalProxy(lambda: current_app.extensions["limiter"])
