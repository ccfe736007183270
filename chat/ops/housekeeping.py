"""What has to go after a while, in small steps so that nobody waits for it."""

import logging
from datetime import timedelta

from sqlalchemy import delete, select, update

from chat.accounts.models import Link, ProviderFlow, RefreshToken, Session
from chat.admin.models import TEXTS_KEPT, Removal, RemovedText, Report
from chat.core import jobs
from chat.core.clock import now
from chat.core.db import db
from chat.core.failures import note_failure
from chat.core.transaction import transaction
from chat.rooms.queries import held_streams
from chat.streams import log as streams
from chat.transfer import exports

log = logging.getLogger(__name__)

ENTRIES_KEPT = timedelta(days=90)  # whoever was away for longer reloads the rooms
SESSIONS_KEPT = timedelta(days=90)  # after they ended, for whoever asks where somebody was signed in
LINKS_KEPT = timedelta(days=7)  # after they ran out
SPENT_KEPT = timedelta(days=30)  # refresh tokens: for so long one that was stolen is known when it comes again
REPORTED_KEPT = timedelta(days=30)  # after it was decided
STEP = 500  # rows in one transaction
EVERY_SECONDS = 3600
DAILY = ("retention",)  # jobs


def tidy():
    """Delete what is too old, one step. Returns how many rows went; ask again while there are any."""
    with transaction():
        gone = streams.prune(now() - ENTRIES_KEPT, batch=STEP, keep=held_streams()) + jobs.tidy(STEP)
        old = select(Session.id).where(Session.expires_at < now() - SESSIONS_KEPT).limit(STEP)
        gone += db.session.execute(delete(Session).where(Session.id.in_(old))).rowcount
        over = select(Link.id).where(Link.expires_at < now() - LINKS_KEPT).limit(STEP)
        gone += db.session.execute(delete(Link).where(Link.id.in_(over))).rowcount
        spent = select(RefreshToken.id).where(RefreshToken.spent_at < now() - SPENT_KEPT).limit(STEP)
        gone += db.session.execute(delete(RefreshToken).where(RefreshToken.id.in_(spent))).rowcount
        left = select(ProviderFlow.state_hash).where(ProviderFlow.expires_at < now()).limit(STEP)  # and never came back
        gone += db.session.execute(delete(ProviderFlow).where(ProviderFlow.state_hash.in_(left))).rowcount
        gone += _forget_moderated()
    return gone


def begin_day():
    """Have done what is done once a day, unless it has been."""
    with transaction():
        for kind in DAILY:
            jobs.daily(kind)


def _forget_moderated():
    """What removed messages said can be put back for a while, and what reported ones said is kept for whoever looks at
    a decision again."""
    old = select(RemovedText.message_id).join(Removal, Removal.id == RemovedText.removal_id)
    old = old.where(Removal.created_at < now() - TEXTS_KEPT).limit(STEP)
    gone = db.session.execute(delete(RemovedText).where(RemovedText.message_id.in_(old))).rowcount
    decided = select(Report.id).where(Report.decided_at < now() - REPORTED_KEPT, Report.text != "").limit(STEP)
    return gone + db.session.execute(update(Report).where(Report.id.in_(decided)).values(text="")).rowcount


class Housekeeping:
    """Tidies once an hour, and begins what is done once a day. Every serving process may do so: what one has deleted
    another does not find, and what one has begun another does not begin again."""

    def __init__(self, app, sleep):
        self.app, self.sleep = app, sleep

    def keep(self):
        while True:
            self.sleep(EVERY_SECONDS)
            try:
                self.begin_day()
                while self.step():
                    self.sleep(0.1)
            except Exception as error:
                note_failure(log, error, "Tidying up failed; it is tried again in an hour.")

    def begin_day(self):
        with self.app.app_context():
            begin_day()

    def step(self):
        with self.app.app_context():
            return tidy() + exports.tidy()
