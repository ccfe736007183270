from datetime import datetime

from sqlalchemy import JSON, CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from chat.core.db import db


class Site(db.Model):
    """The one community of this database. The row exists once somebody has set Parley up."""

    __tablename__ = "site"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)
    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    name: Mapped[str]
    hue: Mapped[int] = mapped_column(default=205)  # of the accent, in degrees
    sign_up: Mapped[str] = mapped_column(default="invite")  # invite, open
    epoch: Mapped[str]  # another one after a restore: clients that see it change start afresh
    v: Mapped[int] = mapped_column(default=0)  # number of the last change, in the stream "site"
    settings: Mapped[dict] = mapped_column(JSON, default=dict)  # what differs from the defaults of site/settings.py
    created_at: Mapped[datetime]

    @property
    def is_open(self):
        """Whether anyone who finds the address may make an account."""
        return self.sign_up == "open"
