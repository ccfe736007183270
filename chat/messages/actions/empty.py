"""Taking away all that an erased person wrote, room by room."""

from datetime import timedelta

from chat.core.db import db
from chat.core.errors import Conflict
from chat.core.jobs import enqueue
from chat.core.transaction import transaction
from chat.messages.actions.delete import take_text
from chat.messages.queries import count_of_held_rooms, rooms_written_in, standing_messages_of
from chat.rooms.models import Room
from chat.rooms.policy import can_lose
from chat.streams.log import lock, room_stream

KIND = "empty_messages"
STEP = 20  # messages in one transaction, some 25 ms of computing: nobody in the room waits for it
MOST = 500  # transactions in one call
WHILE_HELD = timedelta(days=1)  # until a room on legal hold is looked at again


def empty_later(event, _transaction):
    """Subscriber of PersonErased. Raises Conflict, and nothing is erased, where a legal hold keeps some of it."""
    if event.empty:
        held = count_of_held_rooms(event.user_id)
        if held:
            rooms = "a room that is" if held == 1 else f"{held} rooms that are"
            raise Conflict(
                f"They wrote in {rooms} on legal hold. Keep what they wrote, or have the hold lifted first.",
                field="messages",
            )
        enqueue(KIND, {"user": event.user_id, "by": event.by_id})


def empty_messages(data):
    """The job: every message of the person becomes what a deleted one is. Begun again, it goes on where it stopped.

    What stands in a room that was put on legal hold since stays until the hold is lifted, and goes within a day then.
    """
    steps = 0
    for room_id in rooms_written_in(data["user"]):
        while _empty_some(room_id, data["user"], by_id=data["by"]):
            steps += 1
            if steps == MOST:
                with transaction():
                    enqueue(KIND, data)
                return
    if count_of_held_rooms(data["user"]):
        with transaction():
            enqueue(KIND, data, after=WHILE_HELD)


def _empty_some(room_id, user_id, *, by_id):
    with transaction() as record:
        lock(room_stream(room_id))
        if not can_lose(db.session.get(Room, room_id)):
            return 0
        found = standing_messages_of(user_id, room_id, limit=STEP)
        for message in found:
            take_text(record, message, by_id=by_id)
    return len(found)
