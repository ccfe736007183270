"""Throwaway message queues for tests, each on a port of its own, with as little processor as it needs."""

import os
import pwd
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.system.server import free_port, wait_until


class Redis:
    """A Redis that can be killed, frozen and brought back. Skips the test that asks for it when Redis is missing.

    options   more of redis-server's own, such as "--requirepass", "secret"
    """

    def __init__(self, *options):
        self.program = shutil.which("redis-server") or pytest.skip("Redis is missing")
        self.port, self.process, self.options = free_port(), None, options
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [
                self.program,
                *("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"),
                *self.options,
            ],
            cwd="/",
            stdout=subprocess.DEVNULL,
        )
        wait_until(self.answers, what="Redis to answer")

    def client(self):
        import redis

        return redis.Redis.from_url(self.url, socket_timeout=5)

    def answers(self):
        import redis

        with self.client() as client, suppress(redis.RedisError):
            try:
                return client.ping()
            except redis.AuthenticationError:
                return True

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    stop = kill

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)


class Sentinel:
    """One sentinel, which knows where `redis` is under the name parley, and has another take its place within seconds
    when it is gone."""

    def __init__(self, redis, folder):
        self.port = free_port()
        self.url = f"redis+sentinel://127.0.0.1:{self.port}/0/parley"
        config = folder / "sentinel.conf"
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"sentinel monitor parley 127.0.0.1 {redis.port} 1",
            "sentinel down-after-milliseconds parley 500",
            "sentinel failover-timeout parley 3000",
        ]
        config.write_text("\n".join([*lines, ""]))
        self.process = subprocess.Popen([redis.program, config, "--sentinel"], cwd=folder, stdout=subprocess.DEVNULL)
        wait_until(self.answers, what="the sentinel to answer")

    def ask(self, *words):
        import redis

        with redis.Redis(port=self.port) as client, suppress(redis.RedisError):
            return client.execute_command("SENTINEL", *words, "parley")

    def answers(self):
        """The port of the Redis that it would send a client to, or None."""
        found = self.ask("GET-MASTER-ADDR-BY-NAME")
        return found and int(found[1])

    def spares(self):
        """How many could take its place."""
        return len(self.ask("REPLICAS") or ())

    def stop(self):
        self.process.kill()
        self.process.wait()


class RabbitMQ:
    """Skips the test that asks for it, by name, when RabbitMQ is missing."""

    def __init__(self):
        program = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
        if not program.exists() or not shutil.which("epmd"):
            pytest.skip("RabbitMQ is missing")
        self.folder, self.port, self.names_port = Path(mkdtemp(prefix="parley-rabbitmq-")), free_port(), free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        as_user = []
        if os.geteuid() == 0:  # its cookie must be its own
            rabbit = pwd.getpwnam("rabbitmq")
            as_user = ["runuser", "-u", "rabbitmq", "--"]
            os.chown(self.folder, rabbit.pw_uid, rabbit.pw_gid)
        (self.folder / "plugins").write_text("[].")
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self.names_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"parley{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
        }
        self.epmd = subprocess.Popen(["epmd", "-port", str(self.names_port), "-address", "127.0.0.1"], env=environ)
        self.process = subprocess.Popen(
            [*as_user, program], cwd="/", env=environ, stdout=subprocess.DEVNULL, start_new_session=True
        )
        wait_until(self.answers, seconds=60, what="RabbitMQ to answer")

    def answers(self):
        import kombu

        assert self.process.poll() is None, "RabbitMQ did not start"
        with suppress(Exception), kombu.Connection(self.url, connect_timeout=2) as connection:
            connection.connect()
            return True

    def stop(self):
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.epmd.kill()
        self.epmd.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class KafkaMock:
    """Not Kafka: librdkafka's mock of it, one broker that speaks the protocol on a real port, in this process."""

    def __init__(self):
        confluent_kafka = pytest.importorskip("confluent_kafka", reason="confluent-kafka is missing")
        self.cluster = confluent_kafka.Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1})
        broker = next(iter(self.cluster.list_topics(timeout=10).brokers.values()))
        self.url = f"kafka://{broker.host}:{broker.port}"

    def stop(self):
        self.cluster = None
