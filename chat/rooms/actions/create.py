from sqlalchemy.exc import IntegrityError

from chat.accounts.actions import create_user
from chat.core.authorize import authorize
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Conflict, Invalid
from chat.core.transaction import transaction
from chat.rooms.actions.members import enter
from chat.rooms.events import RoomChanged
from chat.rooms.models import Room
from chat.rooms.names import TOPIC_LENGTH, line, room_name
from chat.rooms.policy import can_create_room
from chat.rooms.queries import public_room_named, visible_room_named
from chat.site.actions import create_site
from chat.site.events import Audited
from chat.streams.log import create, lock, next_seq

DEFAULT_ROOM = "general"


def create_room(actor, name, *, kind="public", topic=""):
    """Create a room with `actor` as its owner and return it.

    kind    "public": everyone may find, read and join it. "private": it does not exist for others.
    Raises  Forbidden; Invalid naming the field; Conflict when a room that the actor can see has this name.
    """
    name, topic = room_name(name), line(topic, TOPIC_LENGTH, "topic")
    if kind not in ("public", "private"):
        raise Invalid("Choose who can find the room.", field="kind")
    with transaction() as record:
        lock(actor.stream)
        authorize(can_create_room(actor))
        refuse_taken_name(actor, name, kind)
        room = _create(record, actor, name, kind, topic)
        record(Audited(actor.id, "room_created", "room", room.id, {"kind": kind}))
        return room


def refuse_taken_name(actor, name, kind, *, besides=None):
    """Raises Conflict when a public room has this name, or one that the actor can see: never about a hidden one."""
    taken = (public_room_named(name) if kind == "public" else None) or visible_room_named(actor, name)
    if taken is not None and taken is not besides:
        raise _taken(name)


def write_name(name):
    """Write what is pending, a room's name with it. Raises Conflict when somebody took it since: the index decides."""
    try:
        db.session.flush()
    except IntegrityError as error:
        raise _taken(name) from error


def _taken(name):
    return Conflict(f"There is already a room called {name}.", field="name")


def _create(record, actor, name, kind, topic):
    room = Room(name=name, kind=kind, topic=topic, created_by_id=actor.id, created_at=now())
    db.session.add(room)
    write_name(name)
    create(room.stream)
    room.v = next_seq(room.stream)
    record(RoomChanged(room.id, room.v, "created", actor.id))
    enter(record, room, actor, role="owner", by=actor)
    return room


def found_community(community_name, *, name, username, email, password_hash, hue=205):
    """Begin: the community, its owner and the open room `general`, in one transaction. Returns the owner.

    Raises Conflict when the community exists already, also when two try at once: the one row of Site decides.
    """
    with transaction() as record:
        create_site(community_name, hue)
        owner = create_user(name=name, username=username, email=email, password_hash=password_hash, role="owner")
        _create(record, owner, DEFAULT_ROOM, "public", "Everyone is here")
    return owner
