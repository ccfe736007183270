from datetime import datetime
from typing import Any

from sqlalchemy import JSON
from sqlalchemy.orm import Mapped, mapped_column

from chat.core.db import db


class Stream(db.Model):
    """A numbered log: `head` is the newest number, `floor` the highest one that was pruned."""

    __tablename__ = "streams"
    name: Mapped[str] = mapped_column(primary_key=True)
    head: Mapped[int] = mapped_column(default=0)
    floor: Mapped[int] = mapped_column(default=0)


class Entry(db.Model):
    """Says what changed, never a copy of it: `data` holds ids and plain values, no text that its writer could take
    back."""

    __tablename__ = "entries"
    stream: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str]
    subject_id: Mapped[int]
    data: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(index=True)
