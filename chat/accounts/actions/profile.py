from chat.accounts.actions.create import refuse_taken
from chat.accounts.avatars import KIND, SUFFIX, square
from chat.accounts.events import PersonChanged
from chat.accounts.names import about_oneself, person_name, short_line, time_zones, user_name
from chat.accounts.policy import can_edit_profile
from chat.core import storage
from chat.core.authorize import authorize
from chat.core.db import db
from chat.core.errors import Invalid
from chat.core.transaction import transaction
from chat.streams.log import SITE, lock, next_seq


def update_profile(actor, *, name, username, bio, time_zone, title=None, pronouns=None):
    """Set what the actor says about themselves. Raises Invalid naming the field; Conflict for a taken user name.

    title, pronouns   None: as they are
    """
    name, username, bio = person_name(name), user_name(username), about_oneself(bio)
    title = actor.title if title is None else short_line(title, field="title")
    pronouns = actor.pronouns if pronouns is None else short_line(pronouns, field="pronouns")
    if time_zone not in time_zones():
        raise Invalid("Choose a time zone from the list.", field="time_zone")
    with transaction() as record:
        lock(SITE)
        authorize(can_edit_profile(actor, actor))
        if username != actor.username:
            refuse_taken(username)
        visible = (name, username) != (actor.name, actor.username)
        actor.name, actor.username, actor.bio, actor.time_zone = name, username, bio, time_zone
        actor.title, actor.pronouns = title, pronouns
        if visible:
            _number(record, actor)


def set_avatar(actor, picture):
    """Show `picture`, the bytes of an image, beside the actor's name. Raises Invalid with what to choose instead."""
    data = square(picture)  # some 0.1 s, in a native thread, before any transaction
    name = storage.save(KIND, data, SUFFIX)
    try:
        _show(actor, name)
    except BaseException:
        storage.forget(KIND, name)
        raise


def remove_avatar(actor):
    """Show the actor's initials again. Shown already: nothing changes."""
    _show(actor, None)


def _show(actor, avatar):
    with transaction() as record:
        lock(SITE)
        authorize(can_edit_profile(actor, actor))
        before = actor.avatar
        if avatar != before:
            actor.avatar = avatar
            _number(record, actor)
    if before and before != avatar:
        storage.forget(KIND, before)  # after the commit: a picture that is still shown must not be gone


def _number(record, user):
    user.v = next_seq(SITE)
    db.session.flush()
    record(PersonChanged(user.id, user.v))
