"""Somebody may no longer follow: from the commit on nothing newer reaches them, and within two seconds it is over.

Newer is what was sent after the answer to whoever revoked, so its transaction began after the other's commit. Whoever
posts is on the server that the person is connected to, and the revocation comes over that one, or over the other.
"""

import re
import select
import threading
import time
import uuid
from contextlib import contextmanager, suppress
from functools import partial

import requests

from chat.accounts.actions import assign_role, reactivate
from chat.accounts.signed_in import cookie_name
from tests.factories import PASSWORD, person
from tests.faults.table import fault
from tests.faults.world import Outcome
from tests.system.server import wait_until
from tests.system.wire import Gone, Wire

TARGET = "0 newer frames; over within 2 s, on the same process and on another, the queue there and gone"
BOUND = 2
TOGETHER = 20


@fault("S03", "somebody is removed from a room", target=TARGET, instances=2)
def kicked(world, size):
    def revoke(browsers, trial):
        browsers.ada.post(f"/rooms/{trial.room}/members/{trial.user_id}/remove")

    return tried(world, size, revoke, is_over=was_removed)


@fault("S03", "somebody's account is closed", target=TARGET, instances=2)
def closed(world, size):
    def revoke(browsers, trial):
        browsers.ada.post(f"/people/{trial.username}/close")

    def open_again(trials):
        for trial in trials:
            reactivate(person("ada"), person(trial.username))

    return tried(world, size, revoke, is_over=has_ended("revoked"), afterwards=open_again)


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
    """One person with one connection, who is to lose it. `at`: when the answer to whoever revoked was there."""

    def __init__(self, world, server, username, room):
        self.server, self.username, self.room, self.user_id = server, username, room, world.people[username]
        self.cookie = server.cookie(username)
        self.wire, self.seen, self.ended, self.at, self.first_newer = Wire(server, self.cookie), [], None, None, None

    def newer(self):
        texts = [int(p["message"]["text"]) for _, event, p in self.seen if event == "message" and "message" in p]
        return [text for text in texts if text >= self.first_newer]


def was_removed(trial):
    """When the connection heard that it is no member any more; None before."""
    return next((at for at, event, p in trial.seen if event == "me" and p["change"] == "room_removed"), None)


def has_ended(reason):
    """When the connection was closed; None while it is open, and when nobody said why."""

    def ended(trial):
        said = any(event == "bye" and p["reason"] == reason for _, event, p in trial.seen)
        return trial.ended if said else None

    return ended


def tried(world, size, revoke, *, is_over, afterwards=lambda trials: None):
    """So many trials each on the same process and on another, with the queue and without it."""
    outcome, count = Outcome(), size.of(5, 200)
    for queue in ("there", "gone"):
        with queue_is(world, queue):
            for where in ("same", "other"):
                trials = []
                for names in batches(world.people_needed(count)):
                    some = trials_of(world, names, revoke, where, is_over)
                    for trial in some:
                        with suppress(Gone, OSError):
                            trial.wire.drop()
                    world.act(partial(afterwards, some))
                    trials += some
                took = [is_over(trial) - trial.at for trial in trials if is_over(trial)]
                name = f"{where}, queue {queue}"
                outcome.never(f"newer frames ({name})", [n for trial in trials for n in trial.newer()])
                outcome.never(f"never over ({name})", [t.username for t in trials if is_over(t) is None])
                outcome.within(f"over max ({name})", max(took, default=None), BOUND)
    outcome.figures["trials"] = 4 * count
    return outcome


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


def trials_of(world, names, revoke, where, is_over):
    here, there = world.servers
    room = world.new_room(names)
    trials = [Trial(world, here, name, room) for name in names]
    browsers = Browsers(here if where == "same" else there)
    writer, posted = Wire(here, here.cookie("ada")), 0
    with watched(trials):
        for trial in trials:
            revoke(browsers, trial)
            trial.at, trial.first_newer = time.monotonic(), posted
            said = {"room": room, "text": str(posted), "key": str(uuid.uuid4())}
            assert writer.call("message", said)["ok"]
            writer.take()
            posted += 1
        with suppress(AssertionError):
            wait_until(lambda: all(map(is_over, trials)), seconds=2 * BOUND)
        said = {"room": room, "text": str(posted), "key": str(uuid.uuid4())}  # once more, when all is over
        assert writer.call("message", said)["ok"]
        threading.Event().wait(0.2)  # for what must not come
    writer.drop()
    return trials


@contextmanager
def watched(trials):
    """Reads what the trials' connections get, and notes when."""
    enough = threading.Event()

    def watch():
        by_socket = {trial.wire.socket.sock: trial for trial in trials}
        while not enough.is_set() and by_socket:
            for sock in select.select(list(by_socket), [], [], 0.02)[0]:
                trial = by_socket[sock]
                try:
                    got = trial.wire.take()
                except Gone:
                    got, trial.ended = [], time.monotonic()
                    del by_socket[sock]
                trial.seen += [(time.monotonic(), *one) for one in got]
                if not trial.wire.alive and trial.ended is None:
                    trial.ended = time.monotonic()
                    del by_socket[sock]

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
