"""A database that people have used is brought up to date, and keeps what they said."""

import pytest
from flask_migrate import downgrade, upgrade
from sqlalchemy import text

from chat import create_app
from chat.core.db import db
from tests import databases
from tests.conftest import at_once, settings_for

MOMENT = "2026-01-02 03:04:05.000006"
FILLED = (  # at 0001: somebody who said something in a room, read it, and is signed in
    "INSERT INTO site (id, name, hue, sign_up, epoch, v, created_at) "
    "VALUES (1, 'Tidewater', 205, 'invite', 'e', 1, :at)",
    "INSERT INTO streams (name, head, floor) "
    "VALUES ('site', 1, 0), ('access', 0, 0), ('room:1', 2, 0), ('user:1', 1, 0)",
    "INSERT INTO users (id, name, username, email, password_hash, role, bio, time_zone, v, created_at) "
    "VALUES (1, 'Ada', 'ada', 'ada@example.org', 'x', 'owner', '', 'UTC', 1, :at)",
    "INSERT INTO rooms (id, kind, name, topic, description, created_by_id, created_at, v) "
    "VALUES (1, 'public', 'general', '', '', 1, :at, 0)",
    "INSERT INTO memberships (room_id, user_id, role, joined, v, v_me, since) VALUES (1, 1, 'owner', 1, 1, 1, :at)",
    "INSERT INTO positions (user_id, room_id, seq, v) VALUES (1, 1, 2, 1)",
    "INSERT INTO messages (id, room_id, author_id, seq, v, rev, key, content_hash, text, html, renderer, "
    "mentions_room, created_at) VALUES (1, 1, 1, 2, 2, 1, 'k', 'h', 'Hi', '<p>Hi</p>', 1, '0', :at)",
    "INSERT INTO sessions (id, token_hash, user_id, user_agent, address, created_at, seen_at, expires_at) "
    "VALUES (1, 't', 1, '', '', :at, :at, :at)",
    "INSERT INTO invites (id, code, created_by_id, created_at, uses) VALUES (1, 'c', 1, :at, 0)",
    "INSERT INTO invite_uses (invite_id, user_id, used_at) VALUES (1, 1, :at)",
)


@pytest.fixture
def used(tmp_path):
    app = create_app(settings_for(tmp_path), spawn=at_once)
    with app.app_context():
        upgrade(directory="migrations", revision="0001")
        with db.engine.begin() as connection:
            for statement in FILLED:
                connection.execute(text(statement), {"at": MOMENT} if ":at" in statement else {})
        yield app
        db.session.remove()
        db.engine.dispose()
    databases.drop(tmp_path)


def kept():
    with db.engine.begin() as connection:
        tables = ("users", "rooms", "memberships", "messages", "sessions", "invites", "invite_uses", "positions")
        return [connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() for table in tables]


def test_the_newest_version_takes_over_a_database_in_use(used):
    upgrade(directory="migrations")

    assert kept() == [1] * 8


def test_and_so_does_the_older_one_again(used):
    upgrade(directory="migrations")
    downgrade(directory="migrations", revision="0001")

    assert kept() == [1] * 8
