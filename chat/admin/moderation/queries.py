"""What moderators and those who report look at: reports, removals, and what a removal would take."""

from collections import namedtuple

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import joinedload

from chat.admin.models import Removal, RemovedText, Report
from chat.admin.moderation.policy import can_judge, can_see_reports
from chat.core.authorize import authorize
from chat.core.db import db
from chat.core.errors import NotFound
from chat.messages.models import Message
from chat.messages.queries import SHOWN, page_after, page_before
from chat.rooms.models import Membership, Room

MOST_SHOWN = 100
AROUND = 5  # messages before and after a reported one
NO_REPORT = "There is no such report, or it is not yours to look at."

Around = namedtuple("Around", "before after")
_WITH_MESSAGE = (
    joinedload(Report.message).joinedload(Message.author),
    joinedload(Report.message).joinedload(Message.room),
    joinedload(Report.reporter),
)


def open_reports(actor):
    """The reports that wait for somebody, oldest first, without those about what the actor wrote."""
    return _reports(actor, Report.decided_at.is_(None), order=Report.id)


def count_of_open_reports(actor):
    """About how many messages they are: what waits for this person. One query."""
    waiting = select(func.count(Report.message_id.distinct())).join(Report.message)
    return db.session.scalar(waiting.where(Report.decided_at.is_(None), Message.author_id != actor.id))


def decided_reports(actor):
    """The same, decided: newest first."""
    return _reports(actor, Report.decided_at.is_not(None), order=Report.decided_at.desc())


def _reports(actor, *conditions, order):
    authorize(can_see_reports(actor))
    found = select(Report).join(Report.message).where(Message.author_id != actor.id, *conditions)
    return db.session.scalars(found.options(*_WITH_MESSAGE).order_by(order).limit(MOST_SHOWN)).all()


def report_for(actor, report_id):
    """The Report, if `actor` may decide it. Raises NotFound otherwise, with the same sentence in both cases."""
    report = db.session.get(Report, report_id) if 0 < report_id < 2**31 else None
    if report is None or not can_judge(actor, report.message):
        raise NotFound(NO_REPORT)
    return report


def reports_about(message_id, *, open_only=False):
    """All reports about one message, oldest first."""
    found = select(Report).where(Report.message_id == message_id).order_by(Report.id)
    if open_only:
        found = found.where(Report.decided_at.is_(None))
    return db.session.scalars(found.options(joinedload(Report.reporter))).all()


def reports_by(actor):
    """What the actor has reported, newest first."""
    found = select(Report).where(Report.reporter_id == actor.id).options(*_WITH_MESSAGE)
    return db.session.scalars(found.order_by(Report.id.desc()).limit(MOST_SHOWN)).all()


def open_report_by(actor, message):
    """What the actor has reported about this message and nobody has decided yet, or None."""
    mine = Report.message_id == message.id, Report.reporter_id == actor.id, Report.decided_at.is_(None)
    return db.session.scalars(select(Report).where(*mine).limit(1)).first()


def around(message):
    """What was said right before and after a message, in a room that the reader may see."""
    before, _ = page_before(message.room, message.seq, limit=AROUND)
    after, _ = page_after(message.room, message.seq, limit=AROUND)
    return Around(before, after)


# Removals


def _moderated_by(actor):
    """A condition on Room: where the actor may delete what others wrote, as somebody who moderates the community. Of
    private rooms those that they look after."""
    own = Membership.user_id == actor.id, Membership.role.in_(("owner", "moderator"))
    looks_after = Room.id.in_(select(Membership.room_id).where(*own))
    return and_(Room.archived_at.is_(None), or_(Room.kind == "public", looks_after))


def _written_by(user_id, after):
    mine = [Message.author_id == user_id, Message.deleted_at.is_(None)]
    return mine if after is None else [*mine, Message.created_at > after]


def removable(actor, user, after):
    """[(Room, number of messages)] that a removal by the actor would take, by name. One query."""
    found = select(Room, func.count()).join(Message, Message.room_id == Room.id)
    found = found.where(_moderated_by(actor), *_written_by(user.id, after)).group_by(Room.id)
    return db.session.execute(found.order_by(Room.name, Room.id)).all()


def messages_to_remove(room_id, user_id, after, before, *, limit):
    """What they wrote in a room between these moments and is still there, oldest first."""
    mine = Message.room_id == room_id, *_written_by(user_id, after), Message.created_at <= before
    return db.session.scalars(select(Message).where(*mine).order_by(Message.seq).limit(limit).options(*SHOWN)).all()


def rooms_of_removal(removal_id):
    """The ids of the rooms where something waits to be put back."""
    found = select(Message.room_id).join(RemovedText, RemovedText.message_id == Message.id)
    return db.session.scalars(found.where(RemovedText.removal_id == removal_id).distinct()).all()


def removed_texts(removal_id, room_id, *, limit):
    """What was removed in a room and is kept, oldest first."""
    found = select(RemovedText).join(RemovedText.message).options(joinedload(RemovedText.message))
    mine = RemovedText.removal_id == removal_id, Message.room_id == room_id
    return db.session.scalars(found.where(*mine).order_by(Message.seq).limit(limit)).all()


def removal_for(actor, removal_id):
    """The Removal, for whoever moderates. Raises NotFound otherwise."""
    removal = db.session.get(Removal, removal_id) if 0 < removal_id < 2**31 else None
    if removal is None or not can_see_reports(actor):
        raise NotFound("There is no such removal.")
    return removal


def removals(actor):
    """[(Removal, how many of its messages can be put back)], newest first."""
    authorize(can_see_reports(actor))
    kept = select(func.count()).where(RemovedText.removal_id == Removal.id).scalar_subquery()
    found = select(Removal, kept).options(joinedload(Removal.user), joinedload(Removal.actor))
    return db.session.execute(found.order_by(Removal.id.desc()).limit(MOST_SHOWN)).all()
