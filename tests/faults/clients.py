"""Many people at their screens, in a process of their own: `python -m tests.faults.clients` talks until told to stop.

Everybody follows the client rule of docs/protocol.md, has an outbox that repeats with the same key until there is an
answer, and keeps a journal. The plan comes as a line of JSON on the standard input, then commands, one a line:

    stop             nobody composes any more; answered with `quiet` once every outbox is empty
    cut, come        all connections are cut, and stay away; everybody comes back
    heads {…}        {stream: number}; answered with `equal` once everybody has got so far
    end              the journals are written to the plan's file

Waiting for `quiet` and `equal` ends after the plan's patience; the verdict says what is missing.
"""

import asyncio
import base64
import hashlib
import json
import os
import random
import sys
import time
import uuid
from contextlib import suppress
from datetime import datetime

import orjson

ANSWER_WITHIN = 10  # seconds, as in the browser; so are the following
CONNECTS_WITHIN, REACHES_WITHIN = 4, 3
PATIENCE, RESUME_PATIENCE = 6, 12
BEGUN_AGAIN = "begun again"  # a line of a journal: what follows continues a page that was loaded then
UNHEARD = 35  # the server pings every 20 seconds; so long without a word and the connection is as good as cut


def jitter(tries, base, cap, least=None):
    """static/js/models/backoff.js"""
    least = base if least is None else least
    return least + random.random() * (min(cap, base * 2 ** min(tries, 20)) - least)


async def reached(host, port):
    """Whether the server there answers a request."""
    with suppress(OSError, EOFError, TimeoutError):
        async with asyncio.timeout(REACHES_WITHIN):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(f"GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n".encode())
                return (await reader.readline()).startswith(b"HTTP/1.1 200")
            finally:
                writer.transport.abort()
    return False


class Pulse:
    """static/js/models/pulse.js"""

    def __init__(self, reaches, dead):
        self.reaches, self.dead = reaches, dead
        self.questions, self.heard_at, self.connection, self.timer, self.looking = {}, 0, 0, None, False

    def heard(self):
        self.heard_at = time.monotonic()

    def asked(self, question, patience=PATIENCE):
        self.questions[question] = (time.monotonic(), patience)
        self._watch()

    def settled(self, question):
        self.questions.pop(question, None)

    def ended(self):
        self.connection += 1
        self.questions.clear()
        if self.timer:
            self.timer.cancel()
        self.timer = None

    def _due(self):
        return min(max(at, self.heard_at) + patience for at, patience in self.questions.values())

    def _watch(self):
        if not self.looking and self.questions:
            if self.timer:
                self.timer.cancel()
            pause = max(0, self._due() - time.monotonic())
            self.timer = asyncio.get_running_loop().call_later(pause, self._begin)

    def _begin(self):
        self.timer = None
        if self.questions and self._due() <= time.monotonic():
            self.looking = asyncio.get_running_loop().create_task(self._look(self.connection, time.monotonic()))
        else:
            self._watch()

    async def _look(self, connection, began):
        is_reached = await self.reaches()
        self.looking = False
        if connection == self.connection and self.heard_at <= began:
            if not is_reached:
                self.dead()
                return
            self.heard()
        self._watch()


class Lost(Exception):
    """The connection ended, or was never made."""


class Socket:
    """One websocket, spoken by hand: one frame a message, nothing masked but with zeros."""

    writer = None

    @classmethod
    async def open(cls, host, port, cookie, origin):
        self = cls()
        try:
            within = asyncio.get_running_loop().time() + CONNECTS_WITHIN
            async with asyncio.timeout_at(within):
                self.reader, self.writer = await asyncio.open_connection(host, port)
            self.writer.write(
                f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: {origin}\r\n"
                f"Cookie: {cookie}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n".encode()
            )
            async with asyncio.timeout_at(within):
                head = await self.reader.readuntil(b"\r\n\r\n")
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError) as error:
            self.cut()
            raise Lost(error) from error
        if not head.startswith(b"HTTP/1.1 101"):
            self.cut()
            raise Lost(head.split(b"\r\n")[0].decode())
        return self

    async def read(self):
        """The next text. Raises Lost at the end."""
        try:
            while True:
                first, length = await self.reader.readexactly(2)
                if length == 126:
                    length = int.from_bytes(await self.reader.readexactly(2))
                elif length == 127:
                    length = int.from_bytes(await self.reader.readexactly(8))
                body = await self.reader.readexactly(length)
                if first & 15 == 1:
                    return body
                if first & 15 == 8:
                    raise Lost("closed")
        except (OSError, EOFError) as error:
            raise Lost(error) from error

    def send(self, text):
        body = text.encode()
        size = len(body)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2)
        with suppress(OSError, RuntimeError):
            self.writer.write(b"\x81" + length + bytes(4) + body)

    def cut(self):
        with suppress(OSError, RuntimeError):
            if self.writer:
                self.writer.transport.abort()


class Client:
    """One tab of one person.

    journal    {stream: [[seq, change, message, v, hash]]}
    problems   what must never happen, in words
    """

    def __init__(self, crowd, plan):
        self.crowd, self.name, self.cookie, self.rate = crowd, plan["name"], plan["cookie"], plan.get("rate", 0)
        self.places, self.cursors = plan["places"], dict(plan["cursors"])
        self.rooms = [f"room:{room}" for room in plan["rooms"]]
        self.allowed = {f"room:{room}" for room in plan["allowed"]}
        self.journal = {stream: [] for stream in self.cursors}
        self.outbox, self.own, self.composed = asyncio.Queue(), [], 0
        self.acknowledged, self.refused, self.problems, self.skipped = [], [], [], []
        self.latencies, self.absences, self.attempts, self.resets = [], [], 0, 0
        self.socket, self.online, self.epoch, self.revoked = None, asyncio.Event(), plan["epoch"], False
        self.lost_at, self.come_back_at = time.time(), 0
        self.place, self.pulse = None, Pulse(lambda: reached(*self.place), lambda: self.socket and self.socket.cut())
        self._forget()

    def _forget(self):
        self.ids, self.answers, self.hold, self.known, self.asked, self.last = 0, {}, {}, {}, {}, {}
        self.caught_up = False

    # ---- the connection

    async def live(self):
        tries = 0
        while not self.revoked:
            if self.crowd.away:
                await asyncio.sleep(0.05)
                continue
            try:
                self.socket = await self._open()
                self._forget()
                self.pulse.asked("/chat")
                self.socket.send("40/chat,")
                while True:
                    text = await asyncio.wait_for(self.socket.read(), UNHEARD)
                    self.pulse.heard()
                    self._packet(text)
                    if self.caught_up:
                        tries = 0
            except (Lost, TimeoutError):
                pass
            if self.socket is not None:
                self.socket.cut()
            if self.online.is_set():
                if self.caught_up:  # else it is still without what is new
                    self.lost_at = time.time()
                self.online.clear()
            for answer in self.answers.values():
                answer.cancel()
            self.answers, self.socket = {}, None
            self.pulse.ended()
            tries += 1
            away = self.come_back_at - time.monotonic() + random.random() * 0.2
            pause = jitter(tries, 0.5, 8 if tries > 10 else 1.5, least=0.1)
            await asyncio.sleep(max(away, pause) * self.crowd.haste)
        self.online.clear()

    async def _open(self):
        """A Socket to any of the places. Where nobody listens is passed over, as what stands before servers does."""
        for *place, origin in random.sample(self.places, len(self.places)):
            self.place = place
            try:
                return await Socket.open(*self.place, self.cookie, origin)
            except Lost as lost:
                if not isinstance(lost.__cause__, ConnectionRefusedError):
                    raise
        raise Lost("nobody listens")

    def _packet(self, text):
        if text[:9] == b"42/chat,[":
            event, payload = orjson.loads(text[8:])
            if event == "bye":
                self.revoked = payload["reason"] == "revoked"
                if payload["reason"] == "restart":  # whoever is still there then is cut
                    after = payload["after_ms"] / 1000
                    self.come_back_at = time.monotonic() + after
                    asyncio.get_running_loop().call_later(after, self.socket.cut)
                return
            self._event(event, payload)
        elif text[:8] == b"43/chat,":
            number, _, answer = text[8:].partition(b"[")
            waiting = self.answers.pop(int(number), None)
            self.pulse.settled(int(number))
            answer = orjson.loads(b"[" + answer)[0]
            if int(number) in self.asked.values():
                self._resumed(int(number), answer)
            elif waiting and not waiting.done():
                waiting.set_result(answer)
        elif text == b"2":
            self.socket.send("3")
        elif text[:8] == b"40/chat,":
            self.pulse.settled("/chat")
        elif text[:8] in (b"44/chat,", b"41/chat,"):
            self.revoked = b"unauthorized" in text
            raise Lost(text)

    def _emit(self, event, payload):
        self.ids += 1
        self.socket.send(f"42/chat,{self.ids}{json.dumps([event, payload])}")
        self.pulse.asked(self.ids, RESUME_PATIENCE if event == "resume" else PATIENCE)
        return self.ids

    async def ask(self, event, payload):
        """The acknowledgement, or None when the connection ended or nobody answered in time."""
        await self.online.wait()
        answer = asyncio.get_running_loop().create_future()
        number = self._emit(event, payload)
        self.answers[number] = answer
        try:
            return await asyncio.wait_for(answer, ANSWER_WITHIN)
        except (TimeoutError, asyncio.CancelledError):
            self.pulse.settled(number)
            return None

    # ---- the client rule

    def _event(self, event, payload):
        if event == "hello":
            self.last = dict(payload["streams"])
            if payload["epoch"] != self.epoch:
                self._begin_again(payload["epoch"])
            self._resume(list(self.cursors))
            self.online.set()
        elif event == "reset":
            self._begin_again(None) if payload["stream"] == "*" else self._skip(payload["stream"])
        elif event == "subscribed":
            name, head = payload["stream"], payload["head"]
            self.last[name] = head
            if name in self.cursors:
                self.known[name] = max(head, self.known.get(name, 0))
                self._resume([name])
        else:
            self._frame(event, payload)

    def _frame(self, event, payload):
        name, seq = payload["stream"], payload["seq"]
        if name.startswith("room:") and name not in self.allowed:
            self.problems.append(f"forbidden: {self.name} got {name} {seq}")
        if (last := self.last.get(name)) is not None and seq != last + 1:
            self.problems.append(f"out of order: {self.name} got {name} {seq} after {last}")
        self.last[name] = seq
        if name in self.cursors:
            self._take(event, payload, time.time())

    def _take(self, event, payload, now):
        name, seq = payload["stream"], payload["seq"]
        cursor = self.cursors[name]
        if cursor is None or seq <= cursor:
            return
        if seq > cursor + 1:
            self.hold.setdefault(name, {})[seq] = (event, payload, now)
            self._resume([name])
            return
        self.cursors[name] = seq
        message = payload.get("message")
        line = [seq, payload["change"], None, None, None]
        if message:
            line[2:] = message["id"], message["v"], digest(message["text"])
            if payload["change"] == "posted":
                late = now - datetime.fromisoformat(message["created_at"]).timestamp()
                self.latencies.append((round(now, 3), round(late, 3), name))
                if message["key"].startswith(f"{self.name}-") and not message["deleted_at"]:
                    self.own.append(message["id"])
        self.journal[name].append(line)
        if after := self.hold.get(name, {}).pop(seq + 1, None):
            self._take(*after)

    def _resume(self, names):
        names = [name for name in names if name not in self.asked]
        if names:
            number = self._emit(
                "resume", {"epoch": self.epoch, "streams": {name: self.cursors[name] for name in names}}
            )
            self.asked.update(dict.fromkeys(names, number))

    def _resumed(self, number, answer):
        names = [name for name, asked in self.asked.items() if asked == number]
        for name in names:
            del self.asked[name]
        if not answer.get("ok"):  # asked again, a little later
            asyncio.get_running_loop().call_later(answer.get("retry_after", 0.5), self._again, self.socket, names)
            return
        if answer["epoch"] != self.epoch:
            return self._begin_again(answer["epoch"])
        now = time.time()
        for name in names:
            part = answer["streams"][name]
            if part.get("reset"):
                self._skip(name)
            elif part.get("gone"):
                self.problems.append(f"gone: {self.name} was told that {name} is")
            elif self.cursors[name] is None:
                self.cursors[name] = part["head"]
                self.skipped.append([name, part["head"]])
                self.journal[name].append([part["head"], BEGUN_AGAIN, None, None, None])
            else:
                for event, payload in part["frames"]:
                    self._take(event, payload, now)
                behind = max([self.known.get(name, 0), part["head"], *self.hold.get(name, ())])
                if self.cursors[name] < behind:
                    self._resume([name])
        if not self.asked and not self.caught_up:
            self.caught_up = True
            self.absences.append((self.lost_at, time.time()))

    def _again(self, socket, names):
        if self.socket is socket:
            self._resume(names)

    def _begin_again(self, epoch):
        """Another epoch: what is held is worthless."""
        self.epoch = epoch or self.epoch
        for name in self.cursors:
            self._skip(name)

    def _skip(self, name):
        """As after loading the page anew: from its head on."""
        self.resets += 1
        self.cursors[name] = None
        self.hold.pop(name, None)
        if self.socket is not None:
            self._resume([name])

    # ---- the outbox

    async def compose(self):
        """Writes, steadily; now and then an own message is edited or deleted instead."""
        await asyncio.sleep(random.random() / self.rate)
        while not self.crowd.stopping:
            chance = random.random()
            if self.own and chance < self.crowd.edits:
                message = self.own[random.randrange(max(0, len(self.own) - 20), len(self.own))]
                self.crowd.spawn(self.ask("edit", {"message": message, "text": f"changed {uuid.uuid4()}"}))
            elif self.own and chance < self.crowd.edits + self.crowd.deletes:
                self.crowd.spawn(self.ask("delete", {"message": self.own.pop()}))
            else:
                self.composed += 1
                room = random.choice(self.rooms)
                text = f"{self.composed} from {self.name} {'.' * self.crowd.padding}".strip()
                key = f"{self.name}-{self.composed}-{uuid.uuid4().hex[:12]}"
                self.outbox.put_nowait({"room": int(room[5:]), "text": text, "key": key})
            await asyncio.sleep(random.uniform(0.5, 1.5) / self.rate)

    async def empty_outbox(self):
        """One after the other, each until it is answered for good."""
        while True:
            item = await self.outbox.get()
            tries, begun = 0, time.time()
            while True:
                sent = time.time()
                answer = await self.ask("message", item)
                tries, self.attempts = tries + 1, self.attempts + 1
                if answer and answer["ok"]:
                    message = answer["message"]
                    now = time.time()
                    self.acknowledged.append(
                        [item["key"], message["id"], message["seq"], digest(item["text"]), now - begun, now - sent, now]
                    )
                    break
                if answer and answer["code"] not in ("busy", "rate_limited", "error"):
                    self.refused.append([item["key"], answer["code"]])
                    break
                if answer:
                    await asyncio.sleep((answer.get("retry_after") or jitter(tries, 1, 30)) * self.crowd.haste)
            self.outbox.task_done()

    def report(self):
        kept = ("name", "acknowledged", "refused", "problems", "skipped", "latencies", "absences", "attempts", "resets")
        return {name: getattr(self, name) for name in kept} | {
            "journal": self.journal,
            "cursors": self.cursors,
            "waiting": self.outbox.qsize(),
            "revoked": self.revoked,
        }


def digest(text):
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


class Crowd:
    """All of them."""

    def __init__(self, plan):
        self.plan, self.stopping, self.away, self.tasks = plan, False, False, set()
        self.edits, self.deletes = plan.get("edits", 0), plan.get("deletes", 0)
        self.padding, self.haste = plan.get("padding", 0), plan.get("haste", 1)
        self.clients = [Client(self, one) for one in plan["clients"]]

    def spawn(self, coroutine):
        task = asyncio.get_running_loop().create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def run(self):
        for client in self.clients:
            self.spawn(client.live())
            if client.rate:
                self.spawn(client.empty_outbox())
        await self._reached(lambda: all(client.caught_up for client in self.clients))
        say("ready")
        for client in self.clients:
            if client.rate:
                self.spawn(client.compose())
        commands = asyncio.StreamReader(limit=2**24)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
        while line := (await commands.readline()).decode():
            command, _, rest = line.strip().partition(" ")
            await getattr(self, f"on_{command}")(rest)
            if command == "end":
                return

    async def _reached(self, question):
        deadline = time.monotonic() + self.plan["patience"]
        while not question() and time.monotonic() < deadline:
            await asyncio.sleep(0.05)

    async def on_stop(self, _):
        self.stopping = True
        await self._reached(lambda: all(c.outbox._unfinished_tasks == 0 or c.revoked for c in self.clients))
        say("quiet")

    async def on_cut(self, _):
        self.away = True
        for client in self.clients:
            if client.socket is not None:
                client.caught_up, client.lost_at = False, time.time()
                client.socket.cut()
        say("cut")

    async def on_come(self, _):
        self.away = False

    async def on_heads(self, rest):
        heads = json.loads(rest)

        def equal():
            return all(
                (client.cursors[name] or 0) >= heads.get(name, 0)
                for client in self.clients
                if not client.revoked
                for name in client.cursors
            )

        await self._reached(equal)
        say("equal")

    async def on_end(self, _):
        with open(self.plan["file"], "wb") as file:
            file.write(orjson.dumps([client.report() for client in self.clients]))
        say("ended")


def say(word):
    print(word, flush=True)


if __name__ == "__main__":
    asyncio.run(Crowd(json.loads(sys.stdin.readline())).run())
