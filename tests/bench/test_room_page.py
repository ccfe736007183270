"""Does a room with 100,000 messages open as fast as one with 1,000?

    pytest tests/bench/test_room_page.py -s

The median of 20 requests of the newest page and of one far back, in process, everything read and everything unread (it
is counted each time). Time on the clock, and time of the processor, which does not depend on what else the machine
does. The number of queries has to be the same.
"""

import statistics
import time

import pytest
from sqlalchemy import insert, update

from chat.core.clock import now
from chat.core.db import db
from chat.core.transaction import transaction
from chat.messages.formatting import RENDERER
from chat.messages.models import Message
from chat.rooms.actions import add_member, create_room
from chat.streams import log
from chat.streams.models import Entry, Stream
from tests.assertions import counted_queries

REQUESTS = 20


def room_of(alice, bob, size):
    """A room with `size` messages, written at once as an import would."""
    room = create_room(alice, f"room-of-{size}", kind="private")
    add_member(alice, room, bob)
    moment = now()
    with transaction():
        head = log.heads([room.stream])[room.stream]
        rows = [
            {
                "room_id": room.id, "author_id": alice.id if n % 3 else bob.id, "seq": head + n, "v": head + n, "rev":
                1, "key": f"{size}-{n}", "content_hash": "", "text": f"message {n}", "html": f"<p>message {n}</p>",
                "renderer": RENDERER, "mentions_room": False, "created_at": moment,
            }
            for n in range(1, size + 1)
        ]  # fmt: skip
        db.session.execute(insert(Message), rows)
        ids = db.session.query(Message.id, Message.seq).filter(Message.room_id == room.id)
        entries = [
            {"stream": room.stream, "seq": seq, "kind": "posted", "subject_id": id, "created_at": moment}
            for id, seq in ids
        ]
        db.session.execute(insert(Entry), entries)
        db.session.execute(update(Stream).where(Stream.name == room.stream).values(head=head + size))
    db.session.expire_all()
    return room


def measure(browser, path):
    """Median milliseconds of clock and processor, and queries, of a page."""
    clock, processor = [], []
    for _ in range(REQUESTS):
        began, began_processor = time.perf_counter(), time.process_time()
        assert browser.get(path).status_code == 200
        clock.append((time.perf_counter() - began) * 1000)
        processor.append((time.process_time() - began_processor) * 1000)
    with counted_queries() as queries:
        browser.get(path)
    return statistics.median(clock), statistics.median(processor), len(queries)


@pytest.mark.slow
def test_a_large_room_opens_like_a_small_one(sign_in, alice, bob, csrf_off, capsys):
    browser, found = sign_in(bob), {}
    for size in (1_000, 100_000):
        room = room_of(alice, bob, size)
        browser.get(room.path)
        found[size, "newest page, all unread"] = measure(browser, room.path)
        assert browser.post(f"{room.path}/read").status_code == 303
        found[size, "newest page"] = measure(browser, room.path)
        found[size, "older page"] = measure(browser, f"{room.path}?before={size // 2}")

    with capsys.disabled():
        for (size, page), (clock, processor, queries) in found.items():
            print(
                f"\n  {size:7,} messages, {page}: {clock:.1f} ms ({processor:.1f} ms of CPU), {queries} queries", end=""
            )
    for (size, page), (*_, queries) in found.items():
        assert queries == found[1_000, page][2], f"{page} of {size} messages"
