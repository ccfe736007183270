"""Every kind of MESSAGE_QUEUE_URL reaches a real queue: what is sent is received, whole and in order."""

import shutil
import subprocess

import pytest

from chat.realtime.bus.transports import transport_for
from tests.system.queues import KafkaMock, RabbitMQ, Redis, Sentinel
from tests.system.server import free_port, wait_until

pytestmark = pytest.mark.services


@pytest.fixture
def running():
    """running(queue) → the same, ended after the test."""
    begun = []

    def running(queue):
        begun.append(queue)
        return queue

    yield running
    for queue in reversed(begun):
        queue.stop()


def carries(url):
    """Whether what one connection sends reaches another."""
    listening, sending = transport_for(url, "parley.test"), transport_for(url, "parley.test")
    try:
        arriving, got, sent = listening.messages(), [], ["first", "1.ä.[]", "x" * 10_000]
        next(arriving)  # nothing yet; from here on it listens
        for text in sent:
            sending.send(text)

        def all_there():
            got.extend(
                bytes(data, "utf-8") if isinstance(data, str) else bytes(data) for data in [next(arriving)] if data
            )
            return len(got) == len(sent)

        wait_until(all_there, what=lambda: got)
        return got == [text.encode() for text in sent]
    finally:
        arriving.close()
        listening.close()
        sending.close()


def test_redis(running):
    redis = running(Redis())

    assert carries(redis.url)
    assert carries(redis.url.replace("redis://", "valkey://"))


def test_redis_with_a_password(running):
    redis = running(Redis("--requirepass", "s3cret@/"))

    assert carries(redis.url.replace("//", "//:s3cret%40%2F@"))


def test_redis_at_a_socket_of_this_machine(running, tmp_path):
    running(Redis("--unixsocket", str(tmp_path / "redis.sock")))

    assert carries(f"unix://{tmp_path}/redis.sock?db=0")


def test_redis_over_tls(running, tmp_path):
    openssl = shutil.which("openssl") or pytest.skip("openssl is missing")
    key, certificate, port = tmp_path / "key.pem", tmp_path / "certificate.pem", free_port()
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    files = ["--tls-key-file", str(key), "--tls-cert-file", str(certificate), "--tls-ca-cert-file", str(certificate)]
    running(Redis("--tls-port", str(port), *files, "--tls-auth-clients", "no"))

    assert carries(f"rediss://localhost:{port}/0?ssl_ca_certs={certificate}")
    with pytest.raises(Exception, match="certificate verify failed"):
        carries(f"rediss://localhost:{port}/0")


def test_redis_found_by_a_sentinel(running, tmp_path):
    sentinel = running(Sentinel(running(Redis()), tmp_path))

    assert carries(sentinel.url)
    assert carries(sentinel.url.replace("redis+", "valkey+"))


def test_rabbitmq(running):
    assert carries(running(RabbitMQ()).url)


def test_a_stand_in_for_kafka(running):
    assert carries(running(KafkaMock()).url)


@pytest.mark.parametrize("scheme", ["redis", "amqp", "kafka"])
def test_where_no_queue_is_it_fails_aloud(scheme):
    with pytest.raises(Exception, match=r"(?i)refused|NoBrokersAvailable"):
        carries(f"{scheme}://127.0.0.1:{free_port()}")
