"""What carries the bus: python-socketio's managers for Redis, RabbitMQ and Kafka, used to send and to receive only.

Each makes a connection that fails aloud and within seconds, where the original retries by itself, keeps silent or waits
for ever: connecting again, and noticing that nothing comes any more, is the business of `Queued`. One thing is used for
sending or for receiving, never for both and never by two green threads at once.
"""

import hmac
from queue import Empty
from urllib.parse import urlsplit

from socketio import KafkaManager, KombuManager, RedisManager

TIMEOUT = 2  # seconds for whatever waits for the queue
QUICK = 0.3  # the same for what somebody's request waits for
WAKE = 1  # seconds after which `messages()` yields None when nothing comes


def channel_of(settings):
    """The name of the channel, topic or exchange. It follows from SECRET_KEY, so two installations on one queue do not
    meet."""
    key = hmac.digest(settings.secret_key.encode(), b"parley: name of the channel", "sha256").hex()[:16]
    return f"{settings.message_queue_channel}.{key}"


def transport_for(url, channel):
    """A transport to the queue at `url`. May connect and then wait, at most a few seconds; raises what went wrong."""
    other = OTHERS.get(urlsplit(url).scheme)
    return other(url, channel) if other else Redis(url, channel)


def redis_of(url):
    """A function that makes a client for what else can be kept in the Redis at `url`; None when it is another queue."""
    if not url or urlsplit(url).scheme in OTHERS:
        return None
    return lambda: Redis(url, "", timeout=QUICK).redis


class Redis(RedisManager):
    """Also Valkey, which speaks its language."""

    def __init__(self, url, channel, *, timeout=TIMEOUT):
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        options = {"socket_timeout": timeout, "socket_connect_timeout": timeout, "retry": Retry(NoBackoff(), 0)}
        url = url.replace("valkey", "redis", 1) if url.startswith("valkey") else url
        super().__init__(url, channel=channel, write_only=True, redis_options=options)
        self._redis_connect()

    def send(self, text):
        self.redis.publish(self.channel, text)

    def messages(self):
        self.pubsub.subscribe(self.channel)
        while True:
            found = self.pubsub.get_message(timeout=WAKE)
            yield found["data"] if found else None

    def close(self):
        self.pubsub.close()
        self.redis.close()


class RabbitMQ(KombuManager):
    def __init__(self, url, channel):
        super().__init__(
            url,
            channel=channel,
            write_only=True,
            connection_options={"connect_timeout": TIMEOUT, "transport_options": {"max_retries": 0}},
            # One process's own, bounded, and gone with it.
            queue_options={"exclusive": True, "auto_delete": True, "queue_arguments": {"x-max-length": 10_000}},
        )
        self.publisher_connection.connect()
        # Until here the connect timeout holds. kombu's own timeouts are the kernel's, which green sockets do not have.
        self.publisher_connection.connection.transport.sock.settimeout(TIMEOUT)
        self.producer = self.publisher_connection.Producer(exchange=self._exchange())

    def send(self, text):
        self.producer.publish(text)

    def messages(self):
        with self.publisher_connection.SimpleQueue(self._queue(), no_ack=True) as queue:
            while True:
                try:
                    yield queue.get(timeout=WAKE).body
                except Empty:
                    yield None

    def close(self):
        self.publisher_connection.collect(socket_timeout=0.1)


class Kafka(KafkaManager):
    def __init__(self, url, channel):
        brokers = [f"kafka://{broker}" for broker in urlsplit(url).netloc.split(",")]
        super().__init__(brokers, channel=channel, write_only=True)
        self.producer.config["max_block_ms"] = TIMEOUT * 1000

    def send(self, text):
        # One key, one partition: what one process says arrives in order.
        self.producer.send(self.channel, key=b"parley", value=text.encode()).get(timeout=TIMEOUT)

    def messages(self):
        while True:
            found = self.consumer.poll(timeout_ms=WAKE * 1000)
            yield from (message.value for messages in found.values() for message in messages)
            yield None

    def close(self):
        self.producer.close(timeout=0)
        self.consumer.close(autocommit=False)


OTHERS = {"amqp": RabbitMQ, "amqps": RabbitMQ, "kafka": Kafka}
