from datetime import datetime

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from chat.accounts.models import User
from chat.core.db import db
from chat.streams.log import room_stream


class Room(db.Model):
    """A place people talk: public or private."""

    __tablename__ = "rooms"
    __table_args__ = (
        # Only public names are unique: refusing the name of a private room would tell that it exists.
        Index(
            "uq_rooms_public_name",
            "name",
            unique=True,
            sqlite_where=text("kind = 'public'"),
            postgresql_where=text("kind = 'public'"),
        ),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]  # public, private
    name: Mapped[str]  # lower case, without the #
    topic: Mapped[str] = mapped_column(default="")
    description: Mapped[str] = mapped_column(default="")
    created_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime]
    archived_at: Mapped[datetime | None]
    slow_mode_seconds: Mapped[int] = mapped_column(default=0)  # between two messages of one member; 0: no wait
    retention_days: Mapped[int | None]  # messages are kept so long; None: as the community says
    legal_hold: Mapped[bool] = mapped_column(default=False)  # nothing is purged, whatever retention says
    v: Mapped[int] = mapped_column(default=0)  # number of the last change to the room itself, in its own stream

    created_by: Mapped[User] = relationship()

    @property
    def stream(self):
        """The name of the numbered log of this room's changes, see docs/protocol.md."""
        return room_stream(self.id)

    @property
    def is_private(self):
        return self.kind == "private"

    @property
    def path(self):
        return f"/rooms/{self.id}"


class Membership(db.Model):
    """A person in a room; `role` None: was one. The row stays, so that the newest change has a number."""

    __tablename__ = "memberships"
    __table_args__ = (Index("ix_memberships_user_id", "user_id", "room_id"),)
    room_id: Mapped[int] = mapped_column(ForeignKey("rooms.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    role: Mapped[str | None]  # a key of rooms.policy.ROLES
    joined: Mapped[int] = mapped_column(default=0)  # the room's number at which this membership began
    v: Mapped[int] = mapped_column(default=0)  # number of the last change, in the room's stream
    v_me: Mapped[int] = mapped_column(default=0)  # the same change's number in the person's own stream
    since: Mapped[datetime]

    user: Mapped[User] = relationship()
    room: Mapped[Room] = relationship()


class Position(db.Model):
    """How far a person has read in a room: everything up to number `seq`."""

    __tablename__ = "positions"
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    room_id: Mapped[int] = mapped_column(ForeignKey("rooms.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(default=0)
    v: Mapped[int] = mapped_column(default=0)  # number of the last change, in the person's own stream
