"""What follows when something has happened: the one place where consequences are attached.

*within*: in the same transaction, before it commits; may write rows, does no I/O. *after*: when it has committed.
"""

from flask import current_app

from chat.accounts import letters
from chat.accounts.actions import email, reset
from chat.accounts.events import (
    AccountClosed,
    BlocksChanged,
    FactorNeeded,
    PersonChanged,
    PersonCreated,
    PersonErased,
    RoleChanged,
    SessionBegan,
    SessionEnded,
    UserEnded,
)
from chat.admin import audit
from chat.admin.actions import purge_room, start_purges
from chat.admin.erasure import forget_reported
from chat.admin.events import RoomPurged
from chat.admin.moderation.actions import carry_out_removal, carry_out_undoing
from chat.core import jobs, mail
from chat.core.security_log import note_signed_in
from chat.core.transaction import on
from chat.messages.actions import empty_later, empty_messages
from chat.messages.events import MessageDeleted, MessageEdited, MessagePosted, MessageUndeleted
from chat.rooms.actions import join_first_rooms, leave_all_rooms, leave_rooms_later
from chat.rooms.events import MemberChanged, PositionMoved, RoomChanged
from chat.site.events import Audited, SiteChanged
from chat.streams import log
from chat.transfer import exports


class PumpOfThisApp:
    """That of the application in which something happens: where there are several, as in tests, each has its own."""

    def capture(self, event, transaction):
        current_app.extensions["live"].pump.capture(event, transaction)

    def wake(self, event, transaction):
        current_app.extensions["live"].pump.wake(event, transaction)


def attach(pump=None):
    """Attach everything; another `pump` is for tests."""
    pump = pump or PumpOfThisApp()
    on(MessagePosted, within=[log.write, pump.capture], after=[pump.wake])
    on(MessageEdited, within=[log.write, pump.capture], after=[pump.wake])
    on(MessageDeleted, within=[log.write, pump.capture], after=[pump.wake])
    on(MessageUndeleted, within=[log.write, pump.capture], after=[pump.wake])
    on(RoomChanged, within=[log.write, pump.capture], after=[pump.wake])
    on(MemberChanged, within=[log.write, pump.capture], after=[pump.wake])
    on(PositionMoved, within=[log.write, pump.capture], after=[pump.wake])
    on(PersonCreated, within=[log.write, pump.capture, join_first_rooms], after=[pump.wake])
    on(BlocksChanged, within=[log.write, pump.capture], after=[pump.wake])
    on(PersonChanged, within=[log.write, pump.capture], after=[pump.wake])
    on(SessionEnded, within=[log.write, pump.capture], after=[pump.wake])
    on(RoleChanged, within=[log.write, pump.capture], after=[pump.wake])
    on(FactorNeeded, within=[log.write, pump.capture], after=[pump.wake])
    on(UserEnded, within=[log.write, pump.capture], after=[pump.wake])
    on(SessionBegan, within=[letters.about_new_device, audit.note_new_device], after=[note_signed_in])
    on(AccountClosed, within=[leave_rooms_later])
    on(PersonErased, within=[empty_later, exports.end, forget_reported])
    on(SiteChanged, within=[log.write, pump.capture], after=[pump.wake])
    on(RoomPurged, within=[pump.capture], after=[pump.wake])  # a bulk change: its numbers have no entries
    on(Audited, within=[audit.write])

    jobs.handle(mail.KIND, mail.handle_mail)
    jobs.handle(reset.KIND, reset.send_reset)
    jobs.handle(email.KIND, email.send_confirmation)
    jobs.handle("leave_rooms", leave_all_rooms)
    jobs.handle("empty_messages", empty_messages)
    jobs.handle(exports.KIND, exports.collect)
    jobs.handle("retention", start_purges)
    jobs.handle("purge", purge_room)
    jobs.handle("remove_content", carry_out_removal)
    jobs.handle("undo_removal", carry_out_undoing)
