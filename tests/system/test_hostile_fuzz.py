"""Nonsense in numbers (see fuzz.py): nothing breaks, nothing is logged, nothing is left, and others are served.

`PARLEY_FUZZ=1000000` sends so many inputs instead of a few thousand; `PARLEY_FUZZ_SEED` repeats a run.
"""

import os
import random
import shutil
import socket
import time
import uuid
from contextlib import suppress

import pytest

from tests.system import fuzz
from tests.system.attack import Attacker, dial, masked, memory, sockets, upgrade, worker
from tests.system.conftest import new_room
from tests.system.server import Server, wait_until
from tests.system.wire import Wire

INPUTS = int(os.environ.get("PARLEY_FUZZ", "4000"))
SEED = int(os.environ.get("PARLEY_FUZZ_SEED", "0")) or random.randrange(1, 10**9)
AT_ONCE = 20  # inputs on one connection, as long as it lasts


@pytest.fixture
def target(founded, tmp_path):
    shutil.copytree(founded, tmp_path / "data")
    server = Server(tmp_path / "data", PRESENCE_SECONDS="1").start()
    yield server
    server.close()


class Gun:
    """Connections that are opened when a shot needs one, and given up when the server has had enough."""

    def __init__(self, server, chance):
        self.server, self.chance, self.cookie = server, chance, server.cookie("bob")
        self.fired = 0

    def volley(self, layer):
        """As many inputs of one layer as one connection takes. Returns how many were sent."""
        stage = fuzz.NEEDS[layer]
        with dial(self.server, timeout=5) as sock, suppress(ConnectionError, TimeoutError):
            opening = b""
            if stage:
                opening = upgrade(self.server, self.cookie if stage == 2 or self.chance.random() < 0.5 else None)
            if stage == 2:
                opening += masked("40/chat,") + masked("40/presence,")
            count = 1 if layer is fuzz.request else AT_ONCE
            inputs = [layer(self.chance, self.server, self.cookie) for _ in range(count)]
            self.fired += count
            if self.chance.random() < 0.3 and len(inputs) > 1:  # cut anywhere, by the network
                whole = opening + b"".join(inputs)
                at = self.chance.randrange(len(whole))
                sock.sendall(whole[:at])
                sock.sendall(whole[at:])
            else:
                sock.sendall(opening + b"".join(inputs))
            if self.chance.random() < 0.9:  # else hang up at once, with all of it unread
                sock.shutdown(socket.SHUT_WR)
                until = time.monotonic() + 5
                while sock.recv(65536) and time.monotonic() < until:
                    pass


def test_nonsense_at_every_layer_breaks_nothing_and_leaves_nothing(target):
    print(f"PARLEY_FUZZ_SEED={SEED}")
    room, pid = new_room(target), worker(target)
    bystander = Wire(target, target.cookie("alice"))
    bystander.take(5)
    chance = random.Random(SEED)
    gun, weights = Gun(target, chance), dict.fromkeys(fuzz.LAYERS, 0)
    for layer in fuzz.LAYERS:  # what is cached at the first use is no leak
        gun.volley(layer)
    before = memory(pid), sockets(pid), len(target.log())
    next_word, slowest = 0, 0.0

    while gun.fired < INPUTS:
        layer = min(weights, key=weights.get)  # the layer that has sent least: all of them send alike
        sent = gun.fired
        gun.volley(layer)
        weights[layer] += gun.fired - sent
        if gun.fired >= next_word:
            next_word = gun.fired + max(500, INPUTS // 200)
            began = time.monotonic()
            said = bystander.call("message", {"room": room, "text": "still here", "key": str(uuid.uuid4())})
            slowest = max(slowest, time.monotonic() - began)
            assert said["ok"], f"after {gun.fired} inputs: {said}; repeat with PARLEY_FUZZ_SEED={SEED}"
            bystander.take()
            assert worker(target) == pid, f"the process ended; repeat with PARLEY_FUZZ_SEED={SEED}"

    bystander.drop()
    metrics = {}
    wait_until(
        lambda: metrics.update(target.metrics()) or not metrics["parley_transports"],
        seconds=15,
        what=lambda: f"every socket to go: {metrics}",
    )
    log = target.log()[before[2] :]
    assert "Traceback" not in log, f"PARLEY_FUZZ_SEED={SEED}\n{log[-3000:]}"
    assert len(log) < 20_000 + INPUTS // 10, log[-2000:]
    assert (metrics["parley_connections"], metrics["parley_handling"], metrics["parley_strangers"]) == (0, 0, 0)
    wait_until(lambda: sockets(pid) <= before[1] + 2, seconds=15, what=lambda: f"{sockets(pid)} sockets are open")
    assert memory(pid) - before[0] < 50 << 20
    assert slowest < 2, "others are served meanwhile; the rest is patience with a busy machine"


@pytest.mark.parametrize("layer", fuzz.LAYERS, ids=lambda layer: layer.__name__)
def test_the_same_seed_is_the_same_nonsense(layer):
    server = type("Named", (), {"port": 5000, "url": "http://localhost:5000"})
    one, two = ([layer(random.Random(n), server, "cookie") for n in range(50)] for _ in range(2))

    assert one == two and len(set(one)) > 20


def test_every_event_with_every_kind_of_nonsense_in_it_is_answered(target):
    """What is well formed is never left without an answer, whatever its fields hold."""
    chance = random.Random(SEED)
    bob = Attacker(target, target.cookie("bob"), chat=True)
    bob.send("40/presence,")
    bob.until(lambda text: text.startswith("40/presence,"))
    for n in range(300):
        bob.raw(fuzz.fields(random.Random(SEED + n)))
        if n % 10 == 9:
            number = chance.randrange(10**6)
            bob.event("read", {}, number)
            assert bob.answer(number)["code"] == "invalid"
    bob.close()
    assert "Traceback" not in target.log(), f"PARLEY_FUZZ_SEED={SEED}\n{target.log()[-3000:]}"
