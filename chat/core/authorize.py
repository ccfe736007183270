"""Verdicts of rules. A rule returns `allow` or `deny("a reason a person can read")`; actions call `authorize`."""

from dataclasses import dataclass

from chat.core.errors import Forbidden


@dataclass(frozen=True)
class Verdict:
    """Truthy when allowed, so that templates can say `{% if can_edit(actor, room) %}`."""

    allowed: bool
    reason: str = ""

    def __bool__(self):
        return self.allowed


allow = Verdict(True)


def deny(reason):
    return Verdict(False, reason)


def authorize(verdict, *, back=None):
    """Pass silently when allowed. Raises Forbidden with the rule's reason otherwise. `back`: (path, words) of where a
    page that says so leads."""
    if not verdict:
        refusal = Forbidden(verdict.reason)
        refusal.back = back
        raise refusal
