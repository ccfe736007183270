"""Who may report a message, and who decides about it. What may be done to whom is in accounts/policy.py."""

from chat.accounts.policy import can_to, may
from chat.core.authorize import deny
from chat.rooms.policy import can_lose
from chat.rooms.policy import may as may_in_room

DECISIONS = ("dismissed", "removed", "suspended", "banned")
_DOES = {"removed": "remove_content", "suspended": "suspend", "banned": "ban"}


def can_report(actor, message):
    if message.author_id == actor.id:
        return deny("This message is yours. You can edit or delete it.")
    return may(actor, "report")


def can_see_reports(actor):
    return may(actor, "see_reports")


def can_judge(actor, message):
    """Whether the actor may see and decide what was reported about this message: never about their own."""
    if message.author_id == actor.id:
        return deny("Somebody else decides about what you wrote.")
    return can_see_reports(actor)


def can_decide(actor, message, decision):
    """Whether they may decide so. A message goes at the word of whoever moderates its room or stands above its author;
    people are suspended and banned from above alone."""
    verdict = can_judge(actor, message)
    if not verdict or decision == "dismissed":
        return verdict
    above = can_to(actor, _DOES[decision], message.author)
    if decision != "removed":
        return above
    return (may_in_room(actor, message.room, "moderate") or above) and can_lose(message.room)
