"""How messages are shown: one view object for the page, the frame and the API alike."""

from dataclasses import dataclass
from datetime import UTC, date, timedelta
from functools import cached_property, lru_cache
from typing import NamedTuple

import orjson

from chat.accounts.models import User
from chat.accounts.policy import can_administer, can_invite, may
from chat.accounts.presenter import PersonView, present_blocks, present_person, zone_of
from chat.accounts.queries import blocks_of, users_by_id
from chat.core.clock import iso, now
from chat.messages.formatting import is_emoji_only
from chat.messages.queries import unread_counts
from chat.rooms.policy import can_create_room
from chat.rooms.presenter import LINES, Place, clock_words, people_in, present_line, present_room
from chat.rooms.queries import memberships, positions
from chat.site.queries import the_site
from chat.streams import log

GROUPED = timedelta(minutes=5)  # messages of one author closer than this share a name and a picture


@dataclass(frozen=True)
class MessageView:
    id: int
    room_id: int
    seq: int
    v: int
    rev: int
    key: str
    author: PersonView
    text: str
    html: str
    created_at: str
    clock: str
    edited_at: str | None
    deleted_at: str | None
    mentions: list
    mentions_room: bool
    is_emoji_only: bool

    @property
    def deleted(self):
        return self.deleted_at is not None

    @property
    def path(self):
        return f"/rooms/{self.room_id}/messages/{self.id}"

    @cached_property
    def json(self):
        """`to_json`, encoded once: the frame and the acknowledgement hold the same object."""
        return orjson.Fragment(orjson.dumps(self.to_json()))

    def to_json(self):
        """The wire's `message` object, see docs/protocol.md."""
        return {
            "id": self.id,
            "room": self.room_id,
            "seq": self.seq,
            "v": self.v,
            "rev": self.rev,
            "key": self.key,
            "author": self.author.to_json(),
            "text": self.text,
            "html": self.html,
            "created_at": self.created_at,
            "edited_at": self.edited_at,
            "deleted_at": self.deleted_at,
            "thread": None,
            "reactions": [],
            "attachments": [],
            "reply_to": None,
            "mentions": self.mentions,
            "mentions_room": self.mentions_room,
            "pinned": None,
        }


def present(message, zone=UTC):
    """The view of a Message. `zone` only fills the clock that stands until the browser shows its own."""
    mentions = [mention.user_id for mention in message.mentions]
    return _present(message, present_person(message.author), mentions, zone)


def present_sent(row, mentions):
    """The same from the rows of `queries.find_by_key`."""
    author = _person(
        row.author_id, row.author_name, row.author_username, row.author_avatar, row.author_role, row.author_v
    )
    return _present(row, author, mentions)


def _present(message, author, mentions, zone=UTC):
    return MessageView(
        id=message.id,
        room_id=message.room_id,
        seq=message.seq,
        v=message.v,
        rev=message.rev,
        key=message.key,
        author=author,
        text=message.text,
        html=message.html,
        created_at=iso(message.created_at),
        clock=clock_words(message.created_at, zone),
        edited_at=iso(message.edited_at),
        deleted_at=iso(message.deleted_at),
        mentions=mentions,
        mentions_room=message.mentions_room,
        is_emoji_only=is_emoji_only(message.text),
    )


class Fresh(NamedTuple):
    """A message that a transaction is about to commit, with the Moment it is as new as."""

    view: MessageView
    moment: log.Moment


def present_posted(draft, place, *, id, seq, created_at):
    """The view of a message at its posting: of a Draft, and the row of `queries.place_of` by which it was judged."""
    moment = iso(created_at)
    return MessageView(
        id=id,
        room_id=draft.room_id,
        seq=seq,
        v=seq,
        rev=1,
        key=draft.key,
        author=_person(place.id, place.name, place.username, place.avatar, place.role, place.v),
        text=draft.text,
        html=draft.body.html,
        created_at=moment,
        clock=moment[11:16],
        edited_at=None,
        deleted_at=None,
        mentions=list(draft.body.mentions),
        mentions_room=draft.body.mentions_room,
        is_emoji_only=is_emoji_only(draft.text),
    )


@lru_cache(maxsize=5000)
def _person(id, name, username, avatar, role, v):
    """The view of an author. Everything it shows is in the key, so it is never old."""
    return present_person(User(id=id, name=name, username=username, avatar=avatar, role=role, v=v))


def authors_counted():
    """(How often the view of an author was at hand, how often it had to be made.)"""
    return _person.cache_info()[:2]


@dataclass(frozen=True)
class DayView:
    date: str
    words: str


@dataclass(frozen=True)
class Item:
    kind: str  # message, line, day, new
    view: object = None
    grouped: bool = False
    muted: bool = False  # by the viewer


@dataclass(frozen=True)
class Timeline:
    """A page of a room, oldest first: what has the numbers `first_seq` to `last_seq`. `newest`: it reaches the head."""

    items: list
    has_older: bool
    has_newer: bool
    first_seq: int
    last_seq: int

    @property
    def newest(self):
        return not self.has_newer


def timeline(room, messages, *, viewer, has_older, has_newer, after, upto, position=None, muted=()):
    """Weave messages, lines, days and the New line into a Timeline.

    after, upto   the numbers between which everything belongs to this page, the room's own lines, too.
    position      the viewer's read position: the New line stands before the first message above it. None: no line.
    muted         the ids of people whose messages the viewer wants folded away
    """
    zone = zone_of(viewer)
    entries = log.of_kinds(room.stream, LINES, after=after, upto=upto, limit=200)
    people = users_by_id(people_in(entries))
    things = [(message.seq, message.created_at, "message", message) for message in messages]
    things += [(entry.seq, entry.created_at, "line", entry) for entry in entries]
    things.sort(key=lambda thing: thing[0])
    items, last_day, previous, new_shown = [], None, None, position is None
    for seq, created_at, kind, thing in things:
        day = created_at.astimezone(zone).date()
        if day != last_day:
            items.append(Item("day", DayView(day.isoformat(), day_words(day, now().astimezone(zone).date()))))
            last_day, previous = day, None
        if kind == "line":
            items.append(Item("line", present_line(thing, people, v=seq, zone=zone)))
            previous = None
            continue
        is_muted = thing.author_id in muted
        if not new_shown and seq > position and not (thing.author_id == viewer.id or thing.deleted_at or is_muted):
            items.append(Item("new"))
            new_shown, previous = True, None
        items.append(Item("message", present(thing, zone), grouped=_is_grouped(previous, thing), muted=is_muted))
        previous = thing
    return Timeline(
        items=items,
        has_older=has_older,
        has_newer=has_newer,
        first_seq=after + 1,
        last_seq=upto,
    )


def _is_grouped(previous, message):
    return (
        previous is not None
        and previous.author_id == message.author_id
        and not previous.deleted_at
        and not message.deleted_at
        and message.created_at - previous.created_at < GROUPED
    )


def day_words(day, today):
    if day == today:
        return "Today"
    if day == today - timedelta(days=1):
        return "Yesterday"
    year = f" {day.year}" if day.year != today.year else ""
    return f"{date.strftime(day, '%A')}, {day.day} {date.strftime(day, '%B')}{year}"


@dataclass(frozen=True)
class SidebarView:
    community: str
    hue: int
    me: PersonView
    places: list
    user_stream: str
    user_cursor: int
    site_cursor: int
    epoch: str
    can_invite: bool
    can_administer: bool
    can_create_room: bool = False
    can_see_reports: bool = False
    reports_waiting: int = 0
    blocks: dict | None = None  # {"mute": [ids], "block": [ids]}

    @property
    def unread_total(self):
        return sum(place.unread for place in self.places)

    @property
    def mentions_total(self):
        return sum(place.mentions for place in self.places)


def present_place(membership, counts, position, *, current=False):
    head, unread, mentions = counts
    return Place(
        room=present_room(membership.room),
        unread=unread,
        mentions=mentions,
        cursor=head,
        position=position.seq if position else 0,
        v=position.v if position else 0,
        current=current,
    )


# What later nouns add to the first pane: "reports" → function(actor): how many wait. Filled in chat/__init__.py.
on_sidebar = {}


def reports_waiting(actor):
    """How many reported messages wait for this person; 0 for whoever does not decide about any. At most one query."""
    return on_sidebar["reports"](actor) if may(actor, "see_reports") else 0


def present_sidebar(actor, current_room_id=None, *, counts=None, heads=None, waiting=None):
    """What the first pane shows, with the numbers it is counted at. Six queries, whatever the number of rooms, and one
    more for those who moderate.

    counts, heads, waiting   what the caller has read already: `unread_counts`, heads of the actor's stream and the
                             site's, `reports_waiting`.
    """
    joined = memberships(actor)
    counts = unread_counts(actor.id) if counts is None else counts
    read = positions(actor.id, [membership.room_id for membership in joined])
    heads = log.heads([actor.stream, log.SITE]) if heads is None else heads
    site = the_site()
    return SidebarView(
        community=site.name,
        hue=site.hue,
        me=present_person(actor),
        places=[
            present_place(m, counts[m.room_id], read.get(m.room_id), current=m.room_id == current_room_id)
            for m in joined
        ],
        user_stream=actor.stream,
        user_cursor=heads.get(actor.stream, 0),
        site_cursor=heads.get(log.SITE, 0),
        epoch=site.epoch,
        can_invite=bool(can_invite(actor)),
        can_administer=bool(can_administer(actor)),
        can_create_room=bool(can_create_room(actor)),
        can_see_reports=bool(may(actor, "see_reports")),
        reports_waiting=reports_waiting(actor) if waiting is None else waiting,
        blocks=present_blocks(blocks_of(actor.id)),
    )


@dataclass(frozen=True)
class EditView:
    rev: int
    html: str
    replaced_at: str
    clock: str
    words: str


def present_edit(edit, *, viewer):
    """A text that a message had before, and until when."""
    local, today = edit.replaced_at.astimezone(zone_of(viewer)), now().astimezone(zone_of(viewer)).date()
    return EditView(edit.rev, edit.html, iso(edit.replaced_at), f"{local:%H:%M}", day_words(local.date(), today))
