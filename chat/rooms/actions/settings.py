from chat.core.authorize import authorize
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Invalid
from chat.core.transaction import transaction
from chat.rooms.actions.create import refuse_taken_name, write_name
from chat.rooms.events import RoomChanged
from chat.rooms.names import DESCRIPTION_LENGTH, PACES, TOPIC_LENGTH, line, paragraph, room_name
from chat.rooms.policy import may
from chat.rooms.queries import room_for
from chat.site.events import Audited
from chat.streams.log import lock, next_seq


def change_room(actor, room, *, name, topic, description):
    """Set name, topic and description. Each that differs is one change; setting what is set takes no number."""
    wanted = {
        "name": room_name(name),
        "topic": line(topic, TOPIC_LENGTH, "topic"),
        "description": paragraph(description, DESCRIPTION_LENGTH, "description"),
    }
    with transaction() as record:
        lock(room.stream)
        room_for(actor, room.id)
        authorize(may(actor, room, "change"))
        if wanted["name"] != room.name:
            refuse_taken_name(actor, wanted["name"], room.kind, besides=room)
        changed = []
        for attribute, kind in (("name", "renamed"), ("topic", "topic"), ("description", "description")):
            if wanted[attribute] != getattr(room, attribute):
                setattr(room, attribute, wanted[attribute])
                write_name(room.name)
                _number(record, actor, room, kind)
                changed.append(attribute)
        if changed:
            record(Audited(actor.id, "room_changed", "room", room.id, {"changed": changed}))
    return room


def archive_room(actor, room):
    """Close a room for writing. Its members go on reading it."""
    with transaction() as record:
        lock(room.stream)
        room_for(actor, room.id)
        authorize(may(actor, room, "archive"))
        if not room.archived_at:
            room.archived_at = now()
            _number(record, actor, room, "archived")
            record(Audited(actor.id, "room_archived", "room", room.id))
    return room


def restore_room(actor, room):
    """Open an archived room again."""
    with transaction() as record:
        lock(room.stream)
        room_for(actor, room.id)
        authorize(may(actor, room, "archive"))
        if room.archived_at:
            room.archived_at = None
            _number(record, actor, room, "restored")
            record(Audited(actor.id, "room_restored", "room", room.id))
    return room


def slow_down(actor, room, seconds):
    """Have members wait between two messages, which owners and moderators need not; 0: nobody waits.

    Raises Forbidden; NotFound; Invalid for a wait that is not offered. Setting what is set takes no number.
    """
    if seconds not in PACES:
        raise Invalid(f"Choose one of {', '.join(map(str, PACES))} seconds.", field="seconds")
    with transaction() as record:
        lock(room.stream)
        room_for(actor, room.id)
        authorize(may(actor, room, "slow_down"))
        if room.slow_mode_seconds != seconds:
            room.slow_mode_seconds = seconds
            _number(record, actor, room, "slowed", seconds=seconds)
    return room


def _number(record, actor, room, kind, **more):
    room.v = next_seq(room.stream)
    db.session.flush()
    record(RoomChanged(room.id, room.v, kind, actor.id, **more))
