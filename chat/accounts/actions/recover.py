"""A forgotten password, by a code on paper."""

from chat.accounts.actions.factors import is_app_code, use_recovery_code
from chat.accounts.actions.reset import may_have_password
from chat.accounts.actions.sessions import end_all_but
from chat.accounts.actions.sign_in import TOO_MANY
from chat.accounts.letters import about_new_password
from chat.accounts.names import login_name
from chat.accounts.passwords import hash_password, refuse_weak
from chat.accounts.queries import passkeys_of, totp_of, user_by_id, user_by_login
from chat.core.db import db
from chat.core.errors import Conflict, Invalid
from chat.core.rate_limit import limiter, network_of
from chat.core.security_log import note_refusal
from chat.core.transaction import transaction
from chat.site.events import Audited
from chat.streams.log import ACCESS, lock, user_stream

NOT_BY_PAPER = (
    "Your second step is a passkey, and a code on paper stands in for that alone. Sign in with the passkey instead of "
    "the password; without it, ask an administrator for a link to set a new password."
)
WRONG = "That name and those codes do not match. Each code works once."


def recover(login, recovery_code, *, code="", new, address=""):
    """Set a new password by a code from paper, and end all sessions. Signs nobody in: who has a second factor is asked
    for it as ever.

    code     of the authenticator app, for who has one: the paper stands in for the password or for the app, not both
    Raises   Invalid, in the same words for an unknown name, a wrong code and a closed account; with a right code,
             Conflict for who has passkeys and no app; RateLimited
    """
    user = user_by_login(login)
    user_id, account = (user.id, user.id) if user else (None, login_name(login))
    db.session.rollback()  # no read transaction stays open while the password is hashed
    refuse_weak(new, about=[login], field="new")
    takes = [("sign_in_address", network_of(address)), ("sign_in", account)]
    for verb, subject in takes:
        limiter.take(verb, subject, because=TOO_MANY)
    password_hash = hash_password(new)
    if user_id is None or not _replace(user_id, password_hash, recovery_code, code):
        note_refusal("recovery refused", user=user_id)
        raise Invalid(WRONG, field="recovery_code")
    for verb, subject in takes:
        limiter.give_back(verb, subject)


def _replace(user_id, password_hash, recovery_code, code):
    """Whether both codes were right. The one from paper is used up in any case: who found it may not try codes of the
    app with it until one fits. Who has a passkey and no app keeps it: nothing can be tried with it."""
    with transaction() as record:
        lock(user_stream(user_id), ACCESS)
        user = user_by_id(user_id)
        if user.deactivated_at or not may_have_password(user) or not use_recovery_code(record, user, recovery_code):
            return False
        if totp_of(user):
            if not is_app_code(user, code):
                return False
        elif passkeys_of(user):  # attack: one code of a sheet that was found for the password, another for the passkey
            note_refusal("recovery refused", user=user_id)
            raise Conflict(NOT_BY_PAPER, field="recovery_code")
        user.password_hash = password_hash
        end_all_but(record, user, None)
        record(Audited(user.id, "password_recovered", "user", user.id))
        about_new_password(user)
    return True
