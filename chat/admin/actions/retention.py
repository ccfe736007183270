import time
from datetime import timedelta

from sqlalchemy import delete

from chat.admin.events import RoomPurged
from chat.admin.models import Purge, RemovedText, Report
from chat.admin.policy import can_set_retention, can_set_room_retention
from chat.admin.queries import days_of, oldest_messages, purge_going_on, rooms_due
from chat.core.authorize import authorize
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Invalid
from chat.core.jobs import LEASE, enqueue
from chat.core.transaction import transaction
from chat.messages.models import Edit, Mention, Message
from chat.rooms.models import Room
from chat.rooms.queries import room_for
from chat.site.events import Audited
from chat.site.queries import setting
from chat.site.settings import SETTINGS
from chat.streams.log import lock, room_stream, skip

STEP = 200  # messages in one transaction: nobody waits for longer than some 20 ms
LONGEST = LEASE.total_seconds() / 2  # of one job; what is left is the next one's


def set_room_retention(actor, room, days):
    """Decide how long this room keeps its messages. None: as long as the community says.

    Raises  Invalid, also when an owner of the room wants to keep what the community does not; Forbidden.
    """
    days = None if days in (None, "") else SETTINGS["retention_days"].check("days", days)
    with transaction() as record:
        lock(room.stream)
        room_for(actor, room.id)
        authorize(can_set_room_retention(actor, room))
        most = setting("retention_days")
        if days and most and days > most and not can_set_retention(actor):
            raise Invalid(
                f"This community keeps messages for {most:,} days. Choose {most:,} or fewer, or ask an administrator.",
                field="days",
            )
        if days != room.retention_days:
            data = {"from": room.retention_days, "to": days}
            room.retention_days = days
            record(Audited(actor.id, "room_retention_changed", "room", room.id, data))


def set_legal_hold(actor, room, on):
    """Keep everything in this room, whatever retention says; or let retention go on. Set already: nothing changes."""
    with transaction() as record:
        lock(room.stream)
        room_for(actor, room.id)
        authorize(can_set_retention(actor))
        if room.legal_hold != on:
            room.legal_hold = on
            record(Audited(actor.id, "legal_hold_set" if on else "legal_hold_lifted", "room", room.id))


def start_purges(_data=None):
    """The job "retention": have every room that holds messages past their time purged, each by a job of its own."""
    due = rooms_due()
    with transaction():
        for room_id in due:
            enqueue("purge", {"room": room_id}, key=f"purge:{room_id}")


def purge_room(data):
    """The job "purge": delete what a room keeps no longer, as one bulk change.

    In small steps, the oldest first, so that nobody waits: pages lack what is gone at once. The last step takes a
    number for each, empties the log and tells; from then on everybody who has the room on screen loads it anew. Stopped
    in between it goes on where it was, by the receipt that the first step wrote.
    """
    began = time.monotonic()
    while _purge_step(data["room"]):
        time.sleep(0)  # others have their turn
        if time.monotonic() - began > LONGEST:
            with transaction():
                enqueue("purge", data)
            return


def _purge_step(room_id):
    """Delete some messages, or finish. True while there is more to do."""
    with transaction() as record:
        lock(room_stream(room_id))
        room, purge = db.session.get(Room, room_id), purge_going_on(room_id)
        days = days_of(room)
        before = now() - timedelta(days=days or 0)
        if purge is not None:
            before = min(before, purge.before)
        # A hold stops it where it is; what is gone by then is gone, and is told.
        ids = oldest_messages(room_id, before, STEP) if days and not room.legal_hold else []
        if ids and purge is None:
            purge = Purge(room_id=room_id, before=before, messages=0, days=days)
            db.session.add(purge)
        if ids:
            for table in (Edit, Mention, RemovedText, Report):
                db.session.execute(delete(table).where(table.message_id.in_(ids)))
            db.session.execute(delete(Message).where(Message.id.in_(ids)))
            purge.messages += len(ids)
        elif purge is not None:
            purge.at = now()
            db.session.flush()
            record(RoomPurged(room_id, skip(room.stream, purge.messages)))
            data = {"messages": purge.messages, "days": purge.days, "before": purge.before.date().isoformat()}
            record(Audited(None, "messages_purged", "room", room_id, data))
        return bool(ids)
