"""A Parley of a test's own, as `make run` starts it, and people's clients for it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import engineio
import socketio

from chat import create_app
from chat.accounts.actions.sessions import begin_session
from chat.accounts.signed_in import cookie_name
from chat.core.db import db
from tests import databases
from tests.factories import person
from tests.system.ports import free_port

ROOT = Path(__file__).parents[2]
METRICS_TOKEN = "metrics for tests"


def wait_until(question, *, seconds=30, every=0.01, what=None):
    """Return the first true answer. Fails when there is none in time: a bound for hangs, never a measurement."""
    deadline = time.monotonic() + seconds
    while True:
        if answer := question():
            return answer
        assert time.monotonic() < deadline, (
            f"still waiting after {seconds} s: {what() if callable(what) else what or question}"
        )
        threading.Event().wait(every)


class Server:
    """One server process on a database below `folder`, which the caller has filled (see the `founded` fixture).

    `app` is a second Parley on the same database, in the test's own process: its actions are those of another process.
    `faults` are those of tests/faults/app.py that the server is to have, such as "drop_hints=0.5".
    """

    def __init__(self, folder, *, faults="", **environ):
        self.folder, self.port, self.process = Path(folder), free_port(), None
        self.module = "tests.faults" if faults else "chat.server.start"
        self.url = f"http://localhost:{self.port}"
        self.environ = {
            "DATA_DIR": str(self.folder),
            "PORT": str(self.port),
            "SECRET_KEY": "a key for tests, long enough for the check",
            "BCRYPT_COST": "4",
            "RATE_LIMITS": "off",
            "METRICS_TOKEN": METRICS_TOKEN,
            **({"FAULTS": faults} if faults else {}),
            **({} if "DATABASE_URL" in environ else databases.environ_of(self.folder)),
            **environ,
        }
        import config

        self.app = create_app(config.load(self.environ), spawn=lambda function, *args: function(*args))

    def start(self):
        """Start, and return when it answers."""
        self.begin()
        return self.wait()

    def begin(self):
        """Start, without waiting: most of it is importing, and several may do so at once."""
        log = open(self.folder / "server.log", "ab")  # noqa: SIM115 - the process keeps it
        environ = {k: v for k, v in os.environ.items() if not k.startswith("WERKZEUG")} | self.environ
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.module], cwd=ROOT, env=environ, stdout=log, stderr=log
        )
        return self

    def wait(self):
        wait_until(self.answers, seconds=180, what=f"the server to answer; see {self.folder / 'server.log'}")
        return self

    def answers(self):
        assert self.process.poll() is None, (self.folder / "server.log").read_text()[-4000:]
        try:
            return urllib.request.urlopen(f"{self.url}/healthz", timeout=5).status == 200
        except (urllib.error.URLError, OSError):
            return False

    def stop(self, how=signal.SIGTERM):
        """End the process and all it started, and return when they are gone."""
        if self.process and self.process.poll() is None:
            if how == signal.SIGKILL:  # the master first: it would start another worker
                children = self._children()
                self.process.kill()
                for child in children:
                    with suppress(ProcessLookupError):
                        os.kill(child, signal.SIGKILL)
            else:
                self.process.send_signal(how)
            self.process.wait(30)

    def kill(self):
        """As when the power goes: nobody is told."""
        self.stop(signal.SIGKILL)

    def restart(self):
        self.stop()
        return self.start()

    def _children(self):
        listed = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False)
        return [int(pid) for pid in listed.stdout.split()]

    def worker(self):
        """The process id of its only worker."""
        (pid,) = self._children()
        return pid

    def computed(self):
        """Seconds of the processors that (the event loop, all other threads) of its only worker have had."""
        pid = self.worker()
        used = {
            int(task.name): int((task / "schedstat").read_text().split()[0]) / 1e9
            for task in Path(f"/proc/{pid}/task").iterdir()
        }
        return used.pop(pid), sum(used.values())

    def log(self):
        return (self.folder / "server.log").read_text()

    def ready(self):
        """What /readyz says."""
        return json.loads(urllib.request.urlopen(f"{self.url}/readyz", timeout=5).read())

    def metrics(self):
        """{name: value} of /metrics."""
        request = urllib.request.Request(f"{self.url}/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
        lines = urllib.request.urlopen(request, timeout=5).read().decode().splitlines()
        return {name: float(value) for name, value in (line.split(" ") for line in lines if not line.startswith("#"))}

    # ---- people -----------------------------------------------------------------------------------------------------

    def cookie(self, username):
        """A Cookie header of a new session of this person."""
        with self.app.app_context():
            token = begin_session(person(username), address="127.0.0.1", user_agent="tests")
            return f"{cookie_name()}={token}"

    def connect(self, username, **options):
        return Client(self, username, **options)

    def act(self, action, *args, **options):
        """Run an action in the test's own process; arguments that are functions are called first, inside the context.

        `server.act(post_message, lambda: person("alice"), lambda: room("general"), "Hi", key="k")`
        """
        with self.app.app_context():
            return action(*(arg() if callable(arg) else arg for arg in args), **options)

    def close(self):
        """The end of a test: nobody is there to say goodbye to."""
        self.kill()
        with self.app.app_context():
            db.session.remove()
            db.engine.dispose()


class InOrder(engineio.Client):
    """The library starts a thread for each message, and these overtake each other where the machine is busy."""

    def _trigger_event(self, event, *args, **options):
        return super()._trigger_event(event, *args, **(options | {"run_async": False}))


class OfficialClient(socketio.Client):
    def _engineio_client_class(self):
        return InOrder


class Client:
    """A python-socketio client of one person. What arrives is kept in `seen` as (event, payload), in order."""

    def __init__(self, server, username, *, cookie=None, origin=None, namespaces=("/chat", "/presence")):
        self.server, self.username, self.seen = server, username, []
        self.cookie, self.origin, self.namespaces = cookie or server.cookie(username), origin, list(namespaces)
        self.io = OfficialClient(reconnection=False)
        for namespace in self.namespaces:
            self.io.on("*", self._note, namespace=namespace)
        self.open()

    def open(self):
        headers = {"Cookie": self.cookie, **({"Origin": self.origin} if self.origin else {})}
        self.io.connect(
            self.server.url, headers=headers, transports=["websocket"], namespaces=self.namespaces, wait_timeout=5
        )
        if "/chat" in self.namespaces:
            self.hello = self.wait_for("hello", lambda payload: True)
        return self

    def _note(self, event, payload):
        self.seen.append((event, payload))

    def emit(self, event, data, namespace="/chat"):
        """Send an event and return its acknowledgement."""
        return self.io.call(event, data, namespace=namespace, timeout=10)

    def received(self, event):
        return [payload for name, payload in list(self.seen) if name == event]

    def wait_for(self, event, matches=lambda payload: True, *, seconds=10):
        """The first payload of `event` that matches, now or later."""
        found = lambda: next((p for p in self.received(event) if matches(p)), None)  # noqa: E731
        return wait_until(found, seconds=seconds, what=f"{self.username} to get {event}; got {self.seen[-5:]}")

    @property
    def connected(self):
        return self.io.connected

    def close(self):
        self.io.disconnect()
