from dataclasses import dataclass

from chat.streams.log import SITE, Change


@dataclass(frozen=True)
class SiteChanged:
    """A setting of the community changed."""

    seq: int

    def changes(self):
        return [Change(SITE, self.seq, "settings", 1)]


@dataclass(frozen=True)
class Audited:
    """Somebody did something that those who run the community want to be able to look up later.

    actor_id       None: nobody who is signed in, such as the command line or a job
    verb           a key of admin/audit.py: VERBS, such as "role_changed"
    subject_kind   "user", "room", "message", "site" …
    data           ids and plain values, no text that a person wrote in a room
    """

    actor_id: int | None
    verb: str
    subject_kind: str
    subject_id: int | None = None
    data: dict | None = None
