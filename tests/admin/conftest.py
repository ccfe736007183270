"""People of every role, and a look at what the audit log says."""

from datetime import timedelta

import pytest

from chat.admin.models import AuditEntry
from chat.core.clock import now
from chat.core.db import db
from chat.core.transaction import transaction
from chat.messages.models import Message
from tests.factories import say


@pytest.fixture
def become(app):
    """become(person, role): the role as it is stored, however they came by it."""

    def become(person, role):
        with transaction():
            person.role = role
        return person

    return become


@pytest.fixture
def audited(app):
    """audited() → (verb, actor's id, subject, data) of what was written since the test began."""

    def entries():
        db.session.rollback()
        return db.session.query(AuditEntry).order_by(AuditEntry.seq).all()

    before = len(entries())
    return lambda: [(e.verb, e.actor_id, (e.subject_kind, e.subject_id), e.data) for e in entries()[before:]]


@pytest.fixture
def said_long_ago(app):
    """said_long_ago(author, room, text, days=…) → the Message, as if it had been posted so many days ago."""

    def said(author, room, text, *, days):
        message = say(author, room, text)
        with transaction():
            db.session.get(Message, message.id).created_at = now() - timedelta(days=days)
        return message

    return said
