"""Entries of a stream → the frames that clients get: each subject as it is now, in the shape the page itself shows."""

import logging
from dataclasses import dataclass, replace
from functools import lru_cache

from flask import current_app, get_template_attribute

from chat.accounts.presenter import present_blocks, present_person
from chat.accounts.queries import blocks_of, users_by_id
from chat.core.db import db
from chat.core.mold import Mold, blank, escaped
from chat.messages.presenter import present as present_message
from chat.messages.presenter import present_place
from chat.messages.queries import messages_by_id, unread_counts
from chat.realtime.wire import SERVER
from chat.rooms.circle import guests_who_know
from chat.rooms.models import Membership, Room
from chat.rooms.presenter import people_in, present_line, present_room
from chat.rooms.queries import memberships_of_room, memberships_of_user, positions
from chat.site.queries import the_site
from chat.streams.log import subject_of

logger = logging.getLogger(__name__)

# The kinds of entries whose frames show that message, and no more.
ABOUT_MESSAGES = ("posted", "edited", "deleted", "undeleted")


@dataclass(frozen=True)
class Frame:
    """One numbered change, ready to send.

    message   the id of the message it shows, if it shows one.
    removed   the person whose membership this change ended: they get neither it nor anything newer.
    room      the room whose subscription of this person must be made anew (frames of a person's own stream).
    guests    {id of a guest: whether they may see it}; None: all may. Everybody else who follows the stream may.
    """

    stream: str
    seq: int
    event: str
    payload: dict
    message: int | None = None
    removed: int | None = None
    room: int | None = None
    guests: dict | None = None

    def shown_to(self, guest_id):
        """What a guest gets: this Frame, or a tick with its number; None for a guest nobody asked about."""
        sees = True if self.guests is None else self.guests.get(guest_id)
        if sees is False:
            return Frame(self.stream, self.seq, "tick", {"stream": self.stream, "seq": self.seq})
        return self if sees else None

    def __post_init__(self):
        if self.event not in SERVER["/chat"]:
            raise ValueError(f"{self.event!r} has no audience in wire.py")


def present(stream, entries, guests=()):
    """{seq: Frame} of these entries of one stream. One that cannot be presented is missing. A fixed number of
    queries.

    guests   the ids of guests who may get them: of the community's stream they see what is about people they know
    """
    kind, _, _ = stream.partition(":")
    if kind == "site":
        return _site_frames(entries, guests)
    return {"room": _room_frames, "user": _own_frames}[kind](stream, entries)


def posted(stream, seq, view):
    """The Frame of a message that is just being stored, from its MessageView. No query."""
    html = _html_of_new(view)
    body = {"stream": stream, "seq": seq, "change": "posted", "message": view.json, "html": html}
    return Frame(stream, seq, "message", body, message=view.id)


# What differs between two messages just posted that look alike, by its name in the mold.
SAID = ("id", "room_id", "seq", "v", "rev", "key", "created_at", "clock")
AUTHOR = ("id", "name", "username", "path", "initials", "hue", "v")
_molds = {}


def _html_of_new(view):
    """What `message_item` draws for a message just posted, from a mold where it can be had."""
    item, author = _macro("messages/_message.html", "message_item"), view.author
    key = (item, author.kind, author.avatar_path is None, bool(view.mentions), view.mentions_room, view.is_emoji_only)
    mold = _molds.get(key)
    if mold is None and key not in _molds:
        html = str(item(view))
        mold = Mold(str(item(_with_blanks(view))))
        if mold.fill(_values(view)) != html:
            logger.warning("Messages cannot be drawn from a mold: the partial does more with a value than to show it.")
            mold = None
        if len(_molds) > 100:  # templates that are edited while this runs
            _molds.clear()
        _molds[key] = mold
        return html
    return str(item(view)) if mold is None else mold.fill(_values(view))


def _with_blanks(view):
    author = replace(
        view.author,
        avatar_path=view.author.avatar_path and blank("author_avatar_path"),
        **{name: blank(f"author_{name}") for name in AUTHOR},
    )
    said = {name: blank(name) for name in SAID}
    return replace(view, author=author, html=blank("html"), mentions=view.mentions and [blank("mentions")], **said)


def _values(view):
    values = _values_of_author(view.author).copy()
    for name in SAID:
        value = getattr(view, name)
        values[name] = str(value) if type(value) is int else escaped(value)
    values["html"], values["mentions"] = view.html, ",".join(map(str, view.mentions))
    return values


@lru_cache(maxsize=5000)
def _values_of_author(author):
    values = {f"author_{name}": escaped(getattr(author, name)) for name in AUTHOR}
    return values | {"author_avatar_path": author.avatar_path and escaped(author.avatar_path)}


def _frame(entry, event, body, **more):
    payload = {"stream": entry.stream, "seq": entry.seq, "change": entry.kind, **body}
    return Frame(entry.stream, entry.seq, event, payload, **more)


def _room_frames(stream, entries):
    room_id = subject_of(stream)
    about_messages = [e for e in entries if e.kind in ABOUT_MESSAGES]
    lines = [e for e in entries if e not in about_messages]
    frames = {}
    if about_messages:
        found = messages_by_id({e.subject_id for e in about_messages})
        views = {id: present_message(message) for id, message in found.items()}
        html = {id: str(_macro("messages/_message.html", "message_item")(view)) for id, view in views.items()}
        for entry in about_messages:
            if view := views.get(entry.subject_id):
                body = {"message": view.to_json(), "html": html[view.id]}
                frames[entry.seq] = _frame(entry, "message", body, message=view.id)
    if lines:
        frames |= _line_frames(room_id, lines)
    return frames


def _line_frames(room_id, entries):
    people = users_by_id(people_in(entries))
    about_members = [e for e in entries if e.kind in ("joined", "left", "role")]
    members = memberships_of_room(room_id, {e.subject_id for e in about_members}) if about_members else {}
    room = db.session.get(Room, room_id)
    frames = {}
    for entry in entries:
        try:
            line = present_line(entry, people, v=entry.seq)
        except KeyError:
            continue
        html = str(_macro("rooms/_event.html", "event_line")(line))
        if entry in about_members:
            membership = members.get(entry.subject_id)
            if membership is None:
                continue
            body = {
                "user": line.user.to_json(),
                "role": membership.role,
                "v": membership.v,
                "by": line.by and line.by.id,
                "html": html,
            }
            removed = entry.subject_id if entry.kind == "left" else None
            frames[entry.seq] = _frame(entry, "member", body, removed=removed)
        else:
            body = {"room": present_room(room).to_json(), "by": line.by and line.by.id, "html": html}
            frames[entry.seq] = _frame(entry, "room", body)
    return frames


def _own_frames(stream, entries):
    user_id = subject_of(stream)
    about_people = [entry for entry in entries if entry.kind == "blocks"]
    room_ids = {entry.subject_id for entry in entries if entry.kind != "blocks"}
    joined = memberships_of_user(user_id, room_ids)
    counts = unread_counts(user_id, room_ids)
    read = positions(user_id, room_ids)
    frames = {}
    if about_people:
        blocks = present_blocks(blocks_of(user_id))
        frames = {entry.seq: _frame(entry, "me", {"blocks": blocks}) for entry in about_people}
    for entry in entries:
        membership = joined.get(entry.subject_id)
        if entry.kind == "blocks":
            continue
        if entry.kind == "read":
            body = _read_body(entry, read.get(entry.subject_id), counts.get(entry.subject_id))
            if body is not None:
                frames[entry.seq] = _frame(entry, "me", body)
        elif membership is not None:
            body = {"room": _own_room(membership, counts, read)}
            frames[entry.seq] = _frame(entry, "me", body, room=entry.subject_id)
    return frames


def _own_room(membership: Membership, counts, read):
    room = {"id": membership.room_id, "member": membership.role is not None, "v": membership.v_me}
    if membership.role is not None:
        shown = present_place(membership, counts[membership.room_id], read.get(membership.room_id))
        room["html"] = str(_macro("rooms/_place.html", "place")(shown))
    return room


def _read_body(entry, position, counts):
    if position is None:
        return None
    head, unread, mentions = counts or (0, 0, 0)
    return {
        "room": entry.subject_id,
        "position": position.seq,
        "v": position.v,
        "unread": unread,
        "mentions": mentions,
        "at": head,
    }


def _site_frames(entries, guests):
    people = users_by_id({e.subject_id for e in entries if e.kind == "person"})
    known_to = guests_who_know(people.keys(), guests)
    frames = {}
    for entry in entries:
        if entry.kind == "person" and (user := people.get(entry.subject_id)):
            view = present_person(user)
            more = {"username": view.username, "initials": view.initials, "hue": view.hue, "path": view.path}
            knowing = known_to.get(user.id, ())
            seen = {guest: guest in knowing for guest in guests}
            frames[entry.seq] = _frame(entry, "site", {"user": view.to_json() | more}, guests=seen)
        elif entry.kind == "settings":
            site = the_site()
            body = {"site": {"name": site.name, "hue": site.hue, "v": site.v}}
            frames[entry.seq] = _frame(entry, "site", body)
    return frames


def _macro(template, name):
    """A macro, looked up once unless templates may be edited while this runs."""
    app = current_app._get_current_object()
    if app.jinja_env.auto_reload:
        return get_template_attribute(template, name)
    return _looked_up(app, template, name)


@lru_cache(maxsize=100)
def _looked_up(_app, template, name):
    return get_template_attribute(template, name)
