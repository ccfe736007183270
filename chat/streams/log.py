"""Taking numbers, writing entries, reading them back.

The row lock on a stream's head, held until commit, makes commit order and number order agree, and a rollback gives the
number back: no holes. One global id as a cursor would skip rows, since ids are taken before rows commit.
"""

from contextlib import nullcontext
from typing import NamedTuple

import orjson
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    String,
    Text,
    any_,
    bindparam,
    cast,
    delete,
    func,
    insert,
    select,
    update,
)

from chat.core import ledger
from chat.core.clock import now
from chat.core.db import db, is_sqlite
from chat.core.errors import Invalid
from chat.core.prepared import Prepared
from chat.core.transaction import run_in_session
from chat.streams.models import Entry, Stream

ACCESS, SITE = "access", "site"
AUDIT = "audit"  # numbers the audit log, and has no entries here
TOO_MANY = 2000


class Moment(NamedTuple):
    """What is shown of an entry depends on beside its own stream: names and pictures are in `site`, roles and bans in
    `access`."""

    epoch: str
    site: int
    access: int


class Change(NamedTuple):
    """One numbered change of a stream. Events give them by their method `changes()`."""

    stream: str
    seq: int
    kind: str
    subject_id: int
    data: dict | None = None


class Range(NamedTuple):
    """The newest number of a stream, and the highest one that was pruned."""

    head: int
    floor: int


def room_stream(room_id):
    return f"room:{room_id}"


def user_stream(user_id):
    return f"user:{user_id}"


def subject_of(stream):
    """The id behind a room's or a person's stream: 7 for "room:7"; None for the others."""
    _, _, number = stream.partition(":")
    return int(number) if number else None


def _rank(name):
    kind, _, number = name.partition(":")
    return ("room", "user", "site", "access", "audit").index(kind), int(number or 0)


def create(name):
    """Begin a stream, empty. Part of the transaction that makes its owner."""
    db.session.add(Stream(name=name, head=0, floor=0))
    db.session.flush()


def lock(*names):
    """Hold these streams until the transaction ends. What is read below is as it will be when this commits.

    Always in one order (rooms by id, people by id, site, access, audit), one statement each, so that two transactions
    never wait for each other. SQLite has one lock, and the transaction already holds it.
    """
    if not is_sqlite():
        for name in sorted(set(names), key=_rank):
            db.session.execute(select(Stream.name).where(Stream.name == name).with_for_update())
        db.session.flush()
        db.session.expire_all()


def together(unit, *names, waiting=nullcontext):
    """Return what `unit(record)` gives, once it is stored, with these streams locked while it runs. Many units share a
    transaction: see chat/core/ledger.py."""
    return ledger.together(unit, names=names, lock=lock_rows, waiting=waiting)


_NAMES = bindparam("names", type_=ARRAY(String))
_ROWS = (
    select(Stream.name).where(Stream.name == any_(_NAMES)).order_by(func.array_position(_NAMES, Stream.name))
)  # in the order in which the names are given
_LOCK, _LOCK_FREE = (Prepared(postgresql=_ROWS.with_for_update(skip_locked=free)) for free in (False, True))


def lock_rows(run, names, *, wait):
    """`lock` in one statement, for PostgreSQL. Returns the names it holds: all, or without waiting what was free."""
    rows = run(_LOCK if wait else _LOCK_FREE, names=sorted(set(names), key=_rank))
    return [row.name for row in rows]


_ADVANCE = Prepared(update(Stream).where(Stream.name == bindparam("stream")).values(head=bindparam("seq")))


def advance(run, stream, seq):
    """Take number `seq`, the one after the head that was read under the lock: `next_seq` within a unit."""
    run(_ADVANCE, stream=stream, seq=seq)


def next_seq(name):
    """Take the next number of a stream that this transaction has locked."""
    return db.session.execute(
        update(Stream)
        .where(Stream.name == name)
        .values(head=Stream.head + 1)
        .returning(Stream.head)
        .execution_options(synchronize_session=False)
    ).scalar_one()


def skip(name, count):
    """A bulk change of a stream that this transaction has locked: takes `count` numbers at once, for which there are no
    entries, and lets the log begin there. Everybody loads anew what belongs to it. Returns the new head."""
    return db.session.execute(
        update(Stream)
        .where(Stream.name == name)
        .values(head=Stream.head + count, floor=Stream.head + count)
        .returning(Stream.head)
        .execution_options(synchronize_session=False)
    ).scalar_one()


_WRITE = Prepared(insert(Entry.__table__).values({c.key: bindparam(c.key) for c in Entry.__table__.columns}))


def write(event, transaction):
    """Subscriber: store the entries of an event, in the transaction that made it."""
    for change in event.changes():
        transaction.run(_WRITE, **change._asdict(), created_at=now())


_HEADS = Prepared(
    select(Stream.name, Stream.head, Stream.floor).where(Stream.name.in_(bindparam("names", expanding=True)))
)


def heads(names, ask=run_in_session):
    """The newest number of each stream that exists, by name. One query for up to 500 names."""
    return {name: head for name, (head, _) in heads_and_floors(names, ask).items()}


def heads_and_floors(names, ask=run_in_session):
    """{name: Range} of the streams that exist. One query for up to 500 names."""
    names, found = list(names), {}
    for start in range(0, len(names), 500):
        rows = ask(_HEADS, names=names[start : start + 500])
        found.update((row.name, Range(row.head, row.floor)) for row in rows)
    return found


_SAID = bindparam("said", type_=Text)
_said_sqlite = func.json_each(_SAID).table_valued("key", "value")
_said_postgresql = func.json_each_text(cast(_SAID, JSON)).table_valued("key", "value")


def _other(said):
    head = func.coalesce(Stream.head, 0)
    rows = select(said.c.key.label("name"), head.label("head")).select_from(said)
    return rows.outerjoin(Stream, Stream.name == said.c.key).where(head != cast(said.c.value, BigInteger))


_OTHER = Prepared(sqlite=_other(_said_sqlite), postgresql=_other(_said_postgresql))


def other_heads(said, ask=run_in_session):
    """Of these streams, given as {name: number}, the heads that are another number; 0 for one that does not exist. One
    query, in which the database compares: a seventh of what it costs to be told all heads."""
    return {row.name: row.head for row in ask(_OTHER, said=orjson.dumps(said).decode())}


def head_and_floor(name):
    """The Range of one stream, or None when there is no such stream."""
    return heads_and_floors([name]).get(name)


def since(stream, seq, *, limit=TOO_MANY):
    """Return up to `limit` entries of `stream` after number `seq`, oldest first, consecutive from seq + 1.

    None when the log no longer reaches back that far: the reader must start afresh. `seq` 0 means the beginning.
    Raises Invalid when `seq` is negative or above the head, as after restoring an older backup. Two queries.
    """
    head, floor = head_and_floor(stream) or (0, 0)
    if not 0 <= seq <= head:
        raise Invalid(f"{stream} has no number {seq}; its newest is {head}.", field="streams")
    if seq < floor:
        return None
    found = db.session.scalars(
        select(Entry).where(Entry.stream == stream, Entry.seq > seq).order_by(Entry.seq).limit(limit)
    ).all()
    expected = min(head - seq, limit)
    return found if len(found) == expected and (not found or found[-1].seq == seq + expected) else None


def of_kinds(stream, kinds, *, after, upto, limit):
    """The newest `limit` entries of these kinds with after < seq <= upto, oldest first. One query."""
    newest = db.session.scalars(
        select(Entry)
        .where(Entry.stream == stream, Entry.kind.in_(kinds), Entry.seq > after, Entry.seq <= upto)
        .order_by(Entry.seq.desc())
        .limit(limit)
    ).all()
    return newest[::-1]


def prune(older_than, *, batch=10_000, keep=()):
    """Delete entries older than this, of one stream, and raise its floor. Returns how many went, 0: none left. The
    streams named in `keep` stay whole.

    One stream in a transaction, so that it waits for no lock while it holds another. First the floor, then the entries:
    a reader in between finds a floor above its cursor and starts afresh, never a hole.
    """
    old = select(Entry.stream).where(Entry.created_at < older_than, Entry.stream.not_in(keep))
    old = old.order_by(Entry.stream).limit(1)
    name = db.session.scalar(old)
    if name is None:
        return 0
    lock(name)
    numbers = select(Entry.seq).where(Entry.stream == name, Entry.created_at < older_than).order_by(Entry.seq)
    highest = db.session.scalars(numbers.limit(batch)).all()[-1]
    db.session.execute(update(Stream).where(Stream.name == name, Stream.floor < highest).values(floor=highest))
    return db.session.execute(delete(Entry).where(Entry.stream == name, Entry.seq <= highest)).rowcount
