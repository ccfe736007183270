from chat.accounts.actions.sessions import end_all_but
from chat.accounts.actions.sign_in import check_counted
from chat.accounts.letters import about_new_password
from chat.accounts.passwords import hash_password, refuse_weak
from chat.core.db import db
from chat.core.errors import Conflict, Invalid
from chat.core.rate_limit import network_of
from chat.core.security_log import note_refusal
from chat.core.transaction import transaction
from chat.site.events import Audited
from chat.streams.log import ACCESS, lock


def change_password(actor, session, *, current, new, address=""):
    """Replace the actor's password and end every session but this one.

    current   the present password, since an open laptop should not be enough. Wrong ones count as at sign-in.
    Raises    Invalid naming the field; RateLimited; Conflict when it was changed elsewhere at the same moment.
    """
    actor_id, stored, session_id = actor.id, actor.password_hash, session.id
    about = [actor.name, actor.username, actor.email]
    db.session.rollback()  # no read transaction stays open while passwords are hashed
    if not check_counted(current, stored, account=actor_id, network=network_of(address)).right:
        note_refusal("confirmation refused", user=actor_id)
        raise Invalid("That is not your present password.", field="current")
    refuse_weak(new, about=about, field="new")
    password_hash = hash_password(new)
    with transaction() as record:
        lock(actor.stream, ACCESS)
        if actor.password_hash != stored:
            raise Conflict("Your password was changed elsewhere just now. Sign in with the new one.")
        actor.password_hash = password_hash
        end_all_but(record, actor, session_id)
        record(Audited(actor.id, "password_changed", "user", actor.id))
        about_new_password(actor)


def replace_password(user, new):
    """Give `user` another password and end all their sessions. For whoever runs the server.

    Raises Invalid for a weak one.
    """
    about = [user.name, user.username, user.email]
    db.session.rollback()
    refuse_weak(new, about=about, field="new")
    password_hash = hash_password(new)
    with transaction() as record:
        lock(user.stream, ACCESS)
        user.password_hash = password_hash
        end_all_but(record, user, None)
        record(Audited(None, "password_replaced", "user", user.id))
        about_new_password(user)
