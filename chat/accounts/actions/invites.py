import secrets
from datetime import timedelta

from chat.accounts.models import Invite
from chat.accounts.policy import can_invite, can_revoke_invite, can_set_sign_up, state_of_invite
from chat.core.authorize import authorize
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Invalid, NotFound
from chat.core.transaction import transaction
from chat.site.events import Audited, SiteChanged
from chat.site.queries import the_site
from chat.streams.log import SITE, lock, next_seq

LONGEST_DAYS, MOST_USES = 365, 10_000


INVITED_ROLES = ("member", "guest")


def create_invite(actor, *, expires_days=None, max_uses=None, role="member", room_ids=None):
    """Make a link by which people can make accounts. Returns the Invite.

    expires_days   1 to 365; None: it never expires.
    max_uses       1 to 10,000; None: as many as like.
    role           what they will be: member or guest
    room_ids       where they will be from the start, for `rooms.actions.invite_to_rooms`, which has looked whether the
                   actor may add people there; None: where everybody begins
    """
    if role not in INVITED_ROLES:
        raise Invalid("People are invited as members or as guests.", field="role")
    _refuse_outside(expires_days, LONGEST_DAYS, "expires_days")
    _refuse_outside(max_uses, MOST_USES, "max_uses")
    with transaction() as record:
        lock(actor.stream)
        authorize(can_invite(actor))
        moment = now()
        invite = Invite(
            code=secrets.token_urlsafe(16), created_by_id=actor.id, created_at=moment, max_uses=max_uses, uses=0,
            expires_at=moment + timedelta(days=expires_days) if expires_days else None, role=role, room_ids=room_ids,
        )  # fmt: skip
        db.session.add(invite)
        db.session.flush()
        data = {"days": expires_days, "uses": max_uses}
        record(Audited(actor.id, "invite_made", "invite", invite.id, data))
    return invite


def _refuse_outside(number, most, field):
    if number is not None and not 1 <= number <= most:
        raise Invalid(f"Use a number from 1 to {most:,}, or leave it empty.", field=field)


def revoke_invite(actor, invite):
    """Make an invite useless from now on. Revoked already: nothing changes."""
    with transaction() as record:
        lock(SITE)  # whoever is using it at this moment either has an account, or has not
        authorize(can_revoke_invite(actor, invite))
        if not invite.revoked_at:
            invite.revoked_at = now()
            record(Audited(actor.id, "invite_revoked", "invite", invite.id))


def set_sign_up(actor, sign_up):
    """Decide who may make an account: "invite", those with a link; "open", everyone who finds the address."""
    if sign_up not in ("invite", "open"):
        raise Invalid("Choose invite or open.", field="sign_up")
    with transaction() as record:
        lock(SITE)
        authorize(can_set_sign_up(actor))
        site = the_site()
        if site.sign_up != sign_up:  # setting what is set takes no number
            before = site.sign_up
            site.sign_up, site.v = sign_up, next_seq(SITE)
            db.session.flush()
            record(SiteChanged(site.v))
            record(Audited(actor.id, "sign_up_changed", "site", None, {"from": before, "to": sign_up}))


def refuse_unusable(invite):
    """Raise NotFound, with what happened and what to do, unless one more person may come by this invite."""
    state = state_of_invite(invite)
    if state == "expired":
        raise NotFound(f"That invite expired on {invite.expires_at:%-d %B}. Ask for a new link.")
    if state != "open":
        raise NotFound(f"That invite has been {state}. Ask for a new link.")
