from chat.accounts.actions.admit import admit
from chat.accounts.names import login_name
from chat.accounts.passwords import check_password
from chat.accounts.policy import NO_PASSWORDS, can_use_password
from chat.accounts.queries import user_by_id, user_by_login
from chat.core.db import db
from chat.core.errors import Invalid, RateLimited
from chat.core.rate_limit import limiter, network_of
from chat.core.security_log import note_refusal
from chat.core.transaction import transaction
from chat.site.queries import setting
from chat.streams.log import lock, user_stream

WRONG = "That name and password do not match."
TOO_MANY = "Too many wrong passwords."
TRIES = 2  # somebody else's sign-in may store the same password in a dearer hash meanwhile, once


def sign_in(login, password, *, address="", user_agent="", begin=admit):
    """Sign in by e-mail or user name and return Admitted: the token for the browser's cookie, or what is missing.

    The same sentence, after the same time, for an unknown name, a wrong password and a closed account; where passwords
    are switched off, also for a right one, unless it is an owner's.

    begin   lets them in, for instance as a program, and gives what to return; see `admit`
    Raises  Invalid; RateLimited after too many wrong ones, then for a right one too, so that guessing on tells nothing.
    """
    for _ in range(TRIES):
        user = user_by_login(login)
        user_id, stored = (user.id, user.password_hash) if user and not user.deactivated_at else (None, None)
        account = user.id if user else login_name(login)
        db.session.rollback()  # no read transaction stays open while the password is hashed
        checked = check_counted(password, stored, account=account, network=network_of(address))
        if not checked.right:
            break
        with transaction():
            lock(user_stream(user_id))
            user = user_by_id(user_id)
            if user.password_hash != stored:  # changed while we were hashing: look at the one there is now
                continue
            if user.deactivated_at or not can_use_password(user):
                break
            user.password_hash = checked.renewed or stored
            return begin(user, address=address, user_agent=user_agent)
    note_refusal("sign-in refused", user=user_id)
    raise Invalid(WRONG if setting("password_sign_in") else NO_PASSWORDS, field="password")


def check_counted(password, stored, *, account, network):
    """`check_password`, with wrong ones counted against the account and against the network address.

    Both are taken before the password is looked at and given back when it is right: counted afterwards, a thousand
    guesses sent at once would all be looked at before the first of them counts.
    """
    takes = [("sign_in", account), ("sign_in_address", network)]
    taken = []
    try:
        for verb, subject in takes:
            limiter.take(verb, subject, because=TOO_MANY)
            taken.append((verb, subject))
        checked = check_password(password, stored)
    except RateLimited:  # by the second limit, or because too many wait to be hashed: no guess was looked at
        _give_back(taken)
        raise
    if checked.right:
        _give_back(taken)
    return checked


def _give_back(taken):
    for verb, subject in taken:
        limiter.give_back(verb, subject)
