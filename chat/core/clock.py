"""The time, in UTC. The one thing tests freeze."""

from datetime import UTC, datetime


def now():
    """The moment as an aware datetime in UTC, whole milliseconds (what every database here keeps)."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def iso(moment):
    """ISO 8601 with milliseconds and `Z`, or None for None."""
    return moment and moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
