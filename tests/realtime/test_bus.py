"""The bus in process: what is sealed, what waits and goes together, and people on other processes."""

import re
import shutil
import time
from types import SimpleNamespace

import pytest

from chat.accounts.presenter import presence_of
from chat.realtime.bus import InProcess, bus_for
from chat.realtime.bus.envelope import FRESH_SECONDS, MOST_BYTES, Envelope, Ignored
from chat.realtime.bus.queued import DEAF_SECONDS, MOST_STREAMS, MOST_WORDS, Queued
from chat.realtime.bus.transports import channel_of
from chat.realtime.connections import Connection, Connections
from chat.realtime.presence import TOGETHER, Presence
from tests.conftest import settings_for
from tests.realtime.test_presence import Clock, here, states, type_in, typing

KEY = "a key for tests, long enough for the check"


@pytest.fixture
def settings(founded, tmp_path):
    """Those of a process with a queue, to which nobody connects: the tests carry what is said."""
    shutil.copytree(founded, tmp_path / "data")
    return settings_for(tmp_path / "data", MESSAGE_QUEUE_URL="redis://localhost:1/0")


def new_bus(clock=time.monotonic):
    bus = Queued(None, Envelope(KEY), spawn=lambda *_: None, sleep=None, monotonic=clock)
    bus.start()
    return bus


def carry(*buses):
    """Carry all that waits to every one of them, as a queue does, the sender included."""
    for bus in buses:
        while items := bus.take():
            deliver(bus, items, buses)


def deliver(bus, items, buses):
    text = bus.envelope.seal(items)
    for other in buses:
        other.receive(text.encode())


# Envelopes


def test_what_is_sealed_can_be_opened_by_whoever_has_the_key():
    here, there = Envelope(KEY), Envelope(KEY)

    text = here.seal([["hint", {"room:7": 3}], ["typing", [7, 2, True]]])

    assert there.open(text.encode()) == (here.sender, [["hint", {"room:7": 3}], ["typing", [7, 2, True]]])
    assert len(text) < 150


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda text: text.replace("room:7", "room:8"), "signed"),
        (lambda text: text.replace("1.", "2.", 1), "version"),
        (lambda text: text[:-1], "signed"),
        (lambda text: "", "version"),
        (lambda text: "1", "signed"),
        (lambda text: "1..", "signed"),
        (lambda text: "1.ä.[]", "signed"),
        (lambda text: '{"method": "emit"}', "version"),
        (lambda text: b"\xff\xfe", "not text"),
        (lambda text: text + " " * MOST_BYTES, "too large"),
        (lambda text: Envelope("another key, which is long enough, too").seal([]), "signed"),
    ],
)
def test_what_is_not_ours_is_ignored(spoil, why):
    text = Envelope(KEY).seal([["hint", {"room:7": 3}]])

    with pytest.raises(Ignored, match=why):
        Envelope(KEY).open(spoil(text))


def test_a_repetition_is_ignored():
    here, there = Envelope(KEY), Envelope(KEY)
    first, second = here.seal([]), here.seal([])
    there.open(first)
    there.open(second)

    for again in (first, second):
        with pytest.raises(Ignored, match="repetition"):
            there.open(again)


def test_what_somebody_kept_and_brings_back_is_ignored():
    clock = Clock()
    here, begun_later = Envelope(KEY, clock=clock), Envelope(KEY, clock=clock)
    text = here.seal([])
    clock.now += FRESH_SECONDS + 1

    with pytest.raises(Ignored, match="too old"):
        begun_later.open(text)


def test_clocks_that_do_not_agree_are_told_of_once_a_minute(caplog):
    clock, elsewhere = Clock(), Clock()
    bus = new_bus(clock)
    there, stranger = Envelope(KEY, clock=elsewhere), Envelope("another key", clock=elsewhere)
    elsewhere.now = time.time() + 3600

    for _ in range(3):
        bus.receive(there.seal([["hint", {"room:7": 3}]]))
    bus.receive(stranger.seal([]))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert re.search(r"dated (3600|3599) s in the future.* clocks of all machines agree", caplog.text)
    assert (bus.ignored, bus.hints_received) == (4, 0)

    clock.now += 60
    bus.receive(there.seal([]))
    assert len(caplog.records) == 2


def test_processes_that_are_gone_are_forgotten():
    clock = Clock()
    here = Envelope(KEY, clock=clock)
    for _ in range(1000):
        here.open(Envelope(KEY, clock=clock).seal([]))
        clock.now += 10

    assert len(here._last) < 100


def test_two_installations_on_one_queue_do_not_meet(tmp_path):
    one, two = settings_for(tmp_path), settings_for(tmp_path, SECRET_KEY="the key of somebody else, also long")
    named = settings_for(tmp_path, MESSAGE_QUEUE_CHANNEL="staging")

    assert len({channel_of(one), channel_of(two), channel_of(named)}) == 3
    assert channel_of(one).startswith("parley.") and channel_of(named).startswith("staging.")
    assert channel_of(one) == channel_of(settings_for(tmp_path))


# What waits


def test_without_a_queue_there_is_nobody_to_tell(tmp_path):
    bus = bus_for(settings_for(tmp_path), spawn=None, sleep=None)

    assert isinstance(bus, InProcess) and not bus.degraded


def test_hints_of_one_stream_become_one_with_the_newest_number():
    here, there, hints = new_bus(), new_bus(), []
    there.listen(lambda stream, head: hints.append((stream, head)))
    for head in (1, 3, 2):
        here.hint("room:1", head)
    here.hint("user:2", 9)

    carry(here, there)

    assert hints == [("room:1", 3), ("user:2", 9)]
    assert there.hints_received == 2
    assert here.hints_received == 0


def test_what_waits_is_bounded():
    bus = new_bus()
    for n in range(MOST_STREAMS + 5):
        bus.hint(f"room:{n}", 1)
    bus.hint("room:0", 7)
    for n in range(MOST_WORDS + 5):
        bus.say("typing", n)

    assert (len(bus._hints), bus.hints_dropped, bus._hints["room:0"]) == (MOST_STREAMS, 5, 7)
    assert (len(bus._words), bus.words_dropped, bus._words[0]) == (MOST_WORDS, 5, ["typing", 5])


def test_every_message_is_within_the_size_that_is_accepted():
    bus, there = new_bus(), new_bus()
    for n in range(1000):
        bus.hint(f"user:{10**9 + n}", 10**9)
        bus.say("here", [(10**9 + n, "offline") for n in range(TOGETHER)])

    carry(bus, there)

    assert there.hints_received == 1000 and there.ignored == 0


def test_before_it_has_begun_nothing_is_kept():
    bus = Queued(None, Envelope(KEY), spawn=None, sleep=None)
    bus.hint("room:1", 1)
    bus.say("who", None)

    assert bus.take() == []


def test_what_a_listener_cannot_stand_does_not_end_the_listening():
    here, there, heard = new_bus(), new_bus(), []
    there.hear("typing", lambda payload, sender: 1 / 0)
    there.hear("here", lambda payload, sender: heard.append((payload, sender)))
    here.say("typing", "nonsense")
    here.say("something of a newer version", 1)
    here.say("here", [])

    carry(here, there)

    assert heard == [([], here.envelope.sender)]
    assert there.ignored == 1


class Stop(BaseException):
    pass


class Script:
    """A transport that does what it is told, and a `sleep` that ends the test when the script does."""

    def __init__(self, *steps):
        self.steps, self.sent, self.opened, self.closed = list(steps), [], 0, 0

    def __call__(self):
        self.opened += 1
        return self

    def sleep(self, seconds):
        assert seconds <= 2
        if not self.steps:
            raise Stop

    def send(self, text):
        step = self.steps.pop(0)
        if step:
            raise step
        self.sent.append(text)

    def messages(self):
        while self.steps and not isinstance(self.steps[0], Exception):
            yield self.steps.pop(0)
        if self.steps:
            raise self.steps.pop(0)

    def close(self):
        self.closed += 1


def played(script, clock=time.monotonic):
    return Queued(
        script, Envelope(KEY), spawn=lambda f, *args: f(*args) if args else None, sleep=script.sleep, monotonic=clock
    )


def test_what_could_not_be_sent_is_sent_when_it_can_be():
    script = Script(ConnectionError("gone"), TimeoutError("frozen"), None)
    bus, there = played(script), new_bus()
    bus.start()
    bus.hint("room:1", 5)

    with pytest.raises(Stop):
        bus._send_for_ever()

    assert (script.opened, script.closed, len(script.sent)) == (3, 2, 1)
    there.receive(script.sent[0])
    assert (there.hints_received, bus.hints_sent) == (1, 1)


def test_listening_never_ends():
    script = Script(None, ConnectionError("gone"), RuntimeError("a fault of a library"), None)
    bus = played(script)

    with pytest.raises(Stop):
        bus._listen_for_ever()

    assert (script.opened, script.closed, bus.reconnects) == (3, 3, 3)


def test_who_hears_nothing_of_its_own_connects_anew():
    """The connection stands and nothing comes: what is seen when a subscription is lost without a word."""
    clock = Clock()
    heard = Envelope(KEY)
    script = Script(*[None] * 20)
    bus = played(script, clock)
    bus.envelope = heard
    bus.receive(heard.seal([]))
    assert not bus.degraded
    messages = script.messages
    script.messages = lambda: (setattr(clock, "now", clock.now + 1) for _ in messages())

    with pytest.raises(Stop):
        bus._listen_for_ever()

    assert bus.degraded and bus._renew
    assert script.opened == 20 // (DEAF_SECONDS + 1) + 1
    bus.receive(heard.seal([]))
    assert not bus.degraded


# People on other processes


class Elsewhere:
    """The presence of another process, whose people are seen there by a fan-out that keeps all it is given."""

    def __init__(self, clock):
        self.bus, self.told = new_bus(clock), []
        fanout = SimpleNamespace(
            publish=lambda room, event, payload: self.told.append((payload["user"], payload["state"])),
            send=lambda *_: None,
            enter=lambda *_: None,
        )
        self.connections = Connections()
        self.presence = Presence(fanout, self.connections, SimpleNamespace(follows={}), self.bus, monotonic=clock)

    def comes(self, user):
        connection = Connection(f"transport of {user.id}", f"sid of {user.id}", user.id, 0, "")
        self.connections.add(connection)
        self.presence.arrived(connection)
        return connection


@pytest.fixture
def clock(presence):
    presence.monotonic = presence.bus.monotonic = Clock()
    return presence.monotonic


@pytest.fixture
def elsewhere(presence, clock):
    presence.bus.spawn = lambda *_: None
    presence.bus.start()
    return Elsewhere(clock)


@pytest.fixture
def carried(presence, elsewhere):
    """carried(): what the two processes told each other has arrived."""

    def carried():
        for _ in range(3):  # an answer to a question is carried, too
            carry(presence.bus, elsewhere.bus)

    return carried


@pytest.fixture
def passes(presence, elsewhere, clock, carried):
    """passes(seconds): that time goes by, second by second, with the sweeps of both processes."""

    def passes(seconds, *, alive=True):
        for _ in range(seconds):
            clock.now += 1
            presence.sweep()
            if alive:
                elsewhere.presence.sweep()
                carried()

    return passes


def test_who_comes_elsewhere_is_seen_here_and_on_pages(live, elsewhere, carried, alice, bob):
    watcher = live(alice)
    states(watcher)

    connection = elsewhere.comes(bob)
    carried()
    assert states(watcher) == [(bob.id, "online")]
    assert presence_of(bob) == "online"
    assert elsewhere.presence.shown == {alice.id: "online", bob.id: "online"}

    elsewhere.presence.left(connection)
    carried()
    assert states(watcher) == [(bob.id, "offline")]
    assert presence_of(bob) == "offline"


def test_who_is_connected_to_both_is_gone_when_neither_has_them(live, elsewhere, carried, alice, bob):
    watcher, desk = live(alice), live(bob)
    phone = elsewhere.comes(bob)
    carried()
    states(watcher)

    here(desk, active=False)
    carried()
    assert states(watcher) == []
    desk.client.disconnect("/chat")
    carried()
    assert states(watcher) == []
    elsewhere.presence.left(phone)
    carried()
    assert states(watcher) == [(bob.id, "offline")]


def test_people_of_a_living_process_stay(live, elsewhere, passes, alice, bob):
    watcher = live(alice)
    connection = elsewhere.comes(bob)
    for _ in range(4):
        passes(14)
        elsewhere.presence.here(connection, active=True, room_id=None)
        here(watcher)
    passes(1)

    assert states(watcher)[1:] == [(bob.id, "online")]


def test_a_process_that_dies_takes_its_people_with_it(live, elsewhere, passes, carried, alice, bob):
    watcher = live(alice)
    elsewhere.comes(bob)
    carried()
    states(watcher)

    passes(29, alive=False)
    here(watcher)
    assert presence_of(bob) == "online"
    passes(1, alive=False)
    assert states(watcher) == [(bob.id, "offline")]
    assert presence_of(bob) == "offline"


def test_a_process_that_begins_is_told_who_is_here(live, elsewhere, carried, presence, alice, bob):
    live(alice)
    carried()
    begun = Elsewhere(presence.monotonic)
    assert begun.presence.shown == {}

    both = (presence.bus, begun.bus)
    deliver(begun.bus, [], both)  # it hears itself: the others can be reached
    carry(*both)
    carry(*both)

    assert begun.presence.shown == {alice.id: "online"}


def test_typing_elsewhere_is_seen_here_and_ends_by_itself(live, elsewhere, passes, carried, alice, bob, general):
    watcher = live(alice, general)
    connection = elsewhere.comes(bob)

    elsewhere.presence.typing(connection, general.id, True)
    carried()
    assert typing(watcher) == [(general.id, bob.id, True)]
    passes(5)
    assert typing(watcher) == []
    passes(1)
    assert typing(watcher) == [(general.id, bob.id, False)]


def test_typing_here_is_told_elsewhere(live, elsewhere, carried, bob, general):
    heard = []
    elsewhere.bus.hear("typing", lambda payload, sender: heard.append(payload))
    writer = live(bob, general)

    type_in(writer, general)
    type_in(writer, general, on=False)
    carried()

    assert heard == [[general.id, bob.id, True], [general.id, bob.id, False]]


def test_typing_elsewhere_is_not_shown_to_who_may_not_see_the_room(live, elsewhere, carried, carol, bob, general):
    outside = live(carol)

    elsewhere.presence.typing(elsewhere.comes(bob), general.id, True)
    carried()

    assert typing(outside) == []
