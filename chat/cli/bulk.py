"""Many messages at once: one bulk change of a room, as an import makes it.

Its numbers are taken together, no entries are written and the floor goes to the head. Whoever has the room open loads
it anew, instead of being sent every message.
"""

from datetime import datetime
from itertools import islice
from typing import NamedTuple

from sqlalchemy import insert, select, update

from chat.core.db import db
from chat.core.transaction import transaction
from chat.messages.formatting import RENDERER, Body, render
from chat.messages.models import Edit, Mention, Message
from chat.messages.text import clean, content_hash
from chat.streams.log import lock
from chat.streams.models import Stream

ROWS = 2000  # in one statement


class Post(NamedTuple):
    """A message as it came to be. Who may write it is for the caller to know."""

    author_id: int
    text: str
    at: datetime
    before: str | None = None  # the text it had at first, when it was edited
    edited_at: datetime | None = None
    deleted_at: datetime | None = None


class Renderer:
    """Renders each text once, for the names that there are."""

    def __init__(self, people, rooms):
        self.people, self.rooms, self.rendered = people, rooms, {}

    def body(self, text, *, may_call_all=False):
        key = (text, may_call_all)
        if key not in self.rendered:
            self.rendered[key] = render(text, people=self.people, rooms=self.rooms, may_call_all=may_call_all)
        return self.rendered[key]


def post_in_bulk(room, posts, *, key, renderer, callers=frozenset()):
    """Store `posts`, oldest first, as one bulk change of `room`. Returns the numbers of their places.

    key       begins the keys of these messages; room and number are the rest.
    callers   ids of the authors whose @room calls everyone.
    """
    with transaction():
        lock(room.stream)
        head = _take(room, sum(1 + bool(p.edited_at) + bool(p.deleted_at) for p in posts))
        numbers = _numbers(posts, head)
        rows, mentions, edits = [], {}, {}
        for post, (seq, v) in zip(posts, numbers, strict=True):
            text = clean(post.text)
            body = renderer.body(text, may_call_all=post.author_id in callers)
            if post.deleted_at:
                text, body = "", Body("")
            elif body.mentions:
                mentions[seq] = body.mentions
            if post.edited_at and not post.deleted_at:
                edits[seq] = post
            rows.append(_row(room, post, f"{key}:{room.id}:{seq}", seq, v, text, body))
        _insert(Message, rows)
        ids = _ids(room, head) if mentions or edits else {}
        named = [(seq, user_id) for seq, found in mentions.items() for user_id in found]
        _insert(Mention, [{"message_id": ids[s], "user_id": u, "room_id": room.id, "seq": s} for s, u in named])
        _insert(Edit, [_edit(ids[seq], post, renderer) for seq, post in edits.items()])
    return [seq for seq, _ in numbers]


def _take(room, count):
    """The head before; the numbers up to `count` more are ours, and nobody can follow them one by one."""
    taken = update(Stream).where(Stream.name == room.stream).values(head=Stream.head + count, floor=Stream.head + count)
    return db.session.execute(taken.returning(Stream.head)).scalar_one() - count


def _numbers(posts, head):
    """(seq, v) of each: its place and its newest change, in the order in which all of it happened."""
    happened = [(post.at, i, "seq") for i, post in enumerate(posts)]
    for i, post in enumerate(posts):
        happened += [(at, i, "v") for at in (post.edited_at, post.deleted_at) if at]
    numbers = [[0, 0] for _ in posts]
    for number, (_, i, what) in enumerate(sorted(happened, key=lambda h: h[:2]), head + 1):
        if what == "seq":
            numbers[i][0] = number
        numbers[i][1] = number
    return numbers


def _row(room, post, key, seq, v, text, body):
    edited = bool(post.edited_at) + 1
    return {
        "room_id": room.id, "author_id": post.author_id, "seq": seq, "v": v, "rev": edited, "key": key,
        "content_hash": content_hash(room.id, post.before or clean(post.text)), "text": text, "html": body.html,
        "renderer": RENDERER, "mentions_room": body.mentions_room, "created_at": post.at, "edited_at": post.edited_at,
        "deleted_at": post.deleted_at, "deleted_by_id": post.author_id if post.deleted_at else None,
    }  # fmt: skip


def _edit(message_id, post, renderer):
    return {
        "message_id": message_id, "rev": 1, "text": post.before, "html": renderer.body(post.before).html,
        "replaced_at": post.edited_at,
    }  # fmt: skip


def _insert(model, rows):
    rows = iter(rows)
    while some := list(islice(rows, ROWS)):
        db.session.execute(insert(model.__table__), some)  # the ORM would split rows by which columns are empty


def _ids(room, after):
    """{seq: id} of the messages above a number."""
    found = db.session.execute(select(Message.seq, Message.id).where(Message.room_id == room.id, Message.seq > after))
    return dict(found.all())
