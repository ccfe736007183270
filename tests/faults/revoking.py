"""Somebody may no longer follow: from the commit on nothing newer reaches them, and within two seconds it is over.

Newer is what was sent after the answer to whoever revoked, so its transaction began after the other's commit. Whoever
posts is on the server that the person is connected to, and the revocation comes over that one, or over the other.

People follow in a window of their browser, programs over a websocket and an event stream at once, which both have to
end. An access token that runs out is no commit: then newer is what was sent a second after its end, and "the other"
process is where whoever posts is.
"""

import re
import select
import socket
import threading
import time
import uuid
from contextlib import contextmanager, suppress
from functools import partial
from unittest.mock import patch

import requests

from chat.accounts import jwt
from chat.accounts.actions import assign_role, make_token, pair_for_session, reactivate, renew
from chat.accounts.actions.sessions import begin_session
from chat.accounts.credentials import sid_of
from chat.accounts.queries import live_session
from chat.accounts.signed_in import cookie_name
from chat.admin.moderation.actions import lift_suspension, unban_person
from chat.site.queries import the_site
from tests.events import Events
from tests.factories import PASSWORD, person
from tests.faults.table import fault
from tests.faults.world import Outcome
from tests.system.server import wait_until
from tests.system.wire import Gone, Wire

TARGET = "0 newer frames; over within 2 s, on the same process and on another, the queue there and gone"
BOUND = 2
TOGETHER = 20
BESIDE_CLOCKS = 1  # second after the end of an access token from which on nothing may come


@fault("S03", "somebody is removed from a room", target=TARGET, instances=2)
def kicked(world, size):
    def revoke(browsers, trial):
        browsers.ada.post(f"/rooms/{trial.room}/members/{trial.user_id}/remove")

    return tried(world, size, revoke, is_over=was_removed)


@fault("S03", "somebody's account is closed", target=TARGET, instances=2)
def closed(world, size):
    return shut_out(world, size, "close", reactivate)


@fault("S03", "somebody is suspended", target=TARGET, instances=2)
def suspended(world, size):
    return shut_out(world, size, "suspend", lift_suspension, hours="24", reason="Flooding")


@fault("S03", "somebody is banned", target=TARGET, instances=2)
def banned(world, size):
    return shut_out(world, size, "ban", unban_person, reason="Flooding", typed="{username}")


def shut_out(world, size, way, let_in_again, **fields):
    """ada shuts them out by this form of their page; afterwards `let_in_again(ada, person)`."""

    def revoke(browsers, trial):
        sent = {name: value.format(username=trial.username) for name, value in fields.items()}
        browsers.ada.post(f"/people/{trial.username}/{way}", **sent)

    def afterwards(trials):
        for trial in trials:
            let_in_again(person("ada"), person(trial.username))

    return tried(world, size, revoke, is_over=has_ended("revoked"), afterwards=afterwards)


@fault("S03", "a token that somebody made is revoked", target=TARGET, instances=2)
def token_revoked(world, size):
    def revoke(browsers, trial):
        cookie = browsers.server.cookie(trial.username)
        browsers.of(cookie).post(f"/settings/tokens/{trial.session_id}/revoke")

    return tried(world, size, revoke, is_over=has_ended("revoked"), trial=OfToken)


@fault("S03", "a refresh token is used a second time", target=TARGET, instances=2)
def family_revoked(world, size):
    def revoke(browsers, trial):
        sent = {"grant": "refresh_token", "refresh_token": trial.spent}
        answer = requests.post(f"{browsers.server.url}/api/v1/token", json=sent, timeout=10)
        assert answer.status_code == 401, answer.text

    return tried(world, size, revoke, is_over=has_ended("revoked"), trial=OfProgram)


@fault("S03", "an access token runs out", target=TARGET, instances=2)
def ran_out(world, size):
    return tried(world, size, None, is_over=has_ended("expired"), trial=OfShortToken)


@fault("S03", "somebody signs out", target=TARGET, instances=2)
def signed_out(world, size):
    def revoke(browsers, trial):
        browsers.of(trial.cookie).post("/logout")

    return tried(world, size, revoke, is_over=has_ended("revoked"))


@fault("S03", "somebody changes the password in another browser", target=TARGET, instances=2)
def new_password(world, size):
    turns = iter(range(10**9))

    def revoke(browsers, trial):
        before = world.people.setdefault(f"password of {trial.username}", PASSWORD)
        new = f"walnut ferry copper dusk {next(turns)}"
        cookie = browsers.server.cookie(trial.username)
        browsers.of(cookie).post("/settings/password", current=before, new=new)
        world.people[f"password of {trial.username}"] = new

    return tried(world, size, revoke, is_over=has_ended("revoked"))


@fault("S03", "somebody gets another role", target=f"{TARGET}; back with the new rights", instances=2)
def another_role(world, size):
    def revoke(browsers, trial):
        browsers.ada.post(f"/people/{trial.username}/role", role="guest")

    def come_back(trials):
        for trial in trials:
            Wire(trial.server, trial.cookie).drop()  # raises Gone when it is not let in
            assign_role(person(trial.username), "member")

    return tried(world, size, revoke, is_over=has_ended("rights"), afterwards=come_back)


# ---- trials ----------------------------------------------------------------------------------------------------------


class Trial:
    """One person in a window of their browser, who is to lose it.

    at           when the answer to whoever revoked was there
    first_newer  the first text that may not come any more
    """

    def __init__(self, world, server, username, room):
        self.server, self.username, self.room, self.user_id = server, username, room, world.people[username]
        self.at = self.first_newer = None
        self.lines = [Line(one) for one in self.opened(world)]

    def opened(self, world):
        self.cookie = self.server.cookie(self.username)
        return [Wire(self.server, self.cookie)]

    def newer(self):
        said = [p["message"]["text"] for line in self.lines for _, event, p in line.seen if event == "message"]
        return [text for text in map(int, said) if text >= self.first_newer]


class OfToken(Trial):
    """A program of theirs with a token that they made, on both ways there are to follow."""

    def opened(self, world):
        token = self.server.act(self.made)  # which writes its own address into access tokens
        return [Wire(self.server, None, origin="", token=token), EventWire(self.server, token)]

    def made(self):
        token, session = make_token(person(self.username), "bridge", scopes=["read"], days=1)
        self.session_id = session.id
        return token


class OfProgram(OfToken):
    """A program that they let in, which has renewed its access token once."""

    def made(self):
        someone = person(self.username)
        pair = pair_for_session(someone, live_session(begin_session(someone)), scopes=["read"])
        self.spent = pair.refresh_token
        return renew(self.spent).access_token


class OfShortToken(OfToken):
    """The same, but its access token has a few seconds left."""

    SECONDS = 6  # in which all who are watched together have to be connected

    def made(self):
        someone = person(self.username)
        session = pair_for_session(someone, live_session(begin_session(someone)), scopes=["read"]).session
        with patch.object(jwt, "LIFETIME_SECONDS", self.SECONDS):
            token = jwt.issue(sid_of(session), someone.id, the_site().epoch)
        self.ends_at = jwt.verified(token)["exp"]
        return token


class Line:
    """One connection of a trial, and what came over it: [(when, event, payload)]."""

    def __init__(self, wire):
        self.wire, self.seen, self.ended = wire, [], None

    def __str__(self):
        return f"{'ended' if self.ended else 'open'}, heard last {[one for _, *one in self.seen[-3:]]}"

    def first(self, event, **fields):
        """When that was heard; None when it was not."""
        return next((at for at, name, p in self.seen if name == event and fields.items() <= p.items()), None)


class EventWire:
    """An event stream that is read when it is asked, as `Wire` is."""

    def __init__(self, server, token):
        self.alive, self.events = True, Events()
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        lines = ["GET /api/v1/events HTTP/1.0", f"Host: localhost:{server.port}", f"Authorization: Bearer {token}"]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        head = b""
        while b"\r\n\r\n" not in head:
            received = self.socket.recv(4096)
            assert received, head
            head += received
        head, _, body = head.partition(b"\r\n\r\n")
        assert b" 200 " in head.partition(b"\r\n")[0], head + body
        self.events.feed(body)
        self.socket.setblocking(False)

    def take(self):
        """What arrived since, as [(event, payload)]. Raises Gone when there is nothing and never will be."""
        with suppress(BlockingIOError):
            while data := self._received():
                self.events.feed(data)
            self.alive = False
        taken, self.events.seen = self.events.seen, []
        if not taken and not self.alive:
            raise Gone
        return taken

    def _received(self):
        try:
            return self.socket.recv(65536)
        except ConnectionError:
            return b""

    def drop(self):
        self.socket.close()


def was_removed(line):
    """When the connection heard that it is no member any more; None before."""
    return line.first("me", change="room_removed")


def has_ended(reason):
    """When the connection was closed; None while it is open, and when nobody said why."""
    return lambda line: line.ended if line.first("bye", reason=reason) else None


def tried(world, size, revoke, *, is_over, trial=Trial, afterwards=lambda trials: None):
    """So many trials each on the same process and on another, with the queue and without it.

    revoke    revoke(browsers, trial) takes it away, over the server of those browsers; None: it ends by itself
    is_over   is_over(line) → when that connection had lost it, or None
    """
    outcome, count = Outcome(), size.of(5, 200)
    for queue in ("there", "gone"):
        with queue_is(world, queue):
            for where in ("same", "other"):
                trials = []
                for names in batches(world.people_needed(count)):
                    some = trials_of(world, names, partial(trial, world), revoke, where, is_over)
                    for line in lines_of(some):
                        with suppress(Gone, OSError):
                            line.wire.drop()
                    world.act(partial(afterwards, some))
                    trials += some
                took = [is_over(line) - one.at for one in trials for line in one.lines if is_over(line)]
                missing = [f"{one.username}: {line}" for one in trials for line in one.lines if not is_over(line)]
                name = f"{where}, queue {queue}"
                outcome.never(f"newer frames ({name})", [n for one in trials for n in one.newer()])
                outcome.never(f"never over ({name})", missing)
                outcome.within(f"over max ({name})", max(took, default=None), BOUND)
    outcome.figures["trials"] = 4 * count
    return outcome


def lines_of(trials):
    return [line for trial in trials for line in trial.lines]


@contextmanager
def queue_is(world, how):
    if how == "there":
        yield
        return
    world.redis.kill()
    try:
        yield
    finally:
        world.redis.start()
        world.heard()


def batches(names):
    """Few enough at a time that they are read as fast as the servers write to them."""
    return [names[start : start + TOGETHER] for start in range(0, len(names), TOGETHER)]


def trials_of(world, names, trial, revoke, where, is_over):
    here, there = world.servers
    room = world.new_room(names)
    trials = [trial(here if revoke or where == "same" else there, name, room) for name in names]
    browsers = Browsers(here if where == "same" else there)
    writer = Writer(here, room)
    with watched(lines_of(trials)):
        if revoke is None:
            come_to_their_end(trials, writer)
        for one in trials if revoke else ():
            revoke(browsers, one)
            one.at, one.first_newer = time.monotonic(), writer.posted
            writer.post()
        with suppress(AssertionError):
            wait_until(lambda: all(map(is_over, lines_of(trials))), seconds=2 * BOUND)
        writer.post()  # once more, when all is over
        threading.Event().wait(0.2)  # for what must not come
    writer.wire.drop()
    return trials


def come_to_their_end(trials, writer):
    """Post now and then until the last access token has run out, and a little longer."""
    behind = time.time() - time.monotonic()
    last = max(trial.ends_at for trial in trials)
    while (moment := time.time()) < last + BOUND:
        for trial in trials:
            if trial.first_newer is None and moment > trial.ends_at + BESIDE_CLOCKS:
                trial.at, trial.first_newer = trial.ends_at - behind, writer.posted
        writer.post()
        threading.Event().wait(0.1)


class Writer:
    """ada, who posts one number after the other."""

    def __init__(self, server, room):
        self.wire, self.room, self.posted = Wire(server, server.cookie("ada")), room, 0

    def post(self):
        said = {"room": self.room, "text": str(self.posted), "key": str(uuid.uuid4())}
        assert self.wire.call("message", said)["ok"]
        self.wire.take()
        self.posted += 1


@contextmanager
def watched(lines):
    """Reads what comes over these connections, and notes when."""
    enough = threading.Event()

    def watch():
        by_socket = {line.wire.socket.fileno(): line for line in lines}
        while not enough.is_set() and by_socket:
            for number in select.select(list(by_socket), [], [], 0.02)[0]:
                line = by_socket[number]
                try:
                    got = line.wire.take()
                except Gone:
                    got = []
                line.seen += [(time.monotonic(), *one) for one in got]
                if not line.wire.alive:
                    line.ended = time.monotonic()
                    del by_socket[number]

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


class Browsers:
    """Browsers at one server, which send forms."""

    def __init__(self, server):
        self.server = server
        self.ada = self.of(server.cookie("ada"))

    def of(self, cookie):
        return Browser(self.server, cookie)


class Browser:
    """Somebody's browser, with the token of its forms."""

    def __init__(self, server, cookie):
        self.url, self.http = server.url, requests.Session()
        self.http.cookies.set(cookie_name_of(server), cookie.partition("=")[2])
        page = self.http.get(f"{self.url}/settings/profile", timeout=10).text
        self.token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)[1]

    def post(self, path, **fields):
        data = {"csrf_token": self.token, **fields}
        answer = self.http.post(f"{self.url}{path}", data=data, timeout=10, allow_redirects=False)
        assert answer.status_code == 303 and "/confirm" not in answer.headers["Location"], (path, answer.status_code)


def cookie_name_of(server):
    with server.app.app_context():
        return cookie_name()
