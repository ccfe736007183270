import pytest

from chat.accounts.actions import assign_role
from chat.admin.models import AuditEntry
from chat.core.db import db
from chat.core.jobs import run_due


@pytest.fixture
def mo(carol):
    """carol, who moderates the community and is in none of its rooms."""
    assign_role(carol, "moderator")
    return carol


@pytest.fixture
def boss(carol):
    """carol, as an administrator."""
    assign_role(carol, "admin")
    return carol


@pytest.fixture
def audited(app):
    """audited() → the verbs of the audit log, in order."""
    return lambda: db.session.scalars(db.select(AuditEntry.verb).order_by(AuditEntry.seq)).all()


@pytest.fixture
def jobs_done(app):
    """jobs_done() does what waits, and what that wants done."""

    def jobs_done():
        while run_due():
            pass
        db.session.rollback()

    return jobs_done
