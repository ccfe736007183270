"""Things for tests, made by the real actions."""

import uuid

from chat.accounts.actions import create_user
from chat.accounts.passwords import hash_password
from chat.accounts.queries import user_by_username
from chat.core.db import db
from chat.core.transaction import transaction
from chat.messages.actions import post_message
from chat.messages.models import Message
from chat.rooms.actions import found_community, leave_room, set_role
from chat.rooms.queries import public_room_named

PASSWORD = "four odd tide gauges"


def found():
    """Tidewater, with its cast: see tests/conftest.py."""
    hashed = hash_password(PASSWORD)
    ada = found_community("Tidewater", name="Ada", username="ada", email="ada@example.org", password_hash=hashed)
    for name in ("alice", "bob", "carol", "robot"):
        create_user(
            name=name.title(),
            username=name,
            email=f"{name}@example.org",
            password_hash=hashed,
        )
    general = room("general")
    set_role(ada, general, person("alice"), "owner")
    leave_room(person("carol"), general)


def crowd(count):
    """So many more people: Person 0, Person 1, …"""
    return [create_user(name=f"Person {n}", email=f"p{n}@example.org", password_hash="") for n in range(count)]


def person(username):
    return user_by_username(username)


def room(name):
    return public_room_named(name)


def say(author, room, text, *, key=None):
    """Post, with a fresh key, and return the Message as it is stored."""
    with transaction():
        return db.session.get(Message, post_message(author, room, text, key=key or str(uuid.uuid4())).id)
