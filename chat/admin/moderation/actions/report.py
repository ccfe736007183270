from datetime import timedelta

from chat.admin.models import Report
from chat.admin.moderation.actions.remove import begin_removal, take_away
from chat.admin.moderation.actions.shut_out import LONGEST_REASON, ban_person, refuse_shut_out, suspend_person
from chat.admin.moderation.policy import DECISIONS, can_decide, can_judge, can_report
from chat.admin.moderation.queries import open_report_by, reports_about
from chat.core.authorize import authorize
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Conflict, Invalid, NotFound
from chat.core.transaction import transaction
from chat.messages.queries import NO_MESSAGE
from chat.rooms.queries import room_for
from chat.site.events import Audited
from chat.site.names import one_line
from chat.streams.log import ACCESS, AUDIT, SITE, lock

LONGEST_HOURS = 24 * 366


def report_message(actor, message, reason):
    """Ask those who moderate to look at a message, as it is now. Returns the Report: the same one again while it waits,
    with the new reason.

    Raises Forbidden for one's own; NotFound when it was deleted, or the actor may no longer see it; Invalid.
    """
    reason = one_line(reason, field="reason", missing="Say what is wrong with it.", length=LONGEST_REASON)
    with transaction():
        lock(message.room.stream)  # it is reported as it will be when this commits
        room_for(actor, message.room_id)
        authorize(can_report(actor, message))
        if message.deleted_at:
            raise NotFound(NO_MESSAGE, field="message")
        report = open_report_by(actor, message)
        if report is None:
            report = Report(message_id=message.id, reporter_id=actor.id, created_at=now())
            db.session.add(report)
        report.reason, report.text = reason, message.text
        db.session.flush()
    return report


def decide_report(actor, report, decision, *, hours=24, reason="", typed=""):
    """Decide about a reported message, and so every report about it that waits. Those who reported it read what was
    decided on their own page.

    decision   dismissed; removed: the message goes, which can be undone for seven days; suspended for so many `hours`,
               and banned: its author.
    reason     what a suspended or banned person is told, see `suspend_person`, `ban_person`
    Raises     Forbidden; Invalid naming the field; Conflict when somebody has decided already.
    """
    if decision not in DECISIONS:
        raise Invalid(f"Choose one of {', '.join(DECISIONS)}.", field="decision")
    if decision == "suspended" and not (isinstance(hours, int) and 1 <= hours <= LONGEST_HOURS):
        raise Invalid("Choose for how long.", field="hours")
    message = report.message
    with transaction() as record:
        lock(message.room.stream, message.author.stream, SITE, ACCESS, AUDIT)
        refuse_shut_out(actor)
        authorize(can_judge(actor, message))
        authorize(can_decide(actor, message, decision))
        if report.decided_at:
            raise Conflict("Somebody else has decided about this meanwhile.")
        if decision == "removed" and not message.deleted_at:
            take_away(record, begin_removal(actor, message.author, "reported"), message)
        elif decision == "suspended":
            suspend_person(actor, message.author, until=now() + timedelta(hours=hours), reason=reason)
        elif decision == "banned":
            ban_person(actor, message.author, reason=reason, typed=typed)
        for waiting in reports_about(message.id, open_only=True):
            waiting.decided_at, waiting.decided_by_id, waiting.decision = now(), actor.id, decision
        db.session.flush()
        record(Audited(actor.id, "report_decided", "message", message.id, {"report": report.id, "decision": decision}))
