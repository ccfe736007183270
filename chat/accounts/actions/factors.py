"""The second factor of a person: an authenticator app, passkeys, and codes on paper that stand in for either."""

from contextlib import contextmanager

from sqlalchemy import delete, select

from chat.accounts import recovery_codes, totp
from chat.accounts.actions.sealed import TOTP
from chat.accounts.actions.sessions import end_all_but
from chat.accounts.models import Passkey, RecoveryCode, Totp
from chat.accounts.policy import can_change_factors, can_remove_last_factor, can_to
from chat.accounts.queries import codes_left, passkeys_of, totp_of
from chat.core import mail
from chat.core.authorize import authorize
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Busy, ChatError, Invalid, NotFound
from chat.core.rate_limit import limiter
from chat.core.sealed import seal, unseal
from chat.core.security_log import note_refusal
from chat.core.transaction import transaction
from chat.site.events import Audited
from chat.site.queries import the_site
from chat.streams.log import ACCESS, lock

WRONG = "That code is not right, or it was used before. Wait for the next one, or use a recovery code."
WORDS = {
    "totp_set_up": "An authenticator app was set up.",
    "totp_removed": "The authenticator app was removed.",
    "passkey_added": "A passkey was added.",
    "passkey_removed": "A passkey was removed.",
}
TOO_MANY = "Too many wrong codes."


def set_up_totp(actor, secret, code, *, session=None):
    """Make this secret, which the actor's app has, their second factor, in place of the one before. Every session but
    this one ends. Returns new recovery codes when there are none yet, else [].

    code     one that the app shows for it: a secret that was mistyped must not lock anybody out
    Raises   Invalid naming the field
    """
    step = totp.matching_step(secret, code)
    if step is None:
        raise Invalid("That is not the code for this secret. Check the clock of your phone, and try the next one.",
                      field="code")  # fmt: skip
    with transaction() as record:
        lock(actor.stream, ACCESS)
        authorize(can_change_factors(actor))
        kept = db.session.get(Totp, actor.id) or Totp(user_id=actor.id)
        kept.sealed_secret, kept.last_step = seal(secret, TOTP), step
        kept.created_at = kept.confirmed_at = now()
        db.session.add(kept)
        db.session.flush()
        note_change(record, actor, session, "totp_set_up")
        return ensure_codes(record, actor)


def remove_totp(actor, *, session=None):
    """Forget the actor's authenticator app. Every session but this one ends.

    Raises NotFound when there is none; Forbidden when it is their last second factor, and they need one.
    """
    with transaction() as record:
        lock(actor.stream, ACCESS)
        authorize(can_change_factors(actor))
        kept = totp_of(actor)
        if kept is None:
            raise NotFound("You have no authenticator app here.")
        if not passkeys_of(actor):
            authorize(can_remove_last_factor(actor))
        db.session.delete(kept)
        db.session.flush()
        note_change(record, actor, session, "totp_removed")


def note_change(record, actor, session, verb, **data):
    """Inside a transaction that has locked the person's stream and `access`: whoever sits elsewhere has to come in
    anew, by what holds from now on."""
    end_all_but(record, actor, session.id if session else None)
    record(Audited(actor.id, verb, "user", actor.id, data or None))
    _tell(actor, WORDS[verb])


def _tell(user, what):
    """By mail, if there is any: whoever did it without them should not go unnoticed."""
    values = {"name": user.name, "community": the_site().name, "what": what}
    mail.send(user.email, f"Signing in to {values['community']} works differently now", "factors_changed", **values)


def make_recovery_codes(actor):
    """Ten new codes, as they are written, in place of those before. Returned this once and kept as hashes."""
    with transaction() as record:
        lock(actor.stream)
        authorize(can_change_factors(actor))
        return _new_codes(record, actor)


def ensure_codes(record, actor):
    """Inside a transaction that has locked the person's stream: new codes for whoever has none left; else []."""
    return [] if codes_left(actor) else _new_codes(record, actor)


def _new_codes(record, actor):
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == actor.id))
    codes, moment = recovery_codes.new_codes(), now()
    db.session.add_all(
        RecoveryCode(user_id=actor.id, code_hash=recovery_codes.hash_of(actor.id, code), created_at=moment)
        for code in codes
    )
    db.session.flush()
    record(Audited(actor.id, "recovery_codes_made", "user", actor.id))
    return [recovery_codes.as_written(code) for code in codes]


@contextmanager
def counted(user_id):
    """Count what happens inside as one wrong code of this person, and not when it turns out right.

    Before the code is looked at: of ten thousand sent at once, no more are looked at than of ten thousand sent in turn.
    """
    limiter.take("second_factor", user_id, because=TOO_MANY)
    try:
        yield
    except Busy:
        limiter.give_back("second_factor", user_id)
        raise
    except ChatError:
        note_refusal("second factor refused", user=user_id)
        raise
    limiter.give_back("second_factor", user_id)


def use_code(record, user, code, *, apps_only=False):
    """Inside a transaction that has locked the person's stream, and inside `counted`: take a code of the app, or one
    from paper, which then is used up. Returns "totp" or "recovery".

    Raises Invalid: wrong, or used before.
    """
    if is_app_code(user, code):
        return "totp"
    if not apps_only and use_recovery_code(record, user, code):
        return "recovery"
    raise Invalid(WRONG, field="code")


def is_app_code(user, code):
    """Inside such a transaction: whether this is a code of the person's app that has not been used; now it has."""
    digits, kept = "".join(code.split()), totp_of(user)
    if kept is None or not (digits.isascii() and digits.isdigit() and len(digits) == 6):
        return False
    step = totp.matching_step(unseal(kept.sealed_secret, TOTP), digits, after=kept.last_step)
    if step is None:
        return False
    kept.last_step = step
    db.session.flush()
    return True


def use_recovery_code(record, user, code):
    """Inside such a transaction: use up a code from paper. Whether it was one."""
    typed = recovery_codes.as_typed(code)
    wanted = recovery_codes.hash_of(user.id, typed)
    found = db.session.scalars(
        select(RecoveryCode).where(
            RecoveryCode.user_id == user.id, RecoveryCode.code_hash == wanted, RecoveryCode.used_at.is_(None)
        )
    ).first()
    if not typed or found is None:
        return False
    found.used_at = now()
    db.session.flush()
    record(Audited(user.id, "recovery_code_used", "user", user.id, {"left": codes_left(user)}))
    return True


def reset_second_factors(actor, user):
    """Take away everything that `user` would have to show beside the password, for whoever lost it, and end their
    sessions. They set up another when they next sign in, if they need one.

    Raises Forbidden unless the actor may help this person to sign in.
    """
    with transaction() as record:
        lock(user.stream, ACCESS)
        authorize(can_to(actor, "help_sign_in", user))
        for table in (Totp, Passkey, RecoveryCode):
            db.session.execute(delete(table).where(table.user_id == user.id))
        end_all_but(record, user, None)
        record(Audited(actor.id, "second_factors_reset", "user", user.id))
        _tell(user, f"{actor.name}, an administrator, took away all second factors.")
