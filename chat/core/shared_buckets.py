"""The token buckets that all processes of one Parley have in common, in Redis.

As in rate_limit.py a bucket is one number, the moment at which it will be full again, by the clock of Redis. What names
it there is an HMAC: neither accounts nor network addresses can be read in Redis, and two installations do not meet.
"""

import hmac
import logging
import math
import time

log = logging.getLogger(__name__)

QUIET_SECONDS = 2  # after a failure, until Redis is asked again: guesses must not wait for a timeout each
TOGETHER = 500  # buckets in one question

NOW = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
"""
# ARGV: seconds that one token takes to come back, seconds that a whole bucket takes. Returns the seconds to wait.
TAKE = (
    NOW
    + """
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now) + tonumber(ARGV[1])
local wait = full - now - tonumber(ARGV[2])
if wait > 0.00001 then return tostring(wait) end
redis.call('SET', KEYS[1], string.format('%.6f', full), 'PX', math.ceil((full - now) * 1000))
return '0'
"""
)
GIVE_BACK = """
local full = redis.call('GET', KEYS[1])
if full then redis.call('SET', KEYS[1], string.format('%.6f', full - ARGV[1]), 'KEEPTTL') end
"""
# ARGV: for each key the seconds that what was taken takes to come back. Returns in how many seconds each will be full.
ADD = (
    NOW
    + """
local ahead = {}
for i, key in ipairs(KEYS) do
  local full = math.max(tonumber(redis.call('GET', key) or '0'), now) + tonumber(ARGV[i])
  redis.call('SET', key, string.format('%.6f', full), 'PX', math.ceil((full - now) * 1000))
  ahead[i] = tostring(full - now)
end
return ahead
"""
)


class Away(Exception):
    """Redis does not answer, or did not a moment ago. Nothing is known to be counted."""


class SharedBuckets:
    """connect()   makes a client of Redis, at first use and after each failure
    name        begins the names of the buckets
    secret_key  makes them unreadable
    """

    def __init__(self, connect, *, name, secret_key, monotonic=time.monotonic):
        self.connect, self.name, self.monotonic = connect, name, monotonic
        self._secret = hmac.digest(secret_key.encode(), b"parley: names of limits", "sha256")
        self._scripts, self._quiet_until = None, -math.inf

    @property
    def is_away(self):
        return self.monotonic() < self._quiet_until

    def take(self, key, limit):
        """As `Buckets.take`. Raises Away."""
        answer = self._run("take", [key], [1 / limit.rate, limit.burst / limit.rate])
        return float(answer)

    def give_back(self, key, limit):
        """As `Buckets.give_back`. Raises Away."""
        self._run("give_back", [key], [1 / limit.rate])

    def add(self, counts):
        """Count what was taken elsewhere already. {key: (count, limit)} → {key: seconds until its bucket is full}.

        Raises Away.
        """
        keys, ahead = list(counts), {}
        for start in range(0, len(keys), TOGETHER):
            some = keys[start : start + TOGETHER]
            answer = self._run("add", some, [count / limit.rate for count, limit in map(counts.get, some)])
            ahead.update(zip(some, map(float, answer), strict=True))
        return ahead

    def _run(self, script, keys, args):
        if self.is_away:
            raise Away
        try:
            scripts = self._scripts or self._connected()
            return scripts[script](keys=[self._named(key) for key in keys], args=args)
        except Exception as error:
            self._scripts = None
            self._quiet_until = self.monotonic() + QUIET_SECONDS
            log.warning(
                "Limits are counted in this process, at half: Redis does not answer (%s).", type(error).__name__
            )
            raise Away from error

    def _connected(self):
        client = self.connect()
        self._scripts = {
            name: client.register_script(text)
            for name, text in (("take", TAKE), ("give_back", GIVE_BACK), ("add", ADD))
        }
        return self._scripts

    def _named(self, key):
        return f"{self.name}.limit.{hmac.digest(self._secret, repr(key).encode(), 'sha256')[:16].hex()}"
