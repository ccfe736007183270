"""The same promises on PostgreSQL, where transactions run side by side and the rows' locks put them in order."""

import itertools
import os
import random
import subprocess
import sys
import threading
import time
import traceback
import urllib.error
import urllib.request
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from flask_migrate import upgrade
from sqlalchemy import bindparam, func, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from chat.accounts.actions import create_user, deactivate, update_profile
from chat.core.db import db, snapshot
from chat.core.errors import Busy, ChatError, Conflict
from chat.core.prepared import Prepared
from chat.core.transaction import transaction
from chat.messages.actions import post_message
from chat.messages.models import Message
from chat.messages.presenter import MessageView
from chat.rooms.actions import add_member, change_room, mark_read, remove_member, set_role
from chat.streams import log
from chat.streams.models import Entry
from tests import factories
from tests.factories import person
from tests.system.conftest import find_room, new_room
from tests.system.postgresql import PostgreSQL, shared
from tests.system.server import ROOT, Server, wait_until
from tests.system.tab import Tab
from tests.system.test_delivery import try_programs
from tests.system.test_restarts import EACH, PEOPLE, come_back, head_of, stored_in, talk
from tests.system.wire import Wire

pytestmark = pytest.mark.services
STORM_SECONDS = 5
INCOMPLETE = Prepared(insert(Message).values(text=bindparam("text")))


@pytest.fixture(scope="module")
def postgresql():
    return shared()


@pytest.fixture(scope="module")
def community(postgresql, tmp_path_factory):
    """Two processes on one PostgreSQL database, made by the migrations."""
    with processes(postgresql.database(), [tmp_path_factory.mktemp("data") for _ in range(2)]) as servers:
        yield servers


@contextmanager
def processes(url, folders):
    """A process in each of these folders, all on one new database."""
    servers = [Server(folder, DATABASE_URL=url) for folder in folders]

    def make():
        upgrade(directory="migrations")
        factories.found()

    try:
        servers[0].act(make)
        for server in servers:
            server.begin()
        for server in servers:
            server.wait()
        yield servers
    finally:
        for server in servers:
            server.close()


def in_threads(server, *works):
    """Run each work in a thread and transaction of its own, beginning together. Returns what each gave or raised."""
    together = threading.Barrier(len(works))

    def run(work):
        with server.app.app_context():
            together.wait()
            try:
                return work()
            except ChatError as error:
                return error

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def test_what_one_says_in_one_process_the_other_sees_in_another(community, room):
    alice, bob = Tab(community, "alice"), Tab(community, "bob")
    alice.connect(community[0]), bob.connect(community[1])

    alice.wire.call("message", {"room": room, "text": "Is this thing on?", "key": str(uuid.uuid4())})
    wait_until(lambda: bob.read(0.1) and bob.journal, what="bob to see it")
    bob.disconnect()
    alice.wire.call("message", {"room": room, "text": "Still there?", "key": str(uuid.uuid4())})
    bob.connect(community[0])
    wait_until(lambda: not bob.read(0.2) and len(bob.journal) == 2, what="bob to resume")

    assert [text for *_, text in bob.journal] == ["Is this thing on?", "Still there?"]
    assert bob.difference(Tab(community, "bob", cookie=bob.cookie)) is None
    alice.disconnect(), bob.disconnect()


def test_the_same_key_at_once_is_one_message(server, room):
    key, other = str(uuid.uuid4()), new_room(server)
    post = lambda where, text: lambda: post_message(person("alice"), find_room(server, where), text, key=key)  # noqa: E731

    same = in_threads(server, *[post(room, "once")] * 6)
    assert len({message.id for message in same}) == 1

    key = str(uuid.uuid4())
    different = in_threads(server, *[post(room, "here"), post(other, "there")] * 3)  # no common lock: the index decides
    assert {type(answer) for answer in different} == {MessageView, Conflict}
    assert len({answer.id for answer in different if isinstance(answer, MessageView)}) == 1


def test_of_two_owners_who_close_each_others_accounts_at_once_one_stays(server):
    for round_ in range(10):
        first, second = (f"owner{round_}{letter}" for letter in "ab")
        for name in (first, second):
            server.act(lambda name=name: create_user(
                name=name, username=name, email=f"{name}@example.org", password_hash="", role="owner"
            ))  # fmt: skip
        close = lambda actor, other: lambda: deactivate(person(actor), person(other))  # noqa: E731

        in_threads(server, close(first, second), close(second, first))

        closed = server.act(lambda: [bool(person(name).deactivated_at) for name in (first, second)])  # noqa: B023
        assert sorted(closed) == [False, True]


def test_numbers_are_without_holes_whoever_writes_and_whatever_fails(server, room):
    name = f"room:{room}"

    def write(n):
        def work():
            for i in range(12):
                try:
                    with transaction():
                        post_message(person("alice"), find_room(server, room), f"{n} {i}", key=str(uuid.uuid4()))
                        if i % 4 == 3:
                            raise Busy
                except Busy:
                    pass

        return work

    begun = server.act(lambda: log.heads([name])[name])
    in_threads(server, *[write(n) for n in range(4)])

    entries = server.act(lambda: log.since(name, begun))
    assert [entry.seq for entry in entries] == list(range(begun + 1, begun + 1 + 4 * 9))
    assert server.act(lambda: db.session.scalar(select(func.count()).where(Message.room_id == room))) == 4 * 9


def test_locks_are_taken_in_one_order_so_that_nobody_waits_in_a_circle(server, postgresql):
    rooms = [new_room(server) for _ in range(2)]

    def swap(room, username):
        def work():
            for _ in range(6):
                remove_member(person("alice"), find_room(server, room), person(username))
                add_member(person("alice"), find_room(server, room), person(username))
            return "done"

        return work

    def backwards(names):
        def work():
            for _ in range(10):
                with transaction():
                    log.lock(*names)
                    for name in names:
                        log.next_seq(name)
                    db.session.rollback()
            return "done"

        return work

    streams = [
        f"room:{rooms[1]}",
        f"room:{rooms[0]}",
        f"user:{server.act(lambda: person('bob').id)}",
        log.SITE,
        log.ACCESS,
    ]
    answers = in_threads(
        server, swap(rooms[0], "bob"), swap(rooms[1], "bob"), backwards(streams), backwards(streams[::-1]),
    )  # fmt: skip

    assert answers == ["done"] * 4
    assert "deadlock" not in postgresql.log()


def test_who_waits_too_long_for_a_lock_is_told_that_it_is_busy(server, room):
    wire = Wire(server, server.cookie("alice"))
    wire.take(5)
    payload = {"room": room, "text": "at last", "key": str(uuid.uuid4())}
    with server.app.app_context():
        db.session.execute(text("SELECT 1 FROM streams WHERE name = :name FOR UPDATE"), {"name": f"room:{room}"})
        assert wire.call("message", payload)["code"] == "busy"
        other = Wire(server, server.cookie("bob"))
        assert other.call("read", {"room": room, "seq": 1})["ok"], "the loop was not held meanwhile"
        db.session.rollback()

    assert wire.call("message", payload)["ok"]
    wire.drop(), other.drop()


def test_a_room_that_somebody_holds_keeps_no_other_waiting_and_its_own_messages_in_order(server, room):
    other = new_room(server)
    wire, quick = (Wire(server, server.cookie("alice")) for _ in range(2))
    message = lambda where, text: {"room": where, "text": text, "key": str(uuid.uuid4())}  # noqa: E731
    wire.take(5), quick.take(5)
    with server.app.app_context():
        db.session.execute(text("SELECT 1 FROM streams WHERE name = :name FOR UPDATE"), {"name": f"room:{room}"})
        numbers = [wire.emit("message", message(room, str(n))) for n in range(5)]
        assert [quick.call("message", message(other, str(n)))["ok"] for n in range(5)] == [True] * 5
        wire.take(), wire.take(0.05)
        assert not set(numbers) & set(wire.answers), "these wait"
        db.session.rollback()

    wait_until(lambda: wire.take(0.1) and set(numbers) <= set(wire.answers), what="the room to be free")
    posted = [wire.answers[number]["message"] for number in numbers]
    assert [m["text"] for m in posted] == [*map(str, range(5))]
    assert [m["seq"] for m in posted] == [posted[0]["seq"] + n for n in range(5)]
    wire.drop(), quick.drop()


def test_what_goes_to_a_room_that_is_not_there_is_refused_and_keeps_nobody_waiting(server, room):
    """More of them than there are lines for what others hold. Such a room has no row that could be locked, ever."""
    wire = Wire(server, server.cookie("alice"))
    wire.take(5)
    for nowhere in range(999_990, 999_998):
        answer = wire.call("message", {"room": nowhere, "text": "Hello?", "key": str(uuid.uuid4())})
        assert answer["code"] == "not_found"

    assert wire.call("message", {"room": room, "text": "Hello.", "key": str(uuid.uuid4())})["ok"]
    wire.drop()


@pytest.mark.parametrize("how", ["by the session", "prepared"])
def test_an_error_tells_nothing_of_the_row_that_it_is_about(server, how):
    """PostgreSQL itself does: "Failing row contains (…)"."""

    said = "zqspoken"

    def fail():
        with transaction() as record:
            if how == "prepared":
                record.run(INCOMPLETE, text=said)
            else:
                db.session.execute(text("INSERT INTO messages (text) VALUES (:text)"), {"text": said})

    with pytest.raises(IntegrityError) as caught:
        server.act(fail)

    assert said in caught.value.orig.diag.message_detail
    told = "".join(traceback.format_exception(caught.value))
    assert "violates not-null constraint" in told and "violates not-null constraint" in str(caught.value)
    assert said not in told


def test_a_transaction_that_takes_its_time_is_seen_when_it_commits(server, room):
    """window: its number is taken long before it can be read, and other rooms go on meanwhile."""
    other = new_room(server)
    wire = Wire(server, server.cookie("bob"))
    wire.take(5)
    got = []

    def heard(text):
        got.extend(p["message"]["text"] for name, p in wire.take(0.1) if name == "message")
        return text in got

    with server.app.app_context(), transaction():
        post_message(person("alice"), find_room(server, room), "slow", key=str(uuid.uuid4()))
        with server.app.app_context():
            post_message(person("alice"), find_room(server, other), "quick", key=str(uuid.uuid4()))
        wait_until(lambda: heard("quick"))
        for _ in range(15):
            assert not heard("slow"), "it may still be rolled back"

    wait_until(lambda: heard("slow"))
    assert got == ["quick", "slow"]
    wire.drop()


def test_reading_on_merges_over_devices(server, room):
    for _ in range(8):
        server.act(post_message, lambda: person("alice"), lambda: find_room(server, room), "hi", key=str(uuid.uuid4()))
    head = server.act(lambda: log.heads([f"room:{room}"])[f"room:{room}"])

    in_threads(
        server,
        *[lambda seq=seq: mark_read(person("bob"), find_room(server, room), seq) for seq in range(head - 6, head + 1)],
    )

    position = server.act(lambda: mark_read(person("bob"), find_room(server, room), 0).seq)
    assert position == head


def test_whatever_happens_every_screen_ends_equal_to_a_fresh_page_here_too(community):
    try_programs(community, share=4)


# ---- many at once ----------------------------------------------------------------------------------------------------


def test_forty_who_come_back_at_the_same_moment_are_all_answered_while_people_write(server, room):
    """More than the pool has connections, each with as much to read as one answer holds."""
    cookies = [server.cookie(username) for username in ("alice", "bob")]
    epoch = Wire(server, cookies[0]).take(5)[0][1]["epoch"]
    post = lambda n: post_message(person("alice"), find_room(server, room), f"{n}", key=str(uuid.uuid4()))  # noqa: E731
    head = server.act(lambda: log.heads([f"room:{room}"])[f"room:{room}"])
    server.act(lambda: [post(n) for n in range(200)])
    crowd = [Wire(server, cookies[n % 2]) for n in range(40)]
    writers = [Wire(server, cookie) for cookie in cookies]
    for wire in (*crowd, *writers):
        wire.take(5)

    asked = [
        (wire, wire.emit("resume", {"epoch": epoch, "streams": {f"room:{room}": head}, "all": True})) for wire in crowd
    ]

    def answered():
        for wire in crowd:
            wire.take()
        return all(number in wire.answers for wire, number in asked)

    with ThreadPoolExecutor(1) as beside:  # whoever reads nothing for ten seconds is cut off
        reading = beside.submit(wait_until, answered, seconds=60)
        said = []
        for n in range(40):
            payload = {"room": room, "text": f"meanwhile {n}", "key": str(uuid.uuid4())}
            said.append(writers[n % 2].call("message", payload, seconds=30))
        reading.result()

    answers = [wire.answers[number] for wire, number in asked]
    assert all(answer["ok"] for answer in (*said, *answers))
    for answer in answers:
        stream = answer["streams"][f"room:{room}"]
        assert [frame["seq"] for _, frame in stream["frames"]] == list(range(head + 1, stream["upto"] + 1))
        assert stream["upto"] >= head + 200 or stream["more"]
    for wire in (*crowd, *writers):
        wire.drop()


def test_nobody_waits_in_a_circle_whatever_they_do_at_once(community, postgresql):
    """Eight who write, over two processes and this one as a third, and every number is given out once."""
    here, (one, two) = community[0], community
    rooms = [new_room(here, kind="public", members=("bob", "carol", "robot")) for _ in range(2)]
    names = [f"room:{room}" for room in rooms]
    begun = here.act(lambda: log.heads([*names, log.SITE]))
    before = len(postgresql.log())
    ends_at = time.monotonic() + STORM_SECONDS
    answers = Counter()

    def over_a_wire(server, username, *moves):
        """Somebody at a keyboard of this process, who does these one after the other, in both rooms."""

        def work():
            wire, mine = Wire(server, server.cookie(username)), None
            for n, (event, room) in enumerate(itertools.cycle(itertools.product(moves, rooms))):
                if time.monotonic() > ends_at:
                    return wire.drop()
                payload = {
                    "message": {"room": room, "text": f"@alice {n}", "key": str(uuid.uuid4())},
                    "edit": {"message": mine, "text": f"edited {n}"},
                    "read": {"room": room, "seq": 10**6},
                }.get(event, {"room": room})
                answer = wire.call(event, payload)
                mine = answer["message"]["id"] if event == "message" and answer["ok"] else mine
                answers[event, answer.get("code", "ok")] += 1
                wire.inbox.clear()

        return work

    def in_this_process(*actions):
        def work():
            for action in itertools.cycle(actions):
                if time.monotonic() > ends_at:
                    return
                try:
                    action()
                    answers[action.__name__, "ok"] += 1
                except ChatError as refusal:
                    answers[action.__name__, refusal.code] += 1

        return work

    chance = random.Random(11)

    def role():
        set_role(
            person("alice"),
            find_room(here, chance.choice(rooms)),
            person(chance.choice(("bob", "robot"))),
            chance.choice(("member", "owner")),
        )

    def profile():
        update_profile(person("robot"), name=f"Robot {chance.random()}", username="robot", bio="", time_zone="UTC")

    def remove():
        remove_member(person("alice"), find_room(here, chance.choice(rooms)), person("carol"))

    def add():
        add_member(person("alice"), find_room(here, chance.choice(rooms)), person("carol"))

    def topic():
        room = find_room(here, chance.choice(rooms))
        change_room(person("alice"), room, name=room.name, topic=f"{chance.random()}", description="")

    in_threads(
        here,
        over_a_wire(one, "alice", "message", "edit", "read"),
        over_a_wire(two, "alice", "message", "edit"),
        over_a_wire(one, "bob", "message", "edit", "read", "leave", "join"),
        over_a_wire(two, "bob", "join", "leave"),
        over_a_wire(two, "carol", "join", "message", "leave"),
        in_this_process(role, profile),
        in_this_process(remove, add, profile),
        in_this_process(topic, role, add),
    )

    assert "deadlock" not in postgresql.log()[before:]
    assert {code for _, code in answers} <= {"ok", "busy", "not_found", "forbidden", "conflict"}, answers
    assert all(answers[what, "ok"] for what in ("message", "edit", "join", "leave", "role", "profile", "topic")), (
        answers
    )
    for name in (*names, log.SITE):
        with here.app.app_context():
            numbers = db.session.scalars(
                select(Entry.seq).where(Entry.stream == name, Entry.seq > begun[name]).order_by(Entry.seq)
            ).all()
            assert numbers == list(range(begun[name] + 1, log.heads([name])[name] + 1)), name
    print(f"{sum(answers.values())} actions: {dict(answers)}")


@pytest.fixture
def durable():
    """A cluster of this test's own, which keeps what it says it keeps."""
    cluster = PostgreSQL(durable=True)
    yield cluster
    cluster.stop()


def test_while_the_database_is_away_everybody_hears_that_it_is_busy(durable, tmp_path):
    with processes(durable.database(), [tmp_path]) as [server]:
        room, cookie = new_room(server), server.cookie("alice")
        wire = Wire(server, cookie)
        epoch = wire.take(5)[0][1]["epoch"]
        questions = {
            "message": {"room": room, "text": "anybody there?", "key": str(uuid.uuid4())},
            "edit": {"message": 1, "text": "nobody"},
            "resume": {"epoch": epoch, "streams": {}, "all": True},
        }
        durable.crash()

        for event, payload in questions.items():
            answer = wire.call(event, payload)
            assert (answer.get("code"), answer.get("retry_after")) == ("busy", 1), event
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(f"{server.url}/rooms", headers={"Cookie": cookie}))
        assert (refused.value.code, refused.value.headers["Retry-After"]) == (503, "1")
        assert "tries again by itself" in refused.value.read().decode()
        durable.start()

        assert wire.call("message", questions["message"])["ok"]
        assert wire.call("resume", questions["resume"])["ok"]
        wire.drop()
        assert "message failed" not in server.log() and "Unexpected fault" not in server.log()


@pytest.mark.slow
def test_a_database_that_dies_and_comes_back_costs_a_retry_and_nothing_else(durable, tmp_path):
    """Four people write, over connections that drop, and twice the database is gone in the middle of it."""
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    with processes(durable.database(), folders) as servers:
        here = servers[0]
        room = new_room(here, owner="ada", members=PEOPLE[1:])
        tabs = [Tab(servers, username) for username in PEOPLE]
        begun = tabs[0].cursors[f"room:{room}"]
        with ThreadPoolExecutor(len(tabs)) as pool:
            talking = [pool.submit(talk, servers[n % 2], tab, room, random.Random(n)) for n, tab in enumerate(tabs)]
            for reached in (200, 600):
                wait_until(lambda reached=reached: head_of(here, room) > reached, seconds=120)
                durable.crash()
                durable.start()
            acknowledged = [key for talk in talking for key in talk.result()]
        for n, tab in enumerate(tabs):
            come_back(servers[n % 2], tab)
        head = head_of(here, room)
        wait_until(
            lambda: [tab.read(0.05) for tab in tabs] and all(tab.is_up_to({f"room:{room}": head}) for tab in tabs),
            seconds=30,
        )

        stored, entries = here.act(lambda: (stored_in(room), log.since(f"room:{room}", begun)))
        assert sorted(message.key for message in stored) == sorted(acknowledged)
        assert len(stored) == EACH * len(PEOPLE)
        of_log = [(f"room:{room}", e.seq, e.kind, e.subject_id) for e in entries]
        for tab in tabs:
            assert [line[:4] for line in tab.journal if line[0] == f"room:{room}"] == of_log, tab.username
            tab.disconnect()


# ---- settings --------------------------------------------------------------------------------------------------------


def setting(name):
    return db.session.execute(text(f"SHOW {name}")).scalar()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("statement_timeout", "5s"),
        ("lock_timeout", "2s"),
        ("idle_in_transaction_session_timeout", "10s"),
    ],
)
def test_nothing_lasts_for_ever(server, name, value):
    assert server.act(setting, name) == value


def test_who_writes_sees_what_others_commit_and_who_reads_a_snapshot_does_not(server):
    with server.app.app_context():
        with transaction():
            assert (setting("transaction_isolation"), setting("transaction_read_only")) == ("read committed", "off")
        with snapshot():
            assert (setting("transaction_isolation"), setting("transaction_read_only")) == ("repeatable read", "on")
        with transaction():
            assert (setting("transaction_isolation"), setting("transaction_read_only")) == ("read committed", "off")


def test_a_commit_waits_for_the_disk_unless_the_server_was_told_otherwise(durable, tmp_path):
    """What is committed survives: see also the test in which the database dies."""
    server = Server(tmp_path, DATABASE_URL=durable.database())
    with server.app.app_context():
        assert [setting(name) for name in ("fsync", "synchronous_commit", "full_page_writes")] == ["on"] * 3
    server.close()


def test_a_process_takes_twenty_connections_and_no_more(postgresql, tmp_path):
    server = Server(tmp_path, DATABASE_URL=postgresql.database())
    with server.app.app_context():
        taken = [db.engine.connect() for _ in range(20)]
        db.engine.pool._timeout = 0
        with pytest.raises(PoolTimeout):
            db.engine.connect()
        for connection in taken:
            connection.close()
        assert db.engine.pool.checkedin() == 10, "the others are closed when they are given back"
    server.close()


def test_connections_that_were_lost_meanwhile_are_made_anew(server, postgresql):
    with server.app.app_context():
        pid = db.session.execute(text("SELECT pg_backend_pid()")).scalar()
        db.session.rollback()
        postgresql.do(f"SELECT pg_terminate_backend({pid}, 5000)")

        assert db.session.execute(text("SELECT pg_backend_pid()")).scalar() != pid


@pytest.mark.parametrize("limit", ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"])
def test_what_took_too_long_is_busy_and_the_next_one_goes_on(server, postgresql, room, limit):
    stream = f"room:{room}"
    with server.app.app_context(), db.engine.connect() as other:
        other.execute(text("SELECT 1 FROM streams WHERE name = :name FOR UPDATE"), {"name": stream})
        with pytest.raises(Busy), transaction():
            pid = db.session.execute(text(f"SELECT pg_backend_pid(), set_config('{limit}', '50', true)")).scalar()
            if limit == "idle_in_transaction_session_timeout":
                alive = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")

                def hung_up():
                    with db.engine.connect() as looking:  # within one transaction it would see the same again
                        return looking.execute(alive, {"pid": pid}).scalar() == 0

                wait_until(hung_up, what="the server to hang up")
            log.lock(stream)
        other.rollback()
        with transaction():
            log.lock(stream)


WAITING = """
import os, time
from chat.server import async_mode
async_mode.patch()
import psycopg
ticks = []
def tick():
    while True:
        ticks.append(time.monotonic())
        async_mode.sleep(0.01)
async_mode.spawn(tick)
with psycopg.connect(os.environ["URL"]) as connection:
    before = len(ticks)
    connection.execute("SELECT pg_sleep(0.5)")
    print(len(ticks) - before)
"""


@pytest.mark.parametrize("mode", ["eventlet", "gevent"])
def test_whoever_waits_for_the_database_keeps_nobody_waiting(postgresql, mode):
    """A ticker beside a question of half a second. One that waits in C would stop it, and it would tick once or not."""
    environ = {k: v for k, v in os.environ.items() if k != "PSYCOPG_WAIT_FUNC"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WAITING],
        cwd=ROOT,
        env={**environ, "ASYNC_MODE": mode, "URL": postgresql.address("postgres")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) >= 5
