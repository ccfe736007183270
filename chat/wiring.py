"""What follows when something has happened: the one place where consequences are attached.

*within*: in the same transaction, before it commits; may write rows, does no I/O. *after*: when it has committed.
"""

from chat.accounts.events import PersonChanged, PersonCreated, RoleChanged, SessionEnded, UserEnded
from chat.admin import audit
from chat.core.transaction import on
from chat.messages.events import MessageDeleted, MessageEdited, MessagePosted
from chat.rooms.actions import join_default_rooms
from chat.rooms.events import MemberChanged, PositionMoved, RoomChanged
from chat.site.events import Audited, SiteChanged
from chat.streams import log


def attach(pump):
    on(MessagePosted, within=[log.write, pump.capture], after=[pump.wake])
    on(MessageEdited, within=[log.write, pump.capture], after=[pump.wake])
    on(MessageDeleted, within=[log.write, pump.capture], after=[pump.wake])
    on(RoomChanged, within=[log.write, pump.capture], after=[pump.wake])
    on(MemberChanged, within=[log.write, pump.capture], after=[pump.wake])
    on(PositionMoved, within=[log.write, pump.capture], after=[pump.wake])
    on(PersonCreated, within=[log.write, pump.capture, join_default_rooms], after=[pump.wake])
    on(PersonChanged, within=[log.write, pump.capture], after=[pump.wake])
    on(SessionEnded, within=[log.write, pump.capture], after=[pump.wake])
    on(RoleChanged, within=[log.write, pump.capture], after=[pump.wake])
    on(UserEnded, within=[log.write, pump.capture], after=[pump.wake])
    on(SiteChanged, within=[log.write, pump.capture], after=[pump.wake])
    on(Audited, within=[audit.write])
