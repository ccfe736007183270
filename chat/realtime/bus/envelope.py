"""How a message on the bus is written: signed, dated and numbered, so that whatever else is on the queue is ignored.

1.<signature>.["<sender>",<number>,<time>,[[<kind>,<payload>],…]]
"""

import hmac
import secrets
import time

from chat.realtime import json

VERSION = "1"
MOST_BYTES = 16 * 1024
FRESH_SECONDS = 60  # older, or from further in the future, counts as a repetition


class Ignored(ValueError):
    """What arrived is not one of ours, damaged, or a repetition. The text says which."""


class OffClock(Ignored):
    """It is ours, and dated more than a minute from now: an old one come again, or two clocks that do not agree."""


class Envelope:
    """Seals what this process says and opens what arrives. Both sides hold the same SECRET_KEY.

    sender   names this process until it ends
    """

    def __init__(self, secret_key, *, clock=time.time):
        self._key = hmac.digest(secret_key.encode(), b"parley: messages between processes", "sha256")
        self.clock, self.sender, self._number = clock, secrets.token_hex(8), 0
        self._last = {}  # sender: (the number last opened, when it was sent)

    def seal(self, items):
        """The text that carries `items`, a list of [kind, payload]."""
        self._number += 1
        body = json.dumps([self.sender, self._number, int(self.clock()), items])
        return f"{VERSION}.{self._sign(body)}.{body}"

    def open(self, data):
        """(sender, items) of a text, or of its bytes. Raises Ignored."""
        if len(data) > MOST_BYTES:
            raise Ignored("too large")
        try:
            text = data if isinstance(data, str) else bytes(data).decode()
        except UnicodeDecodeError:
            raise Ignored("not text") from None
        version, _, rest = text.partition(".")
        signature, _, body = rest.partition(".")
        if version != VERSION:
            raise Ignored("another version")
        if not hmac.compare_digest(signature.encode(), self._sign(body).encode()):
            raise Ignored("not signed with our key")
        sender, number, sent_at, items = json.loads(body)  # ours: it has been written by `seal`
        off = sent_at - self.clock()
        if abs(off) > FRESH_SECONDS:
            raise OffClock(
                f"dated {abs(off):.0f} s in the {'future' if off > 0 else 'past'}, too old if no clock is wrong"
            )
        if number <= self._last.get(sender, (0,))[0]:
            raise Ignored("a repetition")
        self._last[sender] = (number, sent_at)
        self._forget()
        return sender, items

    def _sign(self, body):
        return hmac.digest(self._key, body.encode(), "sha256")[:16].hex()

    def _forget(self):
        """Whose last word is too old to be repeated need not be remembered."""
        if len(self._last) > 64:
            gone = self.clock() - 2 * FRESH_SECONDS
            self._last = {sender: last for sender, last in self._last.items() if last[1] > gone}
