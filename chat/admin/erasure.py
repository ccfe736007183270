"""What moderation kept of an erased person's messages."""

from sqlalchemy import delete, select, update

from chat.admin.models import RemovedText, Report
from chat.core.db import db
from chat.messages.models import Message


def forget_reported(event, _transaction):
    """Subscriber of PersonErased: copies of what they wrote go with it. That it was reported, and how that was decided,
    stays."""
    if event.empty:
        theirs = select(Message.id).where(Message.author_id == event.user_id)
        db.session.execute(
            update(Report)
            .where(Report.message_id.in_(theirs))
            .values(text="")
            .execution_options(synchronize_session="fetch")
        )
        db.session.execute(delete(RemovedText).where(RemovedText.message_id.in_(theirs)))
