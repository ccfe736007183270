"""How people, their sessions and invites are shown: plain values for pages and frames alike."""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import current_app

from chat.accounts.devices import is_phone, name_of_device
from chat.accounts.oidc.providers import providers
from chat.accounts.policy import state_of_invite
from chat.accounts.queries import codes_left, identities_of, passkeys_of, totp_of, used_by
from chat.accounts.recovery_codes import FEW
from chat.accounts.scopes import listed
from chat.core.clock import now

KINDS = ("bot", "guest")  # the roles that show wherever the person does


@dataclass(frozen=True)
class PersonView:
    """A person as everybody sees them."""

    id: int
    name: str
    username: str
    path: str
    avatar_path: str | None
    initials: str
    hue: int
    kind: str | None  # bot, guest; None: a person like most
    v: int

    def to_json(self):
        """The wire's `author`."""
        return {
            "id": self.id, "name": self.name, "avatar_url": self.avatar_path, "bot": self.kind == "bot", "v": self.v,
        }  # fmt: skip


@dataclass(frozen=True)
class PersonInList(PersonView):
    role: str
    presence: str  # online, away, offline


@dataclass(frozen=True)
class PersonPage(PersonInList):
    title: str
    pronouns: str
    state: str  # open, closed, banned, erased
    bio: str
    local_time: str
    rooms: tuple


def present_blocks(kinds):
    """What a person's own pages, and nobody else's, know of `queries.blocks_of`: the ids, by what is not heard."""
    return {name: sorted(id for id, kind in kinds.items() if kind == name) for name in ("mute", "block")}


def present_person(user):
    return PersonView(**_plain(user))


def present_in_list(user):
    return PersonInList(**_plain(user), role=user.role, presence=presence_of(user))


def present_as_json(user):
    """The API's `person`."""
    shown = present_in_list(user)
    return {
        **shown.to_json(), "username": shown.username, "role": shown.role, "presence": shown.presence, "bio": user.bio,
    }  # fmt: skip


def present_page(user, *, rooms=()):
    moment = now().astimezone(zone_of(user))
    return PersonPage(
        **_plain(user), role=user.role, presence=presence_of(user),
        title=user.title, pronouns=user.pronouns, state=_state(user), bio=user.bio,
        local_time=f"{moment:%H:%M}", rooms=rooms,
    )  # fmt: skip


def _state(user):
    if user.erased_at:
        return "erased"
    return "banned" if user.banned_at else "closed" if user.deactivated_at else "open"


def _plain(user):
    return {
        "id": user.id, "name": user.name, "username": user.username, "path": user.path, "avatar_path": user.avatar_path,
        "initials": user.initials, "hue": user.hue, "kind": user.role if user.role in KINDS else None, "v": user.v,
    }  # fmt: skip


def presence_of(user):
    """online, away or offline, by the mapping of ids that the live part keeps; without it everybody is offline."""
    return current_app.extensions.get("presence", {}).get(user.id, "offline")


def zone_of(user):
    """The person's time zone; UTC when it is none we know."""
    try:
        return ZoneInfo(user.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


@dataclass(frozen=True)
class TokenView:
    """A token or a program in the list of those who may revoke it."""

    id: int
    name: str
    about: str
    scopes: tuple


def present_token(session, *, zone=UTC):
    used = session.seen_at > session.created_at
    parts = [
        f"last used {_ago(session.seen_at, zone)}" if used else "never used",
        f"made {_day(session.created_at, zone)}",
        f"ends {_day(session.expires_at, zone)}",
    ]
    if session.kind == "program":
        parts[0] = f"last used {_ago(session.seen_at, zone)}"
        parts.insert(0, session.address)
    name = session.name or name_of_device(session.user_agent)
    return TokenView(session.id, name, " · ".join(filter(None, parts)), tuple(listed(session.scopes)))


@dataclass(frozen=True)
class SessionView:
    id: int
    name: str
    about: str
    current: bool
    phone: bool


def present_session(session, *, current, zone=UTC):
    seen = "in use now" if current else f"last used {_ago(session.seen_at, zone)}"
    parts = [session.address, seen, f"since {_day(session.created_at, zone)}"]
    return SessionView(
        id=session.id, name=name_of_device(session.user_agent), about=" · ".join(filter(None, parts)),
        current=current, phone=is_phone(session.user_agent),
    )  # fmt: skip


@dataclass(frozen=True)
class MoveView:
    """What the first device shows of a move. `asker` None: no other device has asked yet."""

    url: str | None  # None: the code was made in another browser, which shows it
    until: str
    asker: str | None = None
    device: str = ""
    address: str = ""
    asked: str = ""
    confirmed: bool = False


def present_move(link, *, url, zone=UTC):
    data = link.data
    view = {"url": url, "until": f"{link.expires_at.astimezone(zone):%H:%M}", "confirmed": "confirmed_at" in data}
    if "asker" in data:
        asked = datetime.fromisoformat(data["asked_at"]).astimezone(zone)
        view |= {"asker": data["asker"], "device": name_of_device(data["user_agent"]), "address": data["address"],
                 "asked": f"{asked:%H:%M}"}  # fmt: skip
    return MoveView(**view)


def _ago(moment, zone):
    minutes = int((now() - moment).total_seconds() // 60)
    if minutes < 60:
        return "a few minutes ago" if minutes < 10 else f"{minutes} minutes ago"
    today, day = now().astimezone(zone).date(), moment.astimezone(zone)
    days = (today - day.date()).days
    return f"today, {day:%H:%M}" if days == 0 else f"yesterday, {day:%H:%M}" if days == 1 else f"{days} days ago"


def _day(moment, zone):
    return f"{moment.astimezone(zone):%-d %B}"


@dataclass(frozen=True)
class ProviderView:
    """An identity provider, as a button."""

    key: str
    name: str


@dataclass(frozen=True)
class IdentityView:
    id: int
    name: str
    about: str


def present_providers():
    return [ProviderView(provider.key, provider.name) for provider in providers().values()]


def present_identities(user):
    """What a person has connected; also with providers that are no longer set up here."""
    zone, names = zone_of(user), {provider.key: provider.name for provider in providers().values()}
    return [
        IdentityView(
            id=i.id, name=names.get(i.provider, i.provider),
            about=" · ".join(filter(None, [i.email, f"connected {_day(i.created_at, zone)}",
                                           None if i.provider in names else "no longer set up here"])),
        )
        for i in identities_of(user)
    ]  # fmt: skip


@dataclass(frozen=True)
class InviteView:
    """An invite in the list of those who may manage it."""

    id: int
    url: str
    uses: int
    max_uses: int | None
    expires_at: datetime | None
    created_by: PersonView
    used_by: tuple
    state: str  # open, expired, used up, revoked
    role: str
    rooms: tuple  # names of the rooms that it leads to, as far as the reader may see them


@dataclass(frozen=True)
class InvitationView:
    """An invite as the person invited sees it."""

    code: str
    by: PersonView
    role: str
    rooms: tuple  # names of the rooms they will start in
    expires_at: datetime | None
    remaining: int | None


def present_invites(invites, rooms):
    """`rooms`: {id: name} of those that the reader may see."""
    came, base = used_by(invites), current_app.config["PARLEY"].base_url
    return [
        InviteView(
            id=i.id, url=base + i.path, uses=i.uses, max_uses=i.max_uses, expires_at=i.expires_at,
            created_by=present_person(i.created_by), used_by=tuple(map(present_person, came.get(i.id, []))),
            state=state_of_invite(i), role=i.role, rooms=tuple(rooms[id] for id in i.room_ids or () if id in rooms),
        )
        for i in invites
    ]  # fmt: skip


def present_invitation(invite, rooms=()):
    remaining = None if invite.max_uses is None else invite.max_uses - invite.uses
    return InvitationView(
        code=invite.code, by=present_person(invite.created_by), role=invite.role, rooms=tuple(rooms),
        expires_at=invite.expires_at, remaining=remaining,
    )  # fmt: skip


@dataclass(frozen=True)
class PasskeyView:
    id: int
    name: str
    about: str


@dataclass(frozen=True)
class FactorsView:
    """What a person is asked for beside the password."""

    app_since: str | None
    passkeys: tuple
    codes_left: int

    @property
    def is_on(self):
        return bool(self.app_since or self.passkeys)

    @property
    def count(self):
        return len(self.passkeys) + bool(self.app_since)

    @property
    def codes_are_few(self):
        return self.is_on and self.codes_left <= FEW


def present_factors(user):
    zone, app = zone_of(user), totp_of(user)
    passkeys = [_present_passkey(passkey, zone) for passkey in passkeys_of(user)]
    return FactorsView(app and _day(app.confirmed_at, zone), tuple(passkeys), codes_left(user))


def _present_passkey(passkey, zone):
    used = f"last used {_ago(passkey.used_at, zone)}" if passkey.used_at else "not used yet"
    return PasskeyView(passkey.id, passkey.name, f"{used} · since {_day(passkey.created_at, zone)}")
