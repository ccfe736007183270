"""How fast one may write: slow mode of a room, and the first hours of an account.

Asked under the room's lock, so that two windows cannot each send the one message that is allowed. In other rooms, and
of other people, nothing here is asked.
"""

import re
from datetime import timedelta

from flask import current_app

from chat.accounts.policy import STAFF
from chat.core.clock import now
from chat.core.errors import Invalid, RateLimited
from chat.core.rate_limit import in_words
from chat.messages.queries import said_before, said_last
from chat.rooms.names import PACES
from chat.rooms.policy import decide, standing_of
from chat.site.queries import setting

LEADS_ELSEWHERE = re.compile(r'href="(?!/(?!/))')  # of what we draw ourselves: anything but a path of ours


def is_slowed(place):
    """From a row of `queries.place_of`: whether anything below could refuse a message there."""
    return place.slow_mode_seconds or place.new_hours


def refuse_haste(run, place, draft):
    """Raise RateLimited for a message too soon, Invalid for one that a new account may not write yet."""
    if place.slow_mode_seconds and not _looks_after(place):
        last = said_last(run, draft.author_id, draft.room_id, place.head)
        pace = timedelta(seconds=place.slow_mode_seconds)
        _refuse_before(last and last + pace, f"#{place.room_name} is slow: one message in {_words(place)}.")
    if place.new_hours and is_new(place.role, place.account_since, place.new_hours):
        refuse_links(draft.body.html, place.new_hours)
        _refuse_too_many(run, draft.author_id)


def is_new(role, since, hours):
    """Whether an account that was made then still counts as new. Those who run the community, and bots, never do."""
    return role not in (*STAFF, "bot") and now() - since < timedelta(hours=hours)


def refuse_links_of_new(actor, html):
    """The same for a text that one gives to a message later."""
    hours = setting("new_account_hours")
    if hours and is_new(actor.role, actor.created_at, hours):
        refuse_links(html, hours)


def refuse_links(html, hours):
    if LEADS_ELSEWHERE.search(html):
        first = "hour" if hours == 1 else f"{hours} hours"
        raise Invalid(
            f"New accounts cannot post links in their first {first}. Take the link out, or ask somebody to post it.",
            field="text",
        )


def _refuse_too_many(run, author_id):
    settings = current_app.config["PARLEY"]
    if settings.rate_limits:
        limit = settings.limit("new_send")
        most, rate = limit.burst, limit.rate
        oldest = said_before(run, author_id, most - 1)
        _refuse_before(oldest and oldest + timedelta(seconds=most / rate), "New accounts write a little more slowly.")


def _refuse_before(moment, because):
    wait = (moment - now()).total_seconds() if moment else 0
    if wait > 0:
        raise RateLimited(f"{because} Try again in {in_words(wait)}.", retry_after=max(0.1, round(wait, 1)))


def _looks_after(place):
    standing = standing_of(place.role, place.membership_role, place.kind)
    return decide(standing, "slow_down", name=place.room_name)


def _words(place):
    return PACES.get(place.slow_mode_seconds) or in_words(place.slow_mode_seconds)
