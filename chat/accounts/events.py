"""What can happen to people and their sessions. Ids and plain values only; see chat/wiring.py for what follows."""

from dataclasses import dataclass

from chat.streams.log import ACCESS, SITE, Change


@dataclass(frozen=True)
class PersonCreated:
    """Someone has an account now."""

    user_id: int
    seq: int

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
class RoleChanged:
    """Someone has another role here: their connections end, and come back with the new rights."""

    user_id: int
    seq: int

    def changes(self):
        return [Change(ACCESS, self.seq, "role_changed", self.user_id)]
