import pytest

from chat.core.clock import now
from chat.core.db import db
from chat.core.transaction import transaction
from chat.streams.models import Entry, Stream


@pytest.fixture
def pump(app):
    return app.extensions["live"].pump


@pytest.fixture
def presence(app):
    return app.extensions["live"].presence


@pytest.fixture
def nothing_at_hand(app):
    """nothing_at_hand(): as in a process that sent nothing of late: what somebody missed is read from the log."""
    return app.extensions["live"].subscriptions._drawings.forget


@pytest.fixture
def pad(app):
    """pad(message, count): so many changes of one message, as if it had been edited again and again."""

    def pad(message, count, kind="edited"):
        with transaction():
            stream = db.session.get(Stream, message.room.stream)
            db.session.refresh(stream)
            db.session.execute(
                db.insert(Entry),
                [
                    {
                        "stream": stream.name,
                        "seq": stream.head + n,
                        "kind": kind,
                        "subject_id": message.id,
                        "created_at": now(),
                    }
                    for n in range(1, count + 1)
                ],
            )
            stream.head += count

    return pad
