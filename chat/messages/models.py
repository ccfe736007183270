from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from chat.accounts.models import User
from chat.core.db import db
from chat.rooms.models import Room


class Message(db.Model):
    """What someone said in a room. Deleted ones stay in their place, without their text."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("author_id", "key"),
        UniqueConstraint("room_id", "seq"),
        # Covers counting what is unread, so that a count never reads the messages themselves.
        Index("ix_messages_unread", "room_id", "seq", "author_id", "deleted_at"),
        Index(
            "ix_messages_for_all",
            "room_id",
            "seq",
            sqlite_where=text("mentions_room"),
            postgresql_where=text("mentions_room"),
        ),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    room_id: Mapped[int] = mapped_column(ForeignKey("rooms.id"))
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    seq: Mapped[int]  # its place: the room's number of its posting
    v: Mapped[int]  # the room's number of its newest change
    rev: Mapped[int] = mapped_column(default=1)  # counts edits of the text
    key: Mapped[str]  # chosen by the client; the same key from the same author is the same message
    content_hash: Mapped[str]  # of what was sent with the key, to tell a retry from a mistake
    text: Mapped[str]
    html: Mapped[str]
    renderer: Mapped[int]  # version of the renderer that made `html`
    mentions_room: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    edited_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    deleted_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))

    author: Mapped[User] = relationship(foreign_keys=author_id)
    room: Mapped[Room] = relationship()
    mentions: Mapped[list["Mention"]] = relationship(cascade="all, delete-orphan", order_by="Mention.user_id")

    @property
    def path(self):
        """Opens the page around this message."""
        return f"/rooms/{self.room_id}/messages/{self.id}"


class Mention(db.Model):
    """A person named in a message. `room_id` and `seq` repeat its place, so that counting is one index scan."""

    __tablename__ = "mentions"
    __table_args__ = (Index("ix_mentions_unread", "user_id", "room_id", "seq"),)
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    room_id: Mapped[int] = mapped_column(ForeignKey("rooms.id"))
    seq: Mapped[int]


class Edit(db.Model):
    """A text that a message had before. Gone when the message is deleted."""

    __tablename__ = "edits"
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id"), primary_key=True)
    rev: Mapped[int] = mapped_column(primary_key=True)  # the `rev` that had this text
    text: Mapped[str]
    html: Mapped[str]
    replaced_at: Mapped[datetime]
