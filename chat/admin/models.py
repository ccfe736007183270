from datetime import datetime, timedelta

from sqlalchemy import JSON, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from chat.accounts.models import User
from chat.core.db import db
from chat.messages.models import Message
from chat.rooms.models import Room


class AuditEntry(db.Model):
    """Something that was done, by whom. Each holds the hash of the one before, so that changes show."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_subject", "subject_kind", "subject_id"),)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # 1, 2, 3 … with no holes
    at: Mapped[datetime] = mapped_column(index=True)
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)
    verb: Mapped[str]
    subject_kind: Mapped[str]
    subject_id: Mapped[int | None]
    data: Mapped[dict | None] = mapped_column(JSON)
    address: Mapped[str] = mapped_column(default="")
    hash: Mapped[str]

    actor: Mapped[User | None] = relationship()


class Report(db.Model):
    """A message that somebody wants a moderator to look at."""

    __tablename__ = "reports"
    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id"), index=True)
    reporter_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[str]
    text: Mapped[str]  # what the message said when it was reported
    created_at: Mapped[datetime]
    decided_at: Mapped[datetime | None] = mapped_column(index=True)
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    decision: Mapped[str | None]  # dismissed, removed, suspended, banned

    message: Mapped[Message] = relationship()
    reporter: Mapped[User] = relationship(foreign_keys=reporter_id)


TEXTS_KEPT = timedelta(days=7)  # of what was removed; after that nothing can be undone


class Removal(db.Model):
    """Messages of one person that somebody took away together. Can be undone until what they said is purged."""

    __tablename__ = "removals"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    actor_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    undone_at: Mapped[datetime | None]

    user: Mapped[User] = relationship(foreign_keys=user_id)
    actor: Mapped[User] = relationship(foreign_keys=actor_id)


class RemovedText(db.Model):
    """What a removed message said, kept aside for undoing."""

    __tablename__ = "removed_texts"
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id"), primary_key=True)
    removal_id: Mapped[int] = mapped_column(ForeignKey("removals.id"), index=True)
    text: Mapped[str]
    html: Mapped[str]
    mentions: Mapped[list] = mapped_column(JSON, default=list)  # the ids of the people it named
    mentions_room: Mapped[bool] = mapped_column(default=False)
    edits: Mapped[list] = mapped_column(JSON, default=list)  # what it said before: {rev, text, html, replaced_at}

    message: Mapped[Message] = relationship()


class Purge(db.Model):
    """The receipt of one purge of old messages in one room. `at` None: it is going on."""

    __tablename__ = "purges"
    id: Mapped[int] = mapped_column(primary_key=True)
    room_id: Mapped[int] = mapped_column(ForeignKey("rooms.id"), index=True)
    before: Mapped[datetime]  # messages older than this went
    messages: Mapped[int]
    days: Mapped[int]  # the retention that said so
    at: Mapped[datetime | None]

    room: Mapped[Room] = relationship()


class Export(db.Model):
    """A person's own data, collected into a file by a job."""

    __tablename__ = "exports"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    created_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime]
    ready_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    blob: Mapped[str | None]  # its name in the storage
    size_bytes: Mapped[int | None]
