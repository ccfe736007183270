"""What can happen to people and their sessions. Ids and plain values only; see chat/wiring.py for what follows."""

from dataclasses import dataclass

from chat.streams.log import ACCESS, SITE, Change, user_stream


@dataclass(frozen=True)
class PersonCreated:
    """Someone has an account now; `invite_id`: by which invite they came, if by one."""

    user_id: int
    seq: int
    invite_id: int | None = None

    def changes(self):
        return [Change(SITE, self.seq, "person", self.user_id)]


@dataclass(frozen=True)
class PersonChanged:
    """Someone has another name, user name or picture."""

    user_id: int
    seq: int

    def changes(self):
        return [Change(SITE, self.seq, "person", self.user_id)]


@dataclass(frozen=True)
class SessionEnded:
    """One browser is no longer signed in."""

    session_id: int
    user_id: int
    seq: int

    def changes(self):
        return [Change(ACCESS, self.seq, "session_ended", self.session_id)]


@dataclass(frozen=True)
class UserEnded:
    """Every browser of a person is no longer signed in, except perhaps one."""

    user_id: int
    kept_session_id: int | None
    seq: int

    def changes(self):
        return [Change(ACCESS, self.seq, "user_ended", self.user_id, {"except": self.kept_session_id})]


@dataclass(frozen=True)
class BlocksChanged:
    """Someone hears somebody no longer, or again."""

    user_id: int
    blocked_id: int
    seq: int  # in the person's own stream

    def changes(self):
        return [Change(user_stream(self.user_id), self.seq, "blocks", self.blocked_id)]


@dataclass(frozen=True)
class RoleChanged:
    """Someone has another role here: their connections end, and come back with the new rights."""

    user_id: int
    seq: int

    def changes(self):
        return [Change(ACCESS, self.seq, "role_changed", self.user_id)]


@dataclass(frozen=True)
class FactorNeeded:
    """These people need a second factor from now on, and have none: their connections end, and their sessions open
    nothing else until they have set one up."""

    user_ids: list
    seq: int

    def changes(self):
        return [Change(ACCESS, self.seq, "factor_needed", 1, {"users": self.user_ids})]


@dataclass(frozen=True)
class SessionBegan:
    """Somebody signed in. `is_new`: on a device that they have not been seen on, while there are others."""

    session_id: int
    user_id: int
    is_new: bool


@dataclass(frozen=True)
class AccountClosed:
    """Somebody can no longer come in, and their sessions have ended: what comes of it in the rooms follows."""

    user_id: int
    by_id: int


@dataclass(frozen=True)
class PersonErased:
    """Nothing says any longer who somebody was. `empty`: what they wrote goes as well."""

    user_id: int
    by_id: int
    empty: bool
