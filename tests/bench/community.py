"""A community for the benchmark: thousands of signed-in people, each in a room of 10, one of 100 and one of 1,000."""

from sqlalchemy import insert

import config
from chat import create_app
from chat.accounts.actions.sessions import begin_session
from chat.accounts.models import User
from chat.accounts.passwords import hash_password
from chat.accounts.signed_in import cookie_name
from chat.core.clock import now
from chat.core.db import db
from chat.core.transaction import transaction
from chat.rooms.actions import found_community
from chat.rooms.models import Membership, Position, Room
from chat.streams.log import room_stream, user_stream
from chat.streams.models import Stream

SIZES = (10, 100, 1000)
AT_ONCE = 1000  # sessions in one transaction
FIRST_ROOM = 2  # 1 is #general


def first_room(people, size):
    """The number of the first room of this size; they follow each other, and so do the people in them."""
    number = FIRST_ROOM
    for other in SIZES:
        if other == size:
            return number
        number += -(-people // other)
    raise ValueError(f"There are rooms of {', '.join(map(str, SIZES))}, not of {size}.")


def found(folder, environ, people):
    """Make the database below `folder` with `people` in it, and `cookies`: one Cookie header a line, one for each.

    People, rooms and memberships are written in bulk, since making them is not what is measured. Sessions are begun as
    signing in begins them.
    """
    from flask_migrate import upgrade

    app = create_app(config.load(environ), spawn=lambda function, *args: None)
    with app.app_context():
        upgrade(directory="migrations")
        hashed = hash_password("four odd tide gauges")
        founder = found_community(
            "Tidewater", name="Ada", username="ada", email="ada@bench.example", password_hash=hashed
        )
        with transaction():
            ids = _write_people(people, hashed)
            _write_rooms(ids, founder.id)
        with open(folder / "cookies", "w") as file:
            for start in range(0, len(ids), AT_ONCE):
                with transaction():
                    for user_id in ids[start : start + AT_ONCE]:
                        token = begin_session(db.session.get(User, user_id), user_agent="bench")
                        file.write(f"{cookie_name()}={token}\n")
        db.session.remove()
        db.engine.dispose()


def _write_people(count, hashed):
    moment = now()
    rows = [
        {"name": f"Person {n}", "username": f"person-{n}", "email": f"person-{n}@bench.example", "password_hash":
         hashed, "role": "member", "bio": "", "time_zone": "UTC", "v": 0, "created_at": moment}
        for n in range(1, count + 1)
    ]  # fmt: skip
    ids = list(db.session.scalars(insert(User).returning(User.id, sort_by_parameter_order=True), rows))
    db.session.execute(insert(Stream), [{"name": user_stream(id), "head": 0, "floor": 0} for id in ids])
    return ids


def _write_rooms(ids, founder_id):
    moment, rooms, members = now(), [], []
    for size in SIZES:
        for start in range(0, len(ids), size):
            room_id = FIRST_ROOM + len(rooms)
            rooms.append(
                {"id": room_id, "kind": "public", "name": f"room-{size}-{start}", "topic": "", "description": "",
                 "created_by_id": founder_id, "created_at": moment, "v": 0}
            )  # fmt: skip
            members += [(room_id, user_id) for user_id in ids[start : start + size]]
    db.session.execute(insert(Room), rooms)
    db.session.execute(insert(Stream), [{"name": room_stream(row["id"]), "head": 0, "floor": 0} for row in rooms])
    db.session.execute(
        insert(Membership),
        [
            {"room_id": room_id, "user_id": user_id, "role": "member", "joined": 0, "v": 0, "v_me": 0, "since": moment}
            for room_id, user_id in members
        ],
    )
    db.session.execute(insert(Position), [{"user_id": u, "room_id": r, "seq": 0, "v": 0} for r, u in members])
