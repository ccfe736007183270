"""flask flood: many messages in one room, to see what size and load do."""

import secrets
import time
import uuid
from datetime import timedelta
from random import Random

import click
from sqlalchemy import select

from chat.accounts.actions import create_user
from chat.accounts.passwords import hash_password
from chat.accounts.queries import everyone, user_by_username
from chat.cli import tidewater
from chat.cli.bulk import Post, Renderer, post_in_bulk
from chat.cli.seed import community
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import ChatError
from chat.core.transaction import transaction
from chat.messages.actions import post_message
from chat.messages.models import Message
from chat.messages.queries import people_named, rooms_named
from chat.rooms.actions import create_room, join_room, mark_read
from chat.rooms.queries import members, public_room_named

EVERY = 30  # seconds between two messages, when there was nothing before
TEXTS = 400  # different ones; more would only measure the renderer
LEFT_UNREAD = 20


@click.command()
@click.option("--room", "name", required=True, help="A public room; made when there is none of this name.")
@click.option("--messages", type=click.IntRange(1, 5_000_000), required=True, help="How many.")
@click.option("--people", type=click.IntRange(1, 10_000), default=10, show_default=True, help="How many write them.")
@click.option("--rate", type=click.FloatRange(0, 1000, min_open=True), help="Post one by one, this many a second.")
@click.option("--unread", is_flag=True, help="Leave all of it unread, instead of the last few.")
def flood(name, messages, people, rate, unread):
    """Fill a room with messages.

    Without --rate as one bulk change, as quickly as the database takes it: for size. With --rate each message is posted
    as people post it, and a server that runs on the same database sends it on: for load.
    """
    if community() is None:
        raise click.ClickException("There is no community yet. Make one: flask --app app seed")
    try:
        nobodys = hash_password(secrets.token_urlsafe(32))
        with transaction():
            room, authors = _room_with(name, people, nobodys)
        if rate:
            _trickle(room, authors, messages, rate)
        else:
            _pour(room, authors, messages, unread)
    except ChatError as error:
        raise click.ClickException(error.message) from None


def _room_with(name, count, password_hash):
    """The room, and `count` people in it who may write: those who are there, then flood-1, flood-2 and so on, who
    cannot sign in, since nobody knows their password."""
    room = public_room_named(name)
    if room is None:
        room = create_room(next(u for u in everyone() if u.role == "owner"), name)
    authors = [membership.user for membership in members(room)][:count]
    number = 0
    while len(authors) < count:
        number += 1
        username = f"flood-{number}"
        user = user_by_username(username) or create_user(
            name=f"Flood {number}", username=username, email=f"{username}@flood.example", password_hash=password_hash
        )
        if user not in authors:
            join_room(user, room)
            authors.append(user)
    return room, authors


def _texts(room):
    """Different things to say, as people in a chat do, the same ones each time."""
    random, found = Random(room.name), []  # noqa: S311 - a story
    plays = [exchange for play in tidewater.TALK.values() for exchange in tidewater.exchanges(play)]
    lines = [text for exchange in plays for _, text in exchange] + list(tidewater.ASIDES)
    while len(found) < TEXTS:
        found.append(tidewater.filled(random.choice(lines), random))
    return found, random


def _pour(room, authors, count, unread):
    began = time.monotonic()
    (texts, random), moment = _texts(room), now()
    last = db.session.scalar(
        select(Message.created_at).where(Message.room_id == room.id).order_by(Message.seq.desc()).limit(1)
    )
    first = moment - timedelta(seconds=EVERY * count)
    first = max(first, last) if last else first
    step = (moment - first) / count
    ids = [author.id for author in authors]
    posts = [Post(random.choice(ids), random.choice(texts), first + step * i) for i in range(1, count + 1)]
    names = [person.username for person in tidewater.PEOPLE]
    with transaction():
        renderer = Renderer(people_named(names), rooms_named([place.name for place in tidewater.ROOMS]))
        numbers = post_in_bulk(room, posts, key=f"flood:{uuid.uuid4().hex[:12]}", renderer=renderer)
        if not unread:
            for membership in members(room):
                mark_read(membership.user, room, numbers[max(0, count - LEFT_UNREAD - 1)])
    seconds = time.monotonic() - began
    click.echo(f"#{room.name} has {count:,} messages more, in {seconds:.1f} s ({count / seconds:,.0f} a second).")


def _trickle(room, authors, count, rate):
    texts, random = _texts(room)
    began, slowest = time.monotonic(), 0
    for i in range(count):
        time.sleep(max(0, began + i / rate - time.monotonic()))
        started = time.monotonic()
        post_message(random.choice(authors), room, random.choice(texts), key=str(uuid.uuid4()))
        slowest = max(slowest, time.monotonic() - started)
    seconds = time.monotonic() - began
    click.echo(
        f"Posted {count:,} messages to #{room.name} in {seconds:.1f} s ({count / seconds:,.1f} a second); "
        f"the slowest took {slowest * 1000:.0f} ms."
    )
