"""A bus over a message queue, which may be slow, gone or deaf at any time without anybody waiting for it.

What is to be said waits in this process, bounded, and one green thread sends it; another listens. Both connect again
for ever. A process that does not hear its own words within five seconds calls itself degraded and connects anew, since
a queue can stop delivering without saying so.
"""

import contextlib
import logging
import random
import threading
import time
from collections import deque

from chat.realtime.bus.envelope import Ignored, OffClock

log = logging.getLogger(__name__)

BEAT_SECONDS = 1  # at least so often something is said, so that there is an echo to hear
DEAF_SECONDS = 5
CLOCKS_TOLD_EVERY = 60
SHORT_GAP, GAP = 0.001, 0.005  # seconds between two messages: what comes meanwhile goes together
MUCH = 4  # streams in one message from which on it is worth waiting for more
MOST_STREAMS = 10_000  # that wait to be sent; more are left to the poll
MOST_WORDS = 1_000  # the same for what is said
HINTS_TOGETHER, WORDS_TOGETHER = 100, 3  # within what an envelope may hold
LONGEST_PAUSE = 2  # seconds between two attempts to connect


class Queued:
    """See InProcess for what each method promises.

    transport()   makes something with `send(text)`, `messages()` and `close()`, see transports.py
    """

    def __init__(self, transport, envelope, *, spawn, sleep, monotonic=time.monotonic):
        self.transport, self.envelope = transport, envelope
        self.spawn, self.sleep, self.monotonic = spawn, sleep, monotonic
        self._hints, self._words = {}, deque()
        self._something = threading.Event()
        self._started = self._reached = self._renew = self._complained = False
        self._echo = None  # when this process last heard itself
        self._on_hint = lambda stream, head: None
        self._hear, self._on_reach = {}, []
        self.hints_sent = self.hints_received = self.hints_dropped = self.words_dropped = 0
        self.ignored = self.reconnects = 0
        self._clocks_told = float("-inf")

    def start(self):
        self._started = True
        self._something.set()  # the first sign of life at once
        self.spawn(self._send_for_ever)
        self.spawn(self._listen_for_ever)

    @property
    def degraded(self):
        return self._echo is None or self.monotonic() - self._echo > DEAF_SECONDS

    # ---- speaking ---------------------------------------------------------------------------------------------------

    def hint(self, stream, head):
        if not self._started:  # a command: nobody would send it
            return
        if stream not in self._hints and len(self._hints) >= MOST_STREAMS:
            self.hints_dropped += 1
            return
        self._hints[stream] = max(head, self._hints.get(stream, 0))
        self._something.set()

    def say(self, kind, payload):
        if not self._started:
            return
        if len(self._words) >= MOST_WORDS:
            self._words.popleft()
            self.words_dropped += 1
        self._words.append([kind, payload])
        self._something.set()

    def _send_for_ever(self):
        pause, transport = Pause(), None
        while True:
            self._something.wait(BEAT_SECONDS)
            if self._renew:
                transport = self._drop(transport)
                self._renew = False
            items = self.take()
            try:
                transport = transport or self.transport()
                transport.send(self.envelope.seal(items))
            except Exception as error:
                self._failed("Sending to", error)
                self._put_back(items)
                transport = self._drop(transport)
                self.sleep(pause.next())
            else:
                hints = sum(len(payload) for kind, payload in items if kind == "hint")
                self.hints_sent += hints
                pause.reset()
                self.sleep(GAP if hints >= MUCH else SHORT_GAP)

    def take(self):
        """What goes into the next message; nothing is a sign of life."""
        self._something.clear()
        names = [name for name, _ in zip(self._hints, range(HINTS_TOGETHER), strict=False)]
        hints = {name: self._hints.pop(name) for name in names}
        words = [self._words.popleft() for _ in range(min(WORDS_TOGETHER, len(self._words)))]
        if self._hints or self._words:
            self._something.set()
        return ([["hint", hints]] if hints else []) + words

    def _put_back(self, items):
        """Hints are tried again, as far as nothing newer waits. The rest is renewed anyway."""
        for kind, payload in items:
            if kind == "hint":
                for stream, head in payload.items():
                    self.hint(stream, head)

    # ---- listening --------------------------------------------------------------------------------------------------

    def listen(self, callback):
        self._on_hint = callback

    def hear(self, kind, callback):
        self._hear[kind] = callback

    def on_reach(self, callback):
        self._on_reach.append(callback)

    def _listen_for_ever(self):
        pause = Pause()
        while True:
            transport = None
            try:
                transport = self.transport()
                since, self._reached = self.monotonic(), False
                for data in transport.messages():  # None whenever a second has passed
                    if data is not None:
                        self.receive(data)
                    if self._reached:
                        pause.reset()
                    if self.monotonic() - max(since, self._echo or 0) > DEAF_SECONDS:
                        self._renew = True  # it may be what we send that is lost
                        raise TimeoutError(f"nothing of our own was heard for {DEAF_SECONDS} seconds")
                raise ConnectionError("the queue ended")
            except Exception as error:
                self._failed("Listening to", error)
            self._drop(transport)
            self.reconnects += 1
            self.sleep(pause.next())

    def receive(self, data):
        """Handle one message, whatever it is. Never raises."""
        try:
            sender, items = self.envelope.open(data)
        except Ignored as error:
            self.ignored += 1
            self._tell_of_ignored(error)
            return
        if sender == self.envelope.sender:
            self._heard_ourselves()
            return
        for kind, payload in items:
            try:
                if kind == "hint":
                    for stream, head in payload.items():
                        self.hints_received += 1
                        self._on_hint(stream, head)
                elif kind in self._hear:
                    self._hear[kind](payload, sender)
            except Exception:
                self.ignored += 1
                log.exception("Cannot handle %r from another process", kind)

    def _tell_of_ignored(self, error):
        """Whoever can write to the queue can say anything there, so that is no news; clocks are somebody's to set."""
        if isinstance(error, OffClock) and self.monotonic() >= self._clocks_told + CLOCKS_TOLD_EVERY:
            self._clocks_told = self.monotonic()
            log.warning(
                "What another process said was ignored: it is %s. Do the clocks of all machines agree? Until they do, "
                "messages of that process are seen here up to a second late, and its typing and presence not at all.",
                error,
            )
        else:
            log.debug("A message on the queue was ignored: %s", error)

    def _heard_ourselves(self):
        self._echo = self.monotonic()
        if not self._reached:
            log.log(logging.WARNING if self._complained else logging.INFO, "The message queue is heard.")
            self._complained = False
            self._reached = True
            for callback in self._on_reach:
                callback()

    # ---- both -------------------------------------------------------------------------------------------------------

    def _failed(self, doing, error):
        """Say so once, and not with every attempt."""
        level = logging.DEBUG if self._complained else logging.WARNING
        log.log(level, "%s the message queue failed: %s: %s. It is tried again.", doing, type(error).__name__, error)
        self._complained, self._reached = True, False

    def _drop(self, transport):
        if transport is not None:
            self.spawn(_close, transport)  # which may wait for an answer
        return None


class Pause:
    """How long to wait before the next attempt: twice as long each time, never long, and never in step with others."""

    def __init__(self):
        self.reset()

    def reset(self):
        self._seconds = 0.1

    def next(self):
        seconds, self._seconds = self._seconds, min(2 * self._seconds, LONGEST_PAUSE)
        return seconds * random.uniform(0.5, 1)  # noqa: S311 - spreads, hides nothing


def _close(transport):
    with contextlib.suppress(Exception):
        transport.close()
