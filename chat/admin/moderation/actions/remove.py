"""Taking away what somebody wrote, room by room, and putting it back."""

import time
from datetime import datetime, timedelta

from chat.accounts.policy import can_to
from chat.admin.models import TEXTS_KEPT, Removal, RemovedText
from chat.admin.moderation.actions.shut_out import LONGEST_REASON, refuse_shut_out
from chat.admin.moderation.queries import messages_to_remove, removable, removed_texts, rooms_of_removal
from chat.core.authorize import authorize
from chat.core.clock import iso, now
from chat.core.db import db
from chat.core.errors import Conflict, Invalid
from chat.core.jobs import enqueue
from chat.core.transaction import transaction
from chat.messages.actions.delete import refill, take_text
from chat.messages.models import Edit
from chat.messages.queries import edits_of
from chat.rooms.models import Room
from chat.rooms.policy import can_lose, may
from chat.site.events import Audited
from chat.site.names import one_line
from chat.streams.log import AUDIT, lock, user_stream

PERIODS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7), "all": None}
STEP = 25  # messages in one transaction: some 20 ms, so that nobody waits for it
AT_A_TIME = 60  # seconds of work for one job; the rest is another one


def remove_content(actor, user, period, *, reason=""):
    """Take away what somebody wrote in a while, wherever the actor moderates: public rooms, and private ones that they
    look after. A job does it room by room. Returns the Removal, by which it can be undone for seven days.

    period   hour, day, week or all
    Raises   Forbidden; Invalid naming the field, also when there is nothing.
    """
    if period not in PERIODS:
        raise Invalid(f"Choose one of {', '.join(PERIODS)}.", field="period")
    reason = one_line(reason, field="reason", missing="", length=LONGEST_REASON) if reason.strip() else ""
    with transaction() as record:
        lock(user.stream, AUDIT)
        refuse_shut_out(actor)
        authorize(can_to(actor, "remove_content", user))
        after = now() - PERIODS[period] if PERIODS[period] else None
        if not removable(actor, user, after):
            raise Invalid(f"{user.name} wrote nothing in that time that you could remove.", field="period")
        removal = begin_removal(actor, user, reason)
        enqueue("remove_content", {"removal": removal.id, "after": iso(after)}, key=f"removal:{removal.id}")
        record(Audited(actor.id, "content_removed", "user", user.id, {"removal": removal.id, "period": period}))
    return removal


def begin_removal(actor, user, reason):
    removal = Removal(user_id=user.id, actor_id=actor.id, reason=reason, created_at=now())
    db.session.add(removal)
    db.session.flush()
    return removal


def take_away(record, removal, message):
    """Inside a transaction that has locked the room's stream: delete a message, and keep what it said aside."""
    edits = [
        {"rev": e.rev, "text": e.text, "html": e.html, "replaced_at": e.replaced_at.isoformat()}
        for e in edits_of(message)
    ]
    kept = RemovedText(
        message_id=message.id, removal_id=removal.id, text=message.text, html=message.html,
        mentions=[mention.user_id for mention in message.mentions], mentions_room=message.mentions_room, edits=edits,
    )  # fmt: skip
    db.session.add(kept)
    take_text(record, message, by_id=removal.actor_id)


def carry_out_removal(data):
    """The job of `remove_content`. What is gone already is not found again, so it may begin anew at any point."""
    after = datetime.fromisoformat(data["after"]) if data["after"] else None
    removal = db.session.get(Removal, data["removal"])
    rooms = [room.id for room, _ in removable(removal.actor, removal.user, after)]
    _in_steps("remove_content", data, rooms, lambda room_id: _remove_some(data["removal"], room_id, after))


def _remove_some(removal_id, room_id, after):
    """One step in one room. Returns whether there may be more. Whatever changed since it was decided counts: the
    removal was undone, or whoever decided it no longer may."""
    with transaction() as record:
        removal, room = db.session.get(Removal, removal_id), db.session.get(Room, room_id)
        lock(room.stream, user_stream(removal.user_id))
        actor, user = removal.actor, removal.user
        may_go = may(actor, room, "moderate") and can_lose(room) and can_to(actor, "remove_content", user)
        if removal.undone_at or not may_go:
            return False
        found = messages_to_remove(room_id, user.id, after, removal.created_at, limit=STEP)
        for message in found:
            take_away(record, removal, message)
        return len(found) == STEP


def undo_removal(actor, removal):
    """Put everything back that a removal took, in a job. Undone already: nothing changes.

    Raises Forbidden; Conflict when what the messages said is gone.
    """
    with transaction() as record:
        lock(user_stream(removal.user_id), AUDIT)  # the first keeps out a step of the removal that is under way
        refuse_shut_out(actor)
        authorize(can_to(actor, "remove_content", removal.user))
        if removal.undone_at:
            return
        if is_final(removal):
            raise Conflict("What these messages said was kept for seven days. It is gone.")
        removal.undone_at = now()
        enqueue("undo_removal", {"removal": removal.id}, key=f"undo:{removal.id}")
        record(Audited(actor.id, "removal_undone", "user", removal.user_id, {"removal": removal.id}))


def is_final(removal):
    """Whether a removal can no longer be undone."""
    return removal.user.erased_at is not None or now() - removal.created_at > TEXTS_KEPT


def carry_out_undoing(data):
    """The job of `undo_removal`."""
    _in_steps("undo_removal", data, rooms_of_removal(data["removal"]), lambda room_id: _undo_some(data, room_id))


def _undo_some(data, room_id):
    with transaction() as record:
        room = db.session.get(Room, room_id)
        lock(room.stream)
        found = removed_texts(data["removal"], room_id, limit=STEP)
        for kept in found:
            edits = [
                Edit(message_id=kept.message_id, rev=e["rev"], text=e["text"], html=e["html"],
                     replaced_at=datetime.fromisoformat(e["replaced_at"]))
                for e in kept.edits
            ]  # fmt: skip
            said = {"text": kept.text, "html": kept.html, "mentions": kept.mentions}
            refill(record, kept.message, **said, mentions_room=kept.mentions_room, edits=edits)
            db.session.delete(kept)
        return len(found) == STEP


def _in_steps(kind, data, room_ids, step):
    """Do one room after the other. Each step is a transaction, and others have their turn in between; what takes longer
    than a job may is left to the next one."""
    end = time.monotonic() + AT_A_TIME
    for room_id in room_ids:
        while step(room_id):
            if time.monotonic() > end:
                with transaction():
                    enqueue(kind, data)
                return
