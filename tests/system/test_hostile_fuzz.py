"""Nonsense in numbers (see fuzz.py): nothing breaks, nothing is logged, nothing is left, and others are served.

`PARLEY_FUZZ=1000000` sends so many inputs instead of a few thousand; `PARLEY_FUZZ_SEED` repeats a run.
"""

import os
import random
import shutil
import socket
import struct
import threading
import time
import uuid
from collections import Counter
from contextlib import suppress

import pytest

from tests.conftest import FIGURES
from tests.system import fuzz
from tests.system.attack import PING, Attacker, dial, masked, memory, sockets, upgrade, worker
from tests.system.conftest import new_room
from tests.system.server import Server, wait_until
from tests.system.wire import Wire

INPUTS = int(os.environ.get("PARLEY_FUZZ", "4000"))
IS_LONG = "PARLEY_FUZZ" in os.environ
SEED = int(os.environ.get("PARLEY_FUZZ_SEED", "0")) or random.randrange(1, 10**9)
# Inputs on one connection. The first that is malformed ends it, so layers that are mostly malformed send few.
AT_ONCE = {fuzz.request: 1, fuzz.frame: 2, fuzz.engine_packet: 2, fuzz.socket_packet: 3, fuzz.fields: 20}
LAST = 123456789  # the number of a question behind the others, whose answer says that all were handled


@pytest.fixture
def target(founded, tmp_path):
    shutil.copytree(founded, tmp_path / "data")
    server = Server(tmp_path / "data").start()
    yield server
    server.close()


class Gun:
    """One connection after the other, each with inputs of one layer, until the server ends it or has handled all."""

    def __init__(self, server, chance):
        self.server, self.chance, self.cookie = server, chance, server.cookie("bob")
        self.fired, self.volleys, self.outlived = 0, Counter(), Counter()

    def volley(self, layer):
        stage, count = fuzz.NEEDS[layer], AT_ONCE[layer]
        opening = question = b""
        if stage:
            opening = upgrade(self.server, self.cookie if stage == 2 or self.chance.random() < 0.5 else None)
            question, answer = masked(b"all of it?", PING), b"all of it?"
        if stage == 2:
            opening += masked("40/chat,") + masked("40/presence,")
            question, answer = masked(f'42/chat,{LAST}["read",{{}}]'), f"43/chat,{LAST}[".encode()
        data = opening + b"".join(layer(self.chance, self.server, self.cookie) for _ in range(count)) + question
        at = self.chance.randrange(len(data)) if self.chance.random() < 0.3 else 0  # cut anywhere, by the network
        waits = self.chance.random() < 0.9  # else hang up at once, with all of it unread
        with dial(self.server, timeout=5) as sock, suppress(ConnectionError):
            # A reset at the end, or sockets that are closed and wait would use up the ports of this machine.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if at:
                sock.sendall(data[:at])
            sock.sendall(data[at:])
            if not stage:
                with suppress(OSError):  # it may have been answered and closed already
                    sock.shutdown(socket.SHUT_WR)
            elif stage == 1:
                sock.settimeout(0.01)  # a frame may announce more than will come: then there is no answer
            if waits:
                self.volleys[layer] += 1
                self.outlived[layer] += self._hears(sock, answer if stage else b"HTTP/1.")
        self.fired += count

    def _hears(self, sock, answer):
        got = b""
        with suppress(ConnectionError, TimeoutError):
            while answer not in got:
                piece = sock.recv(65536)
                if not piece:
                    break
                got = got[-100:] + piece
        return answer in got


class Bystander(threading.Thread):
    """Somebody who says something five times a second while the nonsense comes in. `times`: until it was stored."""

    def __init__(self, server, room):
        super().__init__(daemon=True)
        self.room, self.times, self.enough, self.error = room, [], threading.Event(), None
        self.wire = Wire(server, server.cookie("alice"))

    def run(self):
        try:
            while not self.enough.wait(0.2):
                began = time.monotonic()
                said = self.wire.call("message", {"room": self.room, "text": "still here", "key": str(uuid.uuid4())})
                self.times.append(time.monotonic() - began)
                assert said["ok"], said
                self.wire.take()
        except Exception as error:  # it says so to the test, in whose thread it is seen
            self.error = error

    def hush(self):
        self.enough.set()
        self.join()
        self.wire.drop()

    def share(self, share):
        """So large a part of the times is not above this."""
        return sorted(self.times)[min(len(self.times) - 1, int(len(self.times) * share))]


def test_nonsense_at_every_layer_breaks_nothing_and_leaves_nothing(target):
    print(f"PARLEY_FUZZ_SEED={SEED}")
    room, pid = new_room(target), worker(target)
    bystander = Bystander(target, room)
    chance = random.Random(SEED)
    gun, weights = Gun(target, chance), dict.fromkeys(fuzz.LAYERS, 0)
    for layer in fuzz.LAYERS:  # what is cached at the first use is no leak
        gun.volley(layer)
    before = memory(pid), sockets(pid), len(target.log())
    next_word, began = 0, time.monotonic()
    bystander.start()

    while gun.fired < INPUTS:
        layer = min(weights, key=weights.get)  # the layer that has sent least: all of them send alike
        sent = gun.fired
        gun.volley(layer)
        weights[layer] += gun.fired - sent
        if gun.fired >= next_word:
            next_word = gun.fired + max(500, INPUTS // 200)
            assert bystander.error is None, f"after {gun.fired} inputs: {bystander.error!r}; PARLEY_FUZZ_SEED={SEED}"
            print(
                f"{gun.fired} inputs, {sum(gun.outlived.values())} of {sum(gun.volleys.values())} connections lived on"
            )
            assert worker(target) == pid, f"the process ended; repeat with PARLEY_FUZZ_SEED={SEED}"

    bystander.hush()
    assert bystander.error is None and bystander.times, f"{bystander.error!r}; PARLEY_FUZZ_SEED={SEED}"
    middle, most, slowest = bystander.share(0.5), bystander.share(0.99), max(bystander.times)
    FIGURES.append(
        f"Fuzz: {gun.fired:,} inputs; others' {len(bystander.times):,} messages were stored after "
        f"p50 {middle:.3f} s, p99 {most:.3f} s, max {slowest:.3f} s"
    )
    metrics = {}
    wait_until(
        lambda: metrics.update(target.metrics()) or not metrics["parley_transports"],
        seconds=15,
        what=lambda: f"every socket to go: {metrics}",
    )
    log, seconds = target.log()[before[2] :], time.monotonic() - began
    found = log.find("Traceback")
    assert found < 0, f"PARLEY_FUZZ_SEED={SEED}\n{log[max(0, found - 300) : found + 4000]}"
    assert len(log) < 20_000 + 1_000 * seconds, f"a log is bounded by time, whatever comes in\n{log[-2000:]}"
    assert (metrics["parley_connections"], metrics["parley_handling"], metrics["parley_strangers"]) == (0, 0, 0)
    wait_until(lambda: sockets(pid) <= before[1] + 2, seconds=15, what=lambda: f"{sockets(pid)} sockets are open")
    assert memory(pid) - before[0] < 50 << 20
    assert gun.outlived[fuzz.fields] == gun.volleys[fuzz.fields] > 0, "what is well formed is always answered"
    assert all(gun.outlived[layer] for layer in fuzz.LAYERS), (
        "in every layer something got through, so the layers below were reached"
    )
    assert most < 0.5 or not IS_LONG, "others are served meanwhile; in short each has the patience of a call"


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
