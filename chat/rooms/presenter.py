"""How rooms, and what happens to them, are shown: plain values for pages and frames alike."""

from dataclasses import dataclass
from datetime import UTC, datetime

from chat.accounts.presenter import PersonView, present_person
from chat.core.clock import iso
from chat.rooms.names import PACES
from chat.rooms.queries import rooms_in_common

ICONS = {
    "created": "hash", "joined": "person", "left": "leave", "role": "shield", "renamed": "pencil", "topic": "pencil",
    "description": "pencil", "archived": "archive", "restored": "archive", "opened": "shield",
    "slowed": "clock",
}  # fmt: skip
LINES = tuple(ICONS)  # the kinds of entries that a timeline shows as a line of its own


@dataclass(frozen=True)
class RoomView:
    id: int
    kind: str
    name: str
    topic: str
    description: str
    archived: bool
    v: int
    slow_mode_seconds: int = 0
    member_count: int | None = None
    created_by: PersonView | None = None
    created_at: datetime | None = None
    joined: bool = False
    last_message_at: datetime | None = None

    @property
    def path(self):
        return f"/rooms/{self.id}"

    @property
    def stream(self):
        return f"room:{self.id}"

    @property
    def icon(self):
        return "archive" if self.archived else "lock" if self.kind == "private" else "hash"

    def to_json(self):
        """The wire's `room` object."""
        return {
            "id": self.id,
            "kind": self.kind,
            "name": self.name,
            "topic": self.topic,
            "description": self.description,
            "archived": self.archived,
            "slow_mode_seconds": self.slow_mode_seconds,
            "v": self.v,
        }


def present_room(room, **more):
    return RoomView(
        id=room.id,
        kind=room.kind,
        name=room.name,
        topic=room.topic,
        description=room.description,
        archived=room.archived_at is not None,
        v=room.v,
        slow_mode_seconds=room.slow_mode_seconds,
        **more,
    )


@dataclass(frozen=True)
class LineView:
    """A quiet line in the timeline: somebody joined, the topic changed."""

    seq: int
    v: int
    kind: str
    user: PersonView
    by: PersonView | None
    created_at: str
    clock: str
    reason: str | None = None
    pace: str | None = None  # of "slowed": None when it was switched off

    @property
    def icon(self):
        return ICONS[self.kind]


def present_line(entry, people, *, v, zone=UTC):
    """The line for an entry. `people` is {id: User} and holds whom the entry names."""
    by = people[entry.data["by"]] if entry.data and entry.data.get("by") else None
    about_room = entry.kind not in ("joined", "left", "role")
    user = by if about_room else people[entry.subject_id]
    return LineView(
        seq=entry.seq,
        v=v,
        kind=entry.kind,
        user=present_person(user),
        by=by and present_person(by),
        created_at=iso(entry.created_at),
        clock=clock_words(entry.created_at, zone),
        reason=(entry.data or {}).get("reason"),
        pace=PACES.get(seconds) if (seconds := (entry.data or {}).get("seconds")) else None,
    )


def people_in(entries):
    """The ids of the people that these entries' lines show."""
    ids = {(entry.data or {}).get("by") for entry in entries}
    ids |= {entry.subject_id for entry in entries if entry.kind in ("joined", "left", "role")}
    return ids - {None}


@dataclass(frozen=True)
class Place:
    """A room in somebody's sidebar, with what waits there counted at the room's number `cursor`."""

    room: RoomView
    unread: int
    mentions: int
    cursor: int
    position: int
    v: int = 0  # of the position, in the person's own stream
    current: bool = False


def clock_words(moment, zone=UTC):
    return moment.astimezone(zone).strftime("%H:%M")


@dataclass(frozen=True)
class MemberView:
    """Somebody in the list of a room's people: what the list of people shows, and how they stand to the room."""

    person: object
    role: str  # in the room
    joined_at: str
    removable: bool  # by whoever looks

    def __getattr__(self, name):
        return getattr(self.person, name)


def present_member(membership, person, *, removable=False):
    return MemberView(person=person, role=membership.role, joined_at=iso(membership.since), removable=removable)


def rooms_of_person(actor, user):
    """What a person's page says of the rooms they are in: those that `actor` may see."""
    return tuple(present_room(room) for room in rooms_in_common(actor, user))
