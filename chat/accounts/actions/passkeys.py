"""Passkeys of a person: made, named, removed, used."""

from dataclasses import dataclass
from datetime import datetime

from chat.accounts.actions.factors import ensure_codes, note_change
from chat.accounts.models import Passkey
from chat.accounts.passkeys import OVER, REFUSED, credential_id_in, verified_new, verified_use
from chat.accounts.policy import can_change_factors, can_remove_last_factor
from chat.accounts.queries import passkey_by_credential, passkey_by_id, passkeys_of, totp_of
from chat.core.authorize import authorize
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Conflict, Invalid
from chat.core.security_log import note_refusal
from chat.core.transaction import transaction
from chat.site.events import Audited
from chat.site.names import one_line
from chat.streams.log import ACCESS, lock

MOST = 20
COPIED = "That passkey seems to have been copied, so it was not accepted. Use another way, and remove it."


@dataclass(frozen=True)
class Shown:
    """A passkey that was shown to us: its signature is right, the rest is decided when it is noted down."""

    passkey_id: int
    user_id: int
    sign_count: int
    asked_at: datetime


class Copied(Invalid):
    """Two devices hold the same passkey's secret, or somebody replays an old answer."""


def register_passkey(actor, answer, challenge, *, name, session=None):
    """Keep what the actor's browser made in answer to `challenge`. Every session but this one ends.

    Returns new recovery codes when there are none yet, else []. Raises Invalid; Conflict when it is known already, or
    there are too many.
    """
    name = one_line(name, field="name", missing="Give the passkey a name.")
    made = verified_new(answer, challenge)
    with transaction() as record:
        lock(actor.stream, ACCESS)
        authorize(can_change_factors(actor))
        if passkey_by_credential(made.credential_id):
            raise Conflict("That passkey is known here already.")
        if len(passkeys_of(actor)) >= MOST:
            raise Conflict(f"You have {MOST} passkeys. Remove one first.")
        passkey = Passkey(
            user_id=actor.id, credential_id=made.credential_id, public_key=made.public_key, name=name,
            sign_count=made.sign_count, transports=made.transports, created_at=now(),
        )  # fmt: skip
        db.session.add(passkey)
        db.session.flush()
        note_change(record, actor, session, "passkey_added", passkey=passkey.id)
        return ensure_codes(record, actor)


def rename_passkey(actor, passkey, name):
    """Raises Invalid."""
    name = one_line(name, field="name", missing="Give the passkey a name.")
    with transaction():
        lock(actor.stream)
        authorize(can_change_factors(actor, passkey.user_id))
        passkey.name = name


def remove_passkey(actor, passkey, *, session=None):
    """Forget a passkey. Every session but this one ends. Raises Forbidden when it is the actor's last second factor,
    and they need one."""
    with transaction() as record:
        lock(actor.stream, ACCESS)
        authorize(can_change_factors(actor, passkey.user_id))
        if len(passkeys_of(actor)) == 1 and totp_of(actor) is None:
            authorize(can_remove_last_factor(actor))
        note_change(record, actor, session, "passkey_removed", passkey=passkey.id)
        db.session.delete(passkey)
        db.session.flush()


def check_passkey(answer, challenge, *, user_id=None, verified):
    """Verify what a browser answered to `challenge`. Returns what was Shown; it counts once `note_passkey` took it.

    user_id    whose passkey it has to be; None: anybody's
    verified   whether the person must have proved themselves to their device
    Raises     Invalid, with the same sentence for an unknown passkey, somebody else's and a wrong signature
    """
    passkey = passkey_by_credential(credential_id_in(answer))
    if passkey is None or user_id not in (None, passkey.user_id):
        note_refusal("passkey refused", user=user_id)
        raise Invalid(REFUSED)
    try:
        count = verified_use(answer, challenge, passkey, verified=verified)
    except Invalid:
        note_refusal("passkey refused", user=passkey.user_id)
        raise
    return Shown(passkey.id, passkey.user_id, count, challenge.asked_at)


def note_passkey(shown):
    """Inside a transaction that has locked the person's stream: take what was shown, once.

    Attack: whoever saw the answer sends it again, with the cookie that holds its challenge. A challenge is younger than
    the passkey's last use, or it has had its time. Raises Invalid; Copied when the device's count did not go up.
    """
    passkey = passkey_by_id(shown.passkey_id)
    if passkey is None:
        raise Invalid(REFUSED)
    if passkey.used_at and shown.asked_at <= passkey.used_at:
        raise Invalid(OVER)
    if (shown.sign_count or passkey.sign_count) and shown.sign_count <= passkey.sign_count:
        raise Copied(COPIED)
    passkey.sign_count, passkey.used_at = shown.sign_count, max(now(), shown.asked_at)
    db.session.flush()


def audit_copied(shown):
    """Write down that a passkey's count went backwards. In a transaction of its own: the one that noticed is undone."""
    with transaction() as record:
        record(Audited(shown.user_id, "passkey_copied", "user", shown.user_id, {"passkey": shown.passkey_id}))
