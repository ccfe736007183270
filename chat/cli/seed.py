"""flask seed: an invented community to look around in, with everything that a message can be."""

import secrets
import sys
from datetime import timedelta
from random import Random

import click
from flask import current_app
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError, ProgrammingError

from chat.accounts.actions import create_user, update_profile
from chat.accounts.models import User
from chat.accounts.passwords import hash_password, refuse_weak
from chat.accounts.queries import everyone
from chat.cli import tidewater
from chat.cli.bulk import Post, Renderer, post_in_bulk
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import ChatError
from chat.core.transaction import transaction
from chat.messages.actions import delete_message, edit_message, post_message
from chat.messages.models import Message
from chat.messages.queries import message_for, people_named, rooms_named
from chat.rooms.actions import add_member, archive_room, change_room, create_room, found_community, join_room, mark_read
from chat.rooms.models import Membership, Room
from chat.rooms.queries import members, public_room_named
from chat.site.models import Site
from chat.site.queries import the_site
from chat.streams.models import Entry

DAYS = 42  # as far back as the first message
UNREAD = {"general": 12, "buoy-firmware": 4, "data-pipeline": 5, "support": 31, "field-work": 3}
UNREAD_FOR = ("mirela", "amara", "noa")  # and for whoever had founded the community
EMOJI_ONLY = ("👍", "🎉", "🌊", "😂", "🙏 🙏", "⚓", ":tada:", "🦀🦀🦀")


@click.command()
@click.option("--password-stdin", is_flag=True, help="Read everybody's password from standard input.")
def seed(password_stdin):
    """Fill an empty Parley with an invented community.

    Twelve people, eight rooms and 5,000 messages of the last six weeks: the same ones each time. Refuses where
    people have written already.
    """
    refuse_where_people_are()
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else secrets.token_urlsafe(9)
    try:
        if password_stdin:
            refuse_weak(password, about=["Tidewater"])
        hashed = hash_password(password)
        with transaction():
            people, count = Tidewater(hashed).begin()
    except ChatError as error:
        raise click.ClickException(f"{error.message} Nothing was changed.") from None
    click.echo(f"{len(people)} people wrote {count:,} messages in {len(tidewater.ROOMS)} rooms.\n")
    for user in people:
        click.echo(f"  {user.username:<10} {user.role:<8} {user.name}")
    address = current_app.config["PARLEY"].base_url
    click.echo(f"\nSign in at {address} as any of them, for instance mirela. The password of all is: {password}")


def refuse_where_people_are():
    """A community is empty as long as nobody but its founder is there and nothing was said."""
    if community() is not None and (len(everyone()) > 1 or db.session.scalar(select(Message.id).limit(1))):
        raise click.ClickException(
            "There is a community here already, and its people should not wake up among strangers. Point DATA_DIR to a "
            "new folder, then: flask --app app db upgrade && flask --app app seed"
        )
    db.session.rollback()


def community():
    """The Site, or None. Says what to do when there are no tables yet."""
    try:
        return the_site()
    except (OperationalError, ProgrammingError):
        raise click.ClickException("The database has no tables yet. Run: flask --app app db upgrade") from None


class Tidewater:
    """One telling of the story. Everything is decided by one random seed and by the time of day."""

    def __init__(self, password_hash):
        self.password_hash, self.random, self.now = password_hash, Random(4200), now()  # noqa: S311 - a story
        self.begins = self.now - timedelta(days=DAYS, hours=3)
        self.people, self.rooms, self.places, self.dated = {}, {}, {}, []

    def begin(self):
        """Tell it, in a transaction that is open. Returns (the people, how many messages there are)."""
        founder = self._arrive()
        for place in tidewater.ROOMS:
            self._open(place, founder)
        self.renderer = Renderer(people_named(list(self.people)), rooms_named(list(self.rooms)))
        for place in tidewater.ROOMS:
            self._talk(place)
        self._read(founder)
        with transaction() as record:
            record.before_commit(lambda _: self._backdate())  # when the entries have been written
        return list(self.people.values()), sum(map(len, self.places.values()))

    # ---- who, and where

    def _arrive(self):
        """The people. Returns whoever founded the community before, if anybody did."""
        founder = everyone()[0] if the_site() else None
        for person in tidewater.PEOPLE:
            account = {
                "name": person.name, "username": person.username, "email": f"{person.username}@tidewater.example",
                "password_hash": self.password_hash,
            }  # fmt: skip
            if the_site() is None:
                user = found_community("Tidewater", **account)
            else:
                user = create_user(**account, role="admin" if person.role == "owner" else person.role)
            update_profile(user, name=user.name, username=user.username, bio=person.bio, time_zone=person.time_zone)
            self.people[person.username] = user
        return founder

    def _open(self, place, founder):
        owner = self.people[place.owner]
        room = public_room_named(place.name)
        if room is None:
            room = create_room(owner, place.name, kind=place.kind, topic=place.topic)
        join_room(owner, room)
        if place.description:
            change_room(owner, room, name=room.name, topic=room.topic, description=place.description)
        for user in (*(self.people[name] for name in place.members or self.people), *filter(None, [founder])):
            add_member(owner, room, user)
        self.rooms[place.name] = room

    # ---- what is said

    def _talk(self, place):
        """Fill a room: long ago in bulk, what happened last one by one, as people do it."""
        room, scene = self.rooms[place.name], tidewater.exchanges(tidewater.LAST[place.name])[0]
        ends = self.now - (timedelta(days=16) if place.archived else timedelta(minutes=self.random.randint(2, 40)))
        times = self._backwards_from(ends, len(scene))
        begins = times[0] - timedelta(days=1) if place.archived else self.begins
        posts = self._posts(place, begins, times[0] - timedelta(minutes=1), place.messages - len(scene))
        self.places[place.name] = post_in_bulk(room, posts, key="seed", renderer=self.renderer)
        for at, (username, text) in zip(times, scene, strict=True):
            self._say(place, self.people[username], text, at)
        if place.archived:
            archive_room(self.people[place.owner], room)
            self.dated.append((room.stream, room.v, ends + timedelta(minutes=1)))
            room.archived_at = ends + timedelta(minutes=1)

    def _say(self, place, author, text, at):
        room = self.rooms[place.name]
        first = text.replace("Worst case is 2.1 mAh instead of 340.", "").strip()
        posted = post_message(author, room, first, key=f"seed:{place.name}:{len(self.places[place.name])}")
        message = message_for(author, posted.id)
        message.created_at = at
        self.dated.append((room.stream, message.seq, at))
        if first != text:
            edit_message(author, message, text)
            message.edited_at = at + timedelta(minutes=1)
        elif text.startswith("Which of these two"):
            delete_message(author, message)
            message.deleted_at = at + timedelta(minutes=1)
        if message.v != message.seq:
            self.dated.append((room.stream, message.v, at + timedelta(minutes=1)))
        self.places[place.name].append(message.seq)

    def _backwards_from(self, end, count):
        times = [end]
        while len(times) < count:
            times.append(times[-1] - timedelta(seconds=self.random.choice((40, 70, 150, 400, 1300))))
        return times[::-1]

    def _posts(self, place, begins, ends, count):
        """`count` messages between two moments, oldest first, in conversations."""
        talk = self._conversations(place)
        said = []
        while sum(map(len, said)) < count:
            said.append(next(talk))
        starts = self._starts(begins, ends, len(said))
        posts, at = [], begins
        for start, lines in zip(starts, said, strict=True):
            at = max(start, at + timedelta(seconds=60))
            for username, text in lines:
                at += timedelta(seconds=self.random.randint(8, 60) + len(text) // 8)
                posts.append(self._post(username, text, min(at, ends)))
        return posts[:count]

    def _post(self, username, text, at):
        author, chance = self.people[username].id, self.random.random()
        if chance < 0.006:
            return Post(author, text, at, deleted_at=at + timedelta(seconds=50))
        if chance < 0.03 and "```" not in text and " the " in text:
            before = text.replace(" the ", " teh ", 1)
            return Post(author, text, at, before=before, edited_at=at + timedelta(seconds=self.random.randint(20, 59)))
        return Post(author, text, at)

    def _conversations(self, place):
        """Without end: the exchanges of a room, all of them once, then again in another order."""
        found = tidewater.exchanges(tidewater.TALK[place.name])
        here = [place.owner, *(place.members or [name for name in self.people if name != place.owner])]
        while True:
            for lines in self.random.sample(found, len(found)):
                texts = tidewater.filled("\0".join(text for _, text in lines), self.random).split("\0")
                spoken = list(zip((who for who, _ in lines), texts, strict=True))
                for _ in range(self.random.choice((0, 0, 0, 1, 1, 2))):
                    spoken.append((self.random.choice(here), self._aside()))
                yield spoken

    def _aside(self):
        if self.random.random() < 0.15:
            return self.random.choice(EMOJI_ONLY)
        return tidewater.filled(self.random.choice(tidewater.ASIDES), self.random)

    def _starts(self, begins, ends, count):
        """Moments at which people begin to talk, in order: by day, and rarely on a weekend."""
        found, span = [], (ends - begins).total_seconds()
        while len(found) < count:
            at = begins + timedelta(seconds=self.random.randrange(int(span * 0.97)))
            if span < 5 * 86_400 or (5 <= at.hour < 18 and (at.weekday() < 5 or self.random.random() < 0.1)):
                found.append(at)
        return sorted(found)

    # ---- what is read, and when it was

    def _read(self, founder):
        """Most of it, by most people; a few have something waiting."""
        for name, numbers in self.places.items():
            room = self.rooms[name]
            for membership in members(room):
                user = membership.user
                often = user is founder or user.username in UNREAD_FOR
                unread = UNREAD.get(name, 0) if often else self.random.choice((0, 0, 0, 0, 1, 2, 6))
                mark_read(user, room, numbers[-unread - 1] if unread else 2**31)

    def _backdate(self):
        """What was made just now was made then: rows that no one has seen yet, in the transaction that makes them."""
        ids = [room.id for room in self.rooms.values()]
        streams = [room.stream for room in self.rooms.values()]
        for model, column, which in (
            (Room, "created_at", Room.id.in_(ids)),
            (Membership, "since", Membership.room_id.in_(ids)),
            (Entry, "created_at", Entry.stream.in_(streams)),
            (User, "created_at", User.id.in_([user.id for user in self.people.values()])),
            (Site, "created_at", Site.id == 1),
        ):
            db.session.execute(update(model).where(which).values({column: self.begins}))
        for stream, seq, at in self.dated:
            db.session.execute(update(Entry).where(Entry.stream == stream, Entry.seq == seq).values(created_at=at))
