"""How the administration's pages show things: plain values. Private rooms have no name here."""

import json
import shutil
from dataclasses import dataclass
from datetime import UTC

from flask import current_app

import chat
from chat.accounts.presenter import PersonInList, present_in_list
from chat.admin import queries
from chat.core import jobs, storage
from chat.core.blocking import run_blocking
from chat.core.clock import iso, now
from chat.core.transaction import release
from chat.rooms.names import days_words
from chat.rooms.presenter import RoomView, present_room
from chat.rooms.queries import last_activity, member_counts

LITTLE_SPACE = 0.05  # of the disk


@dataclass(frozen=True)
class Fact:
    """One figure of the overview. `state`: ok, warning, danger; `remedy`: what to do when it is not ok."""

    label: str
    value: str
    about: str = ""
    state: str = "ok"
    remedy: str = ""
    path: str | None = None


def overview():
    """[(title, [Fact])] of everything that somebody who runs a community looks at first."""
    return [("People and rooms", [*_people(), *_rooms()]), ("This server", [*_storage(), *_work(), *_live()])]


def _people():
    people, day, week = queries.people_counted()
    yield Fact("People", f"{people:,}", "with an account", path="/admin/people")
    yield Fact("Active", f"{day:,}", f"in the last 24 hours; {week:,} in seven days")


def _rooms():
    public, archived, private = queries.rooms_counted()
    yield Fact("Rooms", f"{public:,}", f"public; {archived:,} archived, {private:,} private", path="/admin/rooms")


def _storage():
    settings = current_app.config["PARLEY"]
    kind, size = queries.database_size()
    release()
    files = run_blocking(storage.used_bytes, settings.uploads_dir)
    disk = shutil.disk_usage(settings.data_dir)
    yield Fact("Database", in_bytes(size), kind)
    yield Fact("Files", in_bytes(files), "pictures that people uploaded")
    full = disk.free < LITTLE_SPACE * disk.total
    yield Fact(
        "Free space", in_bytes(disk.free), f"of {in_bytes(disk.total)} where the data lies",
        "danger" if full else "ok",
        "Make room on the disk, or have messages kept for a shorter time. When it is full nobody can write.",
    )  # fmt: skip


def _work():
    waiting, failing, given_up = jobs.counted()
    state = "danger" if given_up else "warning" if failing else "ok"
    about = f"waiting; {failing:,} being tried again, {given_up:,} given up" if failing or given_up else "waiting"
    yield Fact("Jobs", f"{waiting:,}", about, state, "Look at what went wrong, mend it, and try again.", "/admin/jobs")


def _live():
    live, lag = current_app.extensions["live"], current_app.extensions["lag"]
    if current_app.config["PARLEY"].message_queue_url:
        degraded = live.bus.degraded
        yield Fact(
            "Message queue", "Not heard" if degraded else "Heard", "carries hints between processes",
            "warning" if degraded else "ok",
            "See whether the server runs that MESSAGE_QUEUE_URL names. Until then news come a second late.",
        )  # fmt: skip
    else:
        yield Fact("Message queue", "None", "none is needed for one process")
    slow = lag.last > 0.05
    yield Fact(
        "Answers", f"{lag.last * 1000:.0f} ms late", f"{lag.worst * 1000:.0f} ms at worst since the start",
        "warning" if slow else "ok",
        "Something holds this process up. See which other programs use the processor, or run a second process.",
    )  # fmt: skip
    yield Fact("Connections", f"{len(live.connections):,}", "windows and programs that follow this process")
    yield Fact("Version", chat.__version__, "of Parley")


def in_bytes(count):
    """A size for people: "830 B", "1.4 MB", "12 GB"."""
    units = ("B", "kB", "MB", "GB", "TB")
    for unit in units:
        if count < 1000 or unit == units[-1]:
            return f"{count:.1f} {unit}" if count < 10 and unit != "B" else f"{count:.0f} {unit}"
        count /= 1000
    raise AssertionError


@dataclass(frozen=True)
class Bar:
    x: int
    y: float
    height: float
    words: str


@dataclass(frozen=True)
class Chart:
    """Something a day as bars, in a box of `width` by `height`."""

    title: str
    bars: tuple
    width: int
    height: int
    most: int
    words: str
    first: str
    last: str


def charts_of(days):
    """The Charts of [Day]. How many people there were on all days together is not known: each came more than once."""
    messages, people = ([(day.date, getattr(day, name)) for day in days] for name in ("messages", "people"))
    total = sum(count for _, count in messages)
    return [
        _chart("Messages a day", messages, "message", "messages", f"{total:,} in all, at most {{most:,}} on one day."),
        _chart("People a day who read something new", people, "person", "people", "at most {most:,} on one day."),
    ]


def _chart(title, days, one, many, sum_up, *, step=20, height=120):
    most = max((count for _, count in days), default=0)
    bars = []
    for number, (date, count) in enumerate(days):
        tall = round(count / most * height, 1) if most else 0
        tall = max(tall, 1.5) if count else 0.5  # also one message of a thousand shows, and a day without is a line
        words = f"{date:%-d %B}: {count:,} {one if count == 1 else many}"
        bars.append(Bar(number * step, round(height - tall, 1), tall, words))
    words = f"{title} in the last {len(days)} days: {sum_up.format(most=most)}"
    ends = (f"{date:%-d %B}" for date, _ in (days[0], days[-1]))
    return Chart(title, tuple(bars), len(days) * step, height, most, words, *ends)


@dataclass(frozen=True)
class PersonRow:
    person: PersonInList
    email: str
    state: str | None  # suspended, banned, erased, closed; None: all is well
    seen_at: str | None
    created_at: str


def present_people(users):
    seen = queries.last_seen([user.id for user in users])
    return [
        PersonRow(present_in_list(user), user.email, state_of(user), iso(seen.get(user.id)), iso(user.created_at))
        for user in users
    ]


def state_of(user):
    if user.erased_at:
        return "Erased"
    if user.banned_at:
        return "Banned"
    if user.deactivated_at:
        return "Closed"
    return "Suspended" if user.suspended_until and user.suspended_until > now() else None


@dataclass(frozen=True)
class RoomRow:
    room: RoomView
    retention: str
    has_own_retention: bool
    legal_hold: bool


def present_rooms(rooms):
    counts, active = member_counts([room.id for room in rooms]), last_activity(rooms)
    return [
        RoomRow(
            present_room(room, member_count=counts.get(room.id, 0), last_message_at=active.get(room.id)),
            days_words(queries.days_of(room)), room.retention_days is not None, room.legal_hold,
        )
        for room in rooms
    ]  # fmt: skip


@dataclass(frozen=True)
class JobRow:
    id: int
    kind: str
    error: str
    attempts: int
    given_up: bool
    at: str
    can_retry: bool


def present_jobs(found):
    return [
        JobRow(
            job.id, job.kind, job.error, job.attempts, job.finished_at is not None, iso(job.finished_at or job.run_at),
            job.finished_at is not None or job.leased_until is None,
        )
        for job in found
    ]  # fmt: skip


@dataclass(frozen=True)
class PurgeRow:
    room: str | None  # None: a private one
    path: str | None
    messages: int
    before: str
    days: str
    at: str | None


def present_purges(purges):
    rows = []
    for purge in purges:
        public = purge.room.kind == "public"
        rows.append(
            PurgeRow(
                purge.room.name if public else None, purge.room.path if public else None, purge.messages,
                iso(purge.before), days_words(purge.days), iso(purge.at),
            )
        )  # fmt: skip
    return rows


COLUMNS = ("seq", "at", "actor_id", "actor", "verb", "subject_kind", "subject_id", "data", "address", "hash")


def plain_entry(entry):
    """One entry with everything that the chain is made of, for programs: the values of COLUMNS."""
    return {
        "seq": entry.seq, "at": iso(entry.at), "actor_id": entry.actor_id,
        "actor": entry.actor and entry.actor.username, "verb": entry.verb, "subject_kind": entry.subject_kind,
        "subject_id": entry.subject_id, "data": entry.data, "address": entry.address, "hash": entry.hash,
    }  # fmt: skip


def csv_values(plain):
    """The same as cells: structured data as JSON, nothing as an empty cell."""
    values = (plain[column] for column in COLUMNS)
    return [
        json.dumps(value, sort_keys=True) if isinstance(value, dict) else "" if value is None else value
        for value in values
    ]


def today():
    return now().astimezone(UTC).date().isoformat()
