"""What the processes of one Parley tell each other: "this stream grew, look", who is here, who is writing.

Nothing on the bus is trusted to arrive, to arrive once, or to be genuine. The log in the database is the truth and the
pump polls it, so a lost hint costs at most a second; presence and typing are leases, renewed before they end.

`MESSAGE_QUEUE_URL` chooses what carries it. Empty: there is one process, and nothing to carry.
"""

from chat.core.shared_buckets import SharedBuckets
from chat.realtime.bus.envelope import Envelope
from chat.realtime.bus.queued import Queued
from chat.realtime.bus.transports import channel_of, redis_of, transport_for


def bus_for(settings, *, spawn, sleep):
    """The bus of this process. Connects nowhere before `start()`."""
    if not settings.message_queue_url:
        return InProcess()
    channel = channel_of(settings)
    return Queued(
        lambda: transport_for(settings.message_queue_url, channel),
        Envelope(settings.secret_key),
        spawn=spawn,
        sleep=sleep,
    )


def shared_buckets_of(settings):
    """The SharedBuckets of all processes; None where there is no Redis to hold them. Connects nowhere yet."""
    connect = redis_of(settings.message_queue_url)
    return connect and SharedBuckets(connect, name=channel_of(settings), secret_key=settings.secret_key)


class InProcess:
    """The bus of a single process: the pump has already been woken by the commit itself, and nobody else is there.

    degraded     whether other processes are not heard at present
    and how many hints went out, came in, and were given up, as words were; what came in and was ignored; how often it
    reconnected
    """

    degraded = False
    hints_sent = hints_received = hints_dropped = words_dropped = ignored = reconnects = 0

    def start(self):
        """Begin to carry. Returns at once."""

    def hint(self, stream, head):
        """Tell the other processes that `stream` has reached number `head`. Returns at once and never fails."""

    def listen(self, callback):
        """Have `callback(stream, head)` called for the hints of others."""

    def say(self, kind, payload):
        """Tell the other processes something small that may be lost. Returns at once and never fails."""

    def hear(self, kind, callback):
        """Have `callback(payload, sender)` called for what others say; `sender` names their process."""

    def on_reach(self, callback):
        """Have `callback()` called when the others can be reached: at first, and again whenever they could not."""
