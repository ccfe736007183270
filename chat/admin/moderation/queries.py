"""What moderators and those who report look at: reports, removals, and what a removal would take."""

from collections import namedtuple

from sqlalchemy import and_, func, or_, select, tuple_
from sqlalchemy.orm import joinedload

from chat.accounts.queries import PAGE, is_id
from chat.admin.models import Removal, RemovedText, Report
from chat.admin.moderation.policy import can_judge, can_see_reports
from chat.core.authorize import authorize
from chat.core.db import db
from chat.core.errors import NotFound
from chat.core.paging import page_of
from chat.messages.models import Message
from chat.messages.queries import SHOWN, page_after, page_before
from chat.rooms.models import Membership, Room

AROUND = 5  # messages before and after a reported one
NO_REPORT = "There is no such report, or it is not yours to look at."

Around = namedtuple("Around", "before after")
_WITH_MESSAGE = (
    joinedload(Report.message).joinedload(Message.author),
    joinedload(Report.message).joinedload(Message.room),
    joinedload(Report.reporter),
)


def open_reports(actor, *, after=None, limit=PAGE):
    """([[Report]] that wait for somebody, message by message, oldest first; whether there are more messages), without
    those about what the actor wrote. `after`: the id of the first report about the last message on the page before."""
    first = func.min(Report.id)
    query = _messages(actor, Report.decided_at.is_(None)).order_by(first)
    if is_id(after):
        query = query.having(first > after)
    found, more = page_of(query, limit)
    return _together(found, Report.decided_at.is_(None), order=Report.id), more


def count_of_open_reports(actor):
    """About how many messages they are: what waits for this person. One query."""
    waiting = select(func.count(Report.message_id.distinct())).join(Report.message)
    return db.session.scalar(waiting.where(Report.decided_at.is_(None), Message.author_id != actor.id))


def decided_reports(actor, *, before=None, limit=PAGE):
    """The same, decided: newest first. `before`: the id of the last message on the page before."""
    decided, newest = Report.decided_at.is_not(None), func.max(Report.decided_at)
    query = _messages(actor, decided).order_by(newest.desc(), Report.message_id.desc())
    if is_id(before) and (last := db.session.scalar(select(newest).where(Report.message_id == before))):
        query = query.having(tuple_(newest, Report.message_id) < tuple_(last, before))
    found, more = page_of(query, limit)
    return _together(found, decided, order=Report.decided_at.desc()), more


def _messages(actor, condition):
    """The ids of the messages that such reports are about, as a query to be ordered."""
    authorize(can_see_reports(actor))
    found = select(Report.message_id).join(Report.message).where(Message.author_id != actor.id, condition)
    return found.group_by(Report.message_id)


def _together(message_ids, condition, *, order):
    """[[Report]]: those about each of these messages. One query."""
    found = {id: [] for id in message_ids}
    reports = select(Report).where(Report.message_id.in_(message_ids), condition).options(*_WITH_MESSAGE)
    for report in db.session.scalars(reports.order_by(order)):
        found[report.message_id].append(report)
    return list(found.values())


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


def reports_by(actor, *, before=None, limit=PAGE):
    """(what the actor has reported, whether there is more), newest first. `before`: the last id of the page before."""
    query = select(Report).where(Report.reporter_id == actor.id).options(*_WITH_MESSAGE)
    if is_id(before):
        query = query.where(Report.id < before)
    return page_of(query.order_by(Report.id.desc()), limit)


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
    private rooms those that they look after. Rooms on legal hold lose nothing."""
    own = Membership.user_id == actor.id, Membership.role.in_(("owner", "moderator"))
    looks_after = Room.id.in_(select(Membership.room_id).where(*own))
    return and_(Room.archived_at.is_(None), Room.legal_hold.is_(False), or_(Room.kind == "public", looks_after))


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


def removals(actor, *, before=None, limit=PAGE):
    """(removals, whether there are more), newest first. `before`: the id of the last one on the page before."""
    authorize(can_see_reports(actor))
    query = select(Removal).options(joinedload(Removal.user), joinedload(Removal.actor))
    if is_id(before):
        query = query.where(Removal.id < before)
    return page_of(query.order_by(Removal.id.desc()), limit)


def texts_kept(removals):
    """{id: how many messages of it can be put back} of those removals that have any. One query."""
    found = select(RemovedText.removal_id, func.count()).group_by(RemovedText.removal_id)
    return dict(db.session.execute(found.where(RemovedText.removal_id.in_([r.id for r in removals]))).all())
