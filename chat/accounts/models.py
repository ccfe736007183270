from datetime import datetime

from flask_login import UserMixin
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from chat.core.db import db
from chat.streams.log import user_stream

HUES = 12


class User(UserMixin, db.Model):
    """A person of the community."""

    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]  # as shown; any script
    username: Mapped[str] = mapped_column(unique=True)  # lower case; what @mentions say
    email: Mapped[str] = mapped_column(unique=True)  # lower case
    password_hash: Mapped[str]
    role: Mapped[str] = mapped_column(default="member")  # a key of accounts.policy.ROLES
    bio: Mapped[str] = mapped_column(default="")
    time_zone: Mapped[str] = mapped_column(default="UTC")
    avatar: Mapped[str | None]  # name of the stored picture
    v: Mapped[int] = mapped_column(default=0)  # number of the last visible change, in the stream "site"
    created_at: Mapped[datetime]
    deactivated_at: Mapped[datetime | None]

    @property
    def stream(self):
        """The name of the numbered log of what concerns this person alone."""
        return user_stream(self.id)

    @property
    def initials(self):
        """One or two letters for the avatar without a picture."""
        words = [word for word in self.name.split() if word[0].isalnum()]
        if not words:
            return self.name[:1].upper()
        return (words[0][0] + (words[-1][0] if len(words) > 1 else "")).upper()

    @property
    def hue(self):
        """The colour class of the avatar, 1 to 12; it never changes for a person."""
        return self.id * 7 % HUES + 1

    @property
    def avatar_path(self):
        return f"/avatars/{self.avatar}" if self.avatar else None

    @property
    def path(self):
        return f"/people/{self.username}"


class Session(db.Model):
    """One signed-in browser. Only the hash of the cookie's value is kept."""

    __tablename__ = "sessions"
    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    user_agent: Mapped[str] = mapped_column(default="")
    address: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]  # written at most every few minutes
    expires_at: Mapped[datetime]  # absolute; being idle ends it sooner
    revoked_at: Mapped[datetime | None]

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)


class Invite(db.Model):
    """A link that lets people make an account."""

    __tablename__ = "invites"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)  # 128 random bits
    created_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    max_uses: Mapped[int | None]
    uses: Mapped[int] = mapped_column(default=0)
    revoked_at: Mapped[datetime | None]

    created_by: Mapped[User] = relationship()

    @property
    def path(self):
        return f"/invite/{self.code}"


class InviteUse(db.Model):
    """Who came by which invite."""

    __tablename__ = "invite_uses"
    invite_id: Mapped[int] = mapped_column(ForeignKey("invites.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    used_at: Mapped[datetime]

    user: Mapped[User] = relationship()
