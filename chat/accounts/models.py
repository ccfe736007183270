from datetime import datetime

from flask_login import UserMixin
from sqlalchemy import JSON, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from chat.core.clock import now
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
    password_hash: Mapped[str]  # "": there is no password, they come in through an identity provider
    role: Mapped[str] = mapped_column(default="member")  # a key of accounts.policy.ROLES
    bio: Mapped[str] = mapped_column(default="")
    title: Mapped[str] = mapped_column(default="")  # what they do here
    pronouns: Mapped[str] = mapped_column(default="")
    time_zone: Mapped[str] = mapped_column(default="UTC")
    avatar: Mapped[str | None]  # name of the stored picture
    v: Mapped[int] = mapped_column(default=0)  # number of the last visible change, in the stream "site"
    created_at: Mapped[datetime]
    deactivated_at: Mapped[datetime | None]  # the account is closed; whoever is banned or erased is that, too
    banned_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]  # name, e-mail and picture are gone
    suspended_until: Mapped[datetime | None]
    suspended_reason: Mapped[str] = mapped_column(default="")  # what they read when they try to sign in

    @property
    def stream(self):
        """The name of the numbered log of what concerns this person alone."""
        return user_stream(self.id)

    @property
    def is_suspended(self):
        """Whether they cannot come in for now. It ends by itself."""
        return self.suspended_until is not None and self.suspended_until > now()

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
    """One way in that is open: a signed-in browser, a program with tokens it renews, or a token that a person made.

    Only the hash of the cookie's or the token's value is kept. Ending the session ends all that stands on it.
    """

    __tablename__ = "sessions"
    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    kind: Mapped[str] = mapped_column(default="browser")  # browser, program, token
    name: Mapped[str] = mapped_column(default="")  # what a person called their token
    scopes: Mapped[str | None]  # what a token may do, separated by spaces; None: all that its person may
    user_agent: Mapped[str] = mapped_column(default="")
    address: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]  # when the person last proved to be there, for what asks for that anew
    second_factor_at: Mapped[datetime | None]  # when they last showed a second factor in it
    seen_at: Mapped[datetime]  # written at most every few minutes
    expires_at: Mapped[datetime]  # absolute; being idle ends it sooner
    revoked_at: Mapped[datetime | None]

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)
    is_held_up = False  # not kept: queries.live_session says it


class RefreshToken(db.Model):
    """What a program exchanges for its next pair of tokens, once. Seen twice it was stolen: the session ends."""

    __tablename__ = "refresh_tokens"
    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    spent_at: Mapped[datetime | None]

    session: Mapped[Session] = relationship()


class Identity(db.Model):
    """Who a person is at an identity provider. Found by issuer and subject alone: addresses change hands."""

    __tablename__ = "identities"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    provider: Mapped[str]  # its key among our settings
    issuer: Mapped[str]
    subject: Mapped[str]
    email: Mapped[str] = mapped_column(default="")  # as last seen there
    created_at: Mapped[datetime]
    used_at: Mapped[datetime]

    user: Mapped[User] = relationship()


class ProviderFlow(db.Model):
    """Somebody on the way to an identity provider and back: what only the browser that left may redeem, once.

    Of the two secrets that the browser carries, the `state` in the address and the one in its cookie, only hashes are
    kept. Whoever comes back without both began elsewhere.
    """

    __tablename__ = "provider_flows"
    state_hash: Mapped[str] = mapped_column(primary_key=True)
    browser_hash: Mapped[str]
    provider: Mapped[str]  # its key among our settings
    nonce: Mapped[str]  # comes back inside the id token
    verifier: Mapped[str]  # of PKCE; the provider has seen its hash
    next_path: Mapped[str]
    invite_code: Mapped[str | None]
    session_id: Mapped[int | None] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"))  # to connect, not in
    expires_at: Mapped[datetime] = mapped_column(index=True)


class Totp(db.Model):
    """The secret that a person's authenticator shares with us (RFC 6238), sealed with a key outside the database."""

    __tablename__ = "totps"
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    sealed_secret: Mapped[str]
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]  # None: shown, and no code of it seen yet
    last_step: Mapped[int] = mapped_column(default=0)  # no code of this step or before is taken again


class RecoveryCode(db.Model):
    """A code on paper that stands in for the second factor, or for a forgotten password, once."""

    __tablename__ = "recovery_codes"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    code_hash: Mapped[str]
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Passkey(db.Model):
    """A credential of WebAuthn."""

    __tablename__ = "passkeys"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    credential_id: Mapped[str] = mapped_column(unique=True)  # base64url
    public_key: Mapped[str]  # base64url of the COSE key
    sign_count: Mapped[int] = mapped_column(default=0)
    name: Mapped[str]
    transports: Mapped[list | None] = mapped_column(JSON)
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Link(db.Model):
    """A link that works once and not for long: to set a new password, to move to another device, to confirm an address.

    Only the hash of its secret is kept.
    """

    __tablename__ = "links"
    id: Mapped[int] = mapped_column(primary_key=True)
    secret_hash: Mapped[str] = mapped_column(unique=True)
    purpose: Mapped[str]  # reset, move, email, link
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))  # None: the person, or nobody signed in
    data: Mapped[dict | None] = mapped_column(JSON)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    user: Mapped[User] = relationship(foreign_keys=user_id)


class Block(db.Model):
    """Whom a person does not want to hear. A filter at the reader: frames stay the same for all."""

    __tablename__ = "blocks"
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    blocked_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    kind: Mapped[str]  # mute: folded away; block: that, and they cannot call this person
    since: Mapped[datetime]


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
    role: Mapped[str] = mapped_column(default="member")  # of whoever comes by it: member or guest
    room_ids: Mapped[list | None] = mapped_column(JSON)  # the rooms they are in then; None: the default rooms

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
