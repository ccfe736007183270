"""A PostgreSQL that can be killed and frozen and keeps what it acknowledged, and a Redis; both within reach."""

import os
import signal
import subprocess

from tests.system.postgresql import PostgreSQL
from tests.system.queues import Redis
from tests.system.server import wait_until


class ReachablePostgreSQL(PostgreSQL):
    """One that keeps what it acknowledged, within reach at `host` as well."""

    def __init__(self, host="127.0.0.1"):
        self.host = host
        super().__init__(durable=True, host=host)
        if host != "127.0.0.1":
            with open(self.folder / "pg_hba.conf", "a") as file:
                file.write("host all all 10.0.0.0/8 trust\n")
            self._run("pg_ctl", "-D", self.folder, "reload")

    def database(self):
        return super().database().replace("127.0.0.1", self.host)

    def restart(self):
        """As after a crash: nobody is waited for. Returns when it answers."""
        self.crash()
        self.start()

    def processes(self):
        """The first of them and all that it started."""
        first = int((self.folder / "postmaster.pid").read_text().split()[0])
        listed = subprocess.run(["pgrep", "-P", str(first)], capture_output=True, text=True, check=False)
        return [first, *map(int, listed.stdout.split())]

    def freeze(self):
        self._signal(signal.SIGSTOP)

    def thaw(self):
        self._signal(signal.SIGCONT)

    def _signal(self, number):
        for process in self.processes():
            try:
                os.kill(process, number)
            except ProcessLookupError:
                continue


class ReachableRedis(Redis):
    """A Redis at `host` as well."""

    def __init__(self, host="127.0.0.1"):
        self.hosts = list(dict.fromkeys(["127.0.0.1", host]))
        super().__init__()
        self.url = f"redis://{host}:{self.port}/0"

    def start(self):
        words = [
            "--port",
            str(self.port),
            "--bind",
            *self.hosts,
            "--protected-mode",
            "no",
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        self.process = subprocess.Popen([self.program, *words], cwd="/", stdout=subprocess.DEVNULL)
        wait_until(self.answers, what="Redis to answer")
