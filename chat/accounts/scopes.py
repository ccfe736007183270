"""What a token may do. A browser's session may do all that its person may."""

from chat.core.errors import Forbidden, Invalid

SCOPES = {
    "read": "See what you see: people, rooms and messages, and what happens",
    "write": "Do what you do: write, edit, delete, join and leave rooms, mark as read",
}


def checked(scopes):
    """The stored form of a choice of scopes. Raises Invalid for none, or for one that is not there."""
    wanted = list(scopes)
    if not wanted or not all(isinstance(scope, str) and scope in SCOPES for scope in wanted):
        raise Invalid(f"Choose at least one of {', '.join(SCOPES)}.", field="scopes")
    return " ".join(scope for scope in SCOPES if scope in wanted)


def listed(stored):
    """The scopes of a session as a list; of one that has none set, all."""
    return list(SCOPES) if stored is None else stored.split()


def allows(stored, scope):
    return stored is None or scope in stored.split()


def refuse_without(stored, scope):
    """Raise Forbidden when a session with these scopes may not do what needs this one."""
    if not allows(stored, scope):
        raise Forbidden(f"This token may not do that: it lacks the scope {scope}. Make one that has it.")
