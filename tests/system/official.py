"""The official JavaScript client, in a Node process of its own. The Python one is `Client` in server.py."""

import itertools
import json
import os
import shutil
import subprocess
from threading import Thread

import pytest

from tests.system.server import ROOT, wait_until


class JavaScriptClient:
    """socket.io-client from npm, as one person. What arrives is kept in `seen` as (event, payload), in order."""

    def __init__(self, server, username, *, cookie=None, origin=None, namespaces=("/chat", "/presence")):
        if not shutil.which("node") or not (ROOT / "node_modules/socket.io-client").exists():
            pytest.skip("Node and socket.io-client are missing")
        self.username, self.seen, self.answers, self.ids = username, [], {}, itertools.count(1)
        cookie = server.cookie(username) if cookie is None else cookie
        origin = server.url if origin is None else origin
        self.process = subprocess.Popen(
            ["node", ROOT / "tests/js-client/driver.mjs", server.url, cookie, origin, *namespaces],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"]},
        )
        Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stdout:
            said = json.loads(line)
            if "ack" in said:
                self.answers[said["ack"]] = said["answer"]
            else:
                self.seen.append((said["event"], said["payload"]))

    @property
    def hello(self):
        return self.wait_for("hello")

    def emit(self, event, payload, namespace="/chat"):
        """Send an event and return its acknowledgement."""
        number = next(self.ids)
        order = {"emit": event, "payload": payload, "id": number, "namespace": namespace}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return wait_until(lambda: self.answers.pop(number, None), seconds=20, what=f"the answer to {event}")

    def received(self, event):
        return [payload for name, payload in list(self.seen) if name == event]

    def wait_for(self, event, matches=lambda payload: True, *, seconds=30):
        """The first payload of `event` that matches, now or later."""
        found = lambda: next((p for p in self.received(event) if matches(p)), None)  # noqa: E731
        return wait_until(found, seconds=seconds, what=lambda: f"{self.username} to get {event}; got {self.seen[-5:]}")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
