"""How the audit log reads: each entry as a sentence, with what was done in words and a way to it where it still is.

Programs get the numbers that the chain is made of instead: see `plain_entry` in presenter.py.
"""

from collections import namedtuple
from dataclasses import dataclass
from datetime import datetime

from chat.accounts.devices import name_of_device
from chat.accounts.oidc.providers import providers
from chat.accounts.presenter import PersonView, present_person
from chat.accounts.queries import users_by_id
from chat.admin import queries
from chat.admin.audit import VERBS
from chat.admin.moderation.actions import is_final
from chat.admin.moderation.forms import SPANS
from chat.admin.moderation.policy import can_judge
from chat.admin.moderation.presenter import OUTCOMES
from chat.rooms.names import days_words
from chat.site.settings import SETTINGS

SIGN_UP = {"invite": "only people with an invite", "open": "anyone who finds the address"}


@dataclass(frozen=True)
class Detail:
    """One line below an entry. `path` leads to what it speaks of; `moment` is said in the reader's own zone."""

    label: str
    words: str = ""
    path: str | None = None
    moment: str | None = None


@dataclass(frozen=True)
class EntryView:
    """One entry of the audit log: who, what, to whom."""

    seq: int
    at: datetime
    actor: PersonView | None
    words: str
    person: PersonView | None  # the one it was done to
    subject: str  # what it was done to, when that is no person
    path: str | None
    details: tuple
    address: str


# What the entries of a page speak of, by kind and id: whatever of it is still there and `actor` may know of.
Known = namedtuple("Known", "actor people rooms invites devices reports removals")


def present_entries(actor, entries):
    """Entries as people read them. As many queries as there are kinds of things, whatever the number."""
    known = _known(actor, entries)
    return [_present(entry, known) for entry in entries]


def _known(actor, entries):
    def subjects(kind):
        return {e.subject_id for e in entries if e.subject_kind == kind}

    def named(key):
        return {e.data[key] for e in entries if e.data and isinstance(e.data.get(key), int)}

    return Known(
        actor,
        people=users_by_id(subjects("user") | named("user") | named("link_of")),
        rooms=queries.public_room_names(subjects("room")),
        invites=queries.invites_by_id(subjects("invite")),
        devices=queries.devices_of(subjects("session") | named("session")),
        reports=queries.reports_by_id(named("report")),
        removals=queries.removals_by_id(named("removal")),
    )


def _present(entry, known):
    person = known.people.get(entry.subject_id) if entry.subject_kind == "user" else None
    itself = person is not None and person.id == entry.actor_id
    words = VERBS.get(entry.verb, entry.verb.replace("_", " "))
    subject, path = SUBJECTS.get(entry.subject_kind, _nothing)(entry, known)
    if subject == HIDDEN:
        words = words.removesuffix("the room")
    return EntryView(
        seq=entry.seq, at=entry.at, actor=entry.actor and present_person(entry.actor),
        words=words, person=present_person(person) if person is not None else None,
        subject="themselves" if itself else subject, path=path,
        details=tuple(_details(entry, known)), address=entry.address,
    )  # fmt: skip


# To what it was done: (words, path or None)

HIDDEN = "a private room"


def _nothing(entry, known):
    return "", None


def _room(entry, known):
    name = known.rooms.get(entry.subject_id)
    return (f"#{name}", f"/rooms/{entry.subject_id}") if name else (HIDDEN, None)


def _invite(entry, known):
    invite = known.invites.get(entry.subject_id)
    if invite is None:
        return "an invite", None
    whose = "an invite" if invite.created_by_id == entry.actor_id else f"an invite of {invite.created_by.name}"
    return whose, f"/admin/invites?before={invite.id + 1}"  # where it is the first one


def _message(entry, known):
    report = known.reports.get((entry.data or {}).get("report"))
    if report is None:
        return "a message that is no longer kept", None
    path = f"/reports/{report.id}" if can_judge(known.actor, report.message) else None
    return f"a message of {report.message.author.name}", path


def _job(entry, known):
    return f"job {entry.subject_id}", "/admin/jobs"


SUBJECTS = {"room": _room, "invite": _invite, "message": _message, "job": _job}


# How it was done


def _details(entry, known):
    """The Details of an entry: what its data say, in words."""
    data = entry.data or {}
    device = known.devices.get(entry.subject_id if entry.subject_kind == "session" else data.get("session"))
    if device:
        yield Detail("device", name_of_device(device))
    if "from" in data and "to" in data:
        yield Detail("changed", f"{_state(entry, data['from'])} → {_state(entry, data['to'])}")
    for name, value in data.items():
        if name in SETTINGS or isinstance(value, dict):
            yield _setting(name, value)
        elif value is not None and name not in NUMBERS:
            label, say = SAID.get(name, (name.replace("_", " "), _as_it_is))
            said = say(value, entry, known)
            if said is not None:
                yield said if isinstance(said, Detail) else Detail(label, said)


def _state(entry, value):
    if entry.verb == "room_retention_changed":
        return "as the community says" if value is None else days_words(value)
    return SIGN_UP.get(value, str(value))


def _setting(name, value):
    setting = SETTINGS.get(name)

    def said(value):
        if setting and setting.choices and value in setting.choices:
            return setting.choices[value]
        return "none" if value is None else str(value)

    label = setting.label if setting else name.replace("_", " ")
    return Detail(label, f"{said(value['from'])} → {said(value['to'])}" if isinstance(value, dict) else said(value))


def _person(label):
    def say(value, entry, known):
        user = known.people.get(value)
        return user and Detail(label, user.name, user.path)

    return say


def _as_it_is(value, entry, known):
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _until(value, entry, known):
    return Detail("until", moment=value) if entry.verb == "suspended" else str(value)


def _removal(value, entry, known):
    """What became of a removal; where it was undone, that is another entry."""
    removal = known.removals.get(value)
    if removal is None or entry.verb != "content_removed":
        return None
    state = "put back" if removal.undone_at else "gone for good" if is_final(removal) else "can still be put back"
    return Detail("now", state, "/reports/removals")


def _messages(value, entry, known):
    return f"{value:,}" if isinstance(value, int) else value


def _days(value, entry, known):
    return Detail("kept for" if entry.verb == "messages_purged" else "for", days_words(value))


# What is for programs, or said already.
NUMBERS = {"from", "to", "session", "passkey", "report"}
# Name in the data → (label, how its value is said). A function that answers a Detail gives the label itself.
SAID = {
    "user": ("", _person("who")),
    "link_of": ("", _person("by a link that was made by")),
    "reason": ("reason", _as_it_is),
    "changed": ("what", _as_it_is),
    "kind": ("kind", _as_it_is),
    "days": ("", _days),
    "uses": ("at most", lambda value, *_: "1 person" if value == 1 else f"{value:,} people"),
    "messages": ("messages", _messages),
    "before": ("from before", _as_it_is),
    "scopes": ("may", lambda value, *_: ", ".join(value.split())),
    "browsers": ("how many", _as_it_is),
    "provider": ("provider", lambda value, *_: next((p.name for p in providers().values() if p.key == value), value)),
    "left": ("codes left", _as_it_is),
    "decision": ("decided", lambda value, *_: OUTCOMES.get(value, value)),
    "removal": ("", _removal),
    "period": ("from", lambda value, *_: SPANS.get(value, value).lower()),
    "format": ("as", lambda value, *_: {"csv": "CSV", "jsonl": "JSON lines"}.get(value, value)),
    "until": ("until", _until),
    # What an export was asked for
    "actor": ("of what was done by", _as_it_is),
    "subject": ("of what was done to", _as_it_is),
    "verb": ("of", lambda value, *_: value.replace("_", " ")),
    "since": ("since", _as_it_is),
}
