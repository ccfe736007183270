from chat.accounts.events import BlocksChanged
from chat.accounts.models import Block
from chat.accounts.policy import can_block
from chat.accounts.queries import block_between
from chat.core.authorize import authorize
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Invalid
from chat.core.transaction import transaction
from chat.streams.log import lock, next_seq

KINDS = ("mute", "block")


def set_block(actor, user, kind):
    """Stop hearing somebody, or (None) hear them again. Setting what is set changes nothing.

    A filter at the actor alone: nobody else, and least of all that person, can tell.

    kind    "mute": what they write is folded away and counts as read. "block": that, and they cannot call the actor.
    Raises  Forbidden; Invalid for another kind.
    """
    if kind is not None and kind not in KINDS:
        raise Invalid("Choose mute or block.", field="kind")
    with transaction() as record:
        lock(actor.stream)
        authorize(can_block(actor, user))
        found = block_between(actor.id, user.id)
        if (found and found.kind) == kind:
            return
        if found is None:
            db.session.add(Block(user_id=actor.id, blocked_id=user.id, kind=kind, since=now()))
        elif kind is None:
            db.session.delete(found)
        else:
            found.kind = kind
        db.session.flush()
        record(BlocksChanged(actor.id, user.id, next_seq(actor.stream)))
