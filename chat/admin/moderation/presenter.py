"""How reports, removals and those who are shut out are shown."""

from dataclasses import dataclass
from datetime import datetime

from chat.accounts.policy import can_to
from chat.accounts.presenter import PersonView, present_person, zone_of
from chat.admin.moderation.actions import is_final
from chat.admin.moderation.policy import DECISIONS, can_decide, can_see_reports
from chat.core.errors import NotFound
from chat.rooms.presenter import RoomView, present_room
from chat.rooms.queries import room_for

# What those who reported a message, and those who look at it later, read of a decision.
OUTCOMES = {
    None: "Waiting for a moderator", "dismissed": "Looked at, and left as it is", "removed": "The message was removed",
    "suspended": "Its author was suspended", "banned": "Its author was banned",
}  # fmt: skip


@dataclass(frozen=True)
class Complaint:
    """One person's word about a message."""

    by: PersonView
    reason: str
    at: datetime


@dataclass(frozen=True)
class ReportView:
    """A reported message, as far as whoever looks may see it: of a room that is hidden from them, that message alone.

    room   None when it is hidden
    """

    id: int
    text: str
    author: PersonView
    room: RoomView | None
    path: str | None  # of the message in its room
    at: datetime  # when it was written
    reported_at: datetime
    complaints: tuple
    deleted: bool
    edited: bool  # it says something else by now
    decision: str | None
    outcome: str
    decided_at: datetime | None


def present_report(actor, report, complaints):
    """`complaints` are the Reports to show with it."""
    message = report.message
    room = _room_seen_by(actor, message)
    return ReportView(
        id=report.id, text=report.text, author=present_person(message.author), room=room and present_room(room),
        path=message.path if room else None, at=message.created_at, reported_at=report.created_at,
        complaints=tuple(Complaint(present_person(c.reporter), c.reason, c.created_at) for c in complaints),
        deleted=message.deleted_at is not None, edited=not message.deleted_at and message.text != report.text,
        decision=report.decision, outcome=OUTCOMES[report.decision], decided_at=report.decided_at,
    )  # fmt: skip


def present_queue(actor, found):
    """[ReportView] of [[Report]]: of the reports about one message the first, with what all of them say."""
    return [present_report(actor, together[0], together) for together in found]


def _room_seen_by(actor, message):
    try:
        return room_for(actor, message.room_id)
    except NotFound:
        return None


def choices_for(actor, report):
    """What the actor may decide about a report."""
    return [decision for decision in DECISIONS if can_decide(actor, report.message, decision)]


@dataclass(frozen=True)
class Standing:
    """How somebody stands to the community, for those who moderate it."""

    person: PersonView
    words: str
    reason: str
    suspended: bool
    banned: bool
    closed: bool


def present_standing(user, viewer):
    words, reason = "In good standing", ""
    if user.banned_at:
        words = f"Banned on {_moment(user.banned_at, viewer)}"
    elif user.is_suspended:
        words, reason = f"Suspended until {_moment(user.suspended_until, viewer)}", user.suspended_reason
    elif user.deactivated_at:
        words = "The account is closed"
    return Standing(
        present_person(user), words, reason, user.is_suspended, user.banned_at is not None,
        user.deactivated_at is not None,
    )  # fmt: skip


def _moment(moment, viewer):
    return f"{moment.astimezone(zone_of(viewer)):%-d %B %Y, %H:%M}"


def standing_of_person(actor, user):
    """What a person's page says of it; None for those who are not to know."""
    return present_standing(user, actor) if can_see_reports(actor) and user.id != actor.id else None


@dataclass(frozen=True)
class RemovalView:
    id: int
    user: PersonView
    by: PersonView
    reason: str
    at: datetime
    messages: int  # that can be put back
    state: str  # open, undone, final
    undoable: bool  # by whoever looks


def present_removal(actor, removal, kept):
    state = "undone" if removal.undone_at else "final" if is_final(removal) else "open"
    return RemovalView(
        id=removal.id, user=present_person(removal.user), by=present_person(removal.actor), reason=removal.reason,
        at=removal.created_at, messages=kept, state=state,
        undoable=state == "open" and bool(can_to(actor, "remove_content", removal.user)),
    )  # fmt: skip
