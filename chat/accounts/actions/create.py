from chat.accounts.events import PersonCreated
from chat.accounts.models import User
from chat.accounts.names import email_address, person_name, user_name, user_names_for
from chat.accounts.policy import ROLES
from chat.accounts.queries import user_by_email, user_by_username
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Conflict, Invalid
from chat.core.transaction import transaction
from chat.streams.log import SITE, create, lock, next_seq


def create_user(*, name, email, password_hash, username=None, role="member", invite_id=None):
    """Make an account and return the User. Setup, invites, open sign-up and the command line all end here.

    It decides nothing about who may: its callers do. Part of a larger transaction or one of its own.

    username        left out or empty: one is made from the name.
    password_hash   from `passwords.hash_password`, made before any transaction.
    invite_id       by which invite they come, if by one: it says which rooms they begin in
    Raises          Invalid naming the field; Conflict when the e-mail or the user name is somebody's.
    """
    name, email = person_name(name), email_address(email)
    username = user_name(username) if username else None
    if role not in ROLES:
        raise Invalid(f"{role!r} is no role; use one of {', '.join(ROLES)}.", field="role")
    with transaction() as record:
        lock(SITE)  # also what keeps two accounts from choosing the same name
        if user_by_email(email):
            raise Conflict("There is an account with this e-mail already. Sign in instead.", field="email")
        if username:
            refuse_taken(username)
        else:
            username = next(free for free in user_names_for(name, email) if not user_by_username(free))
        user = User(
            name=name, username=username, email=email, password_hash=password_hash, role=role,
            bio="", time_zone="UTC", v=next_seq(SITE), created_at=now(),
        )  # fmt: skip
        db.session.add(user)
        db.session.flush()
        create(user.stream)
        record(PersonCreated(user.id, user.v, invite_id))
    return user


def refuse_taken(username):
    """Inside a transaction that has locked `site`. Raises Conflict when somebody has this user name."""
    if user_by_username(username):
        raise Conflict(f"@{username} is taken. Choose another user name.", field="username")
