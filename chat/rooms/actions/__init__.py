"""Everything a person can do to rooms and their members."""

from chat.rooms.actions.break_glass import open_as_owner
from chat.rooms.actions.create import create_room, found_community
from chat.rooms.actions.invites import invite_to_rooms
from chat.rooms.actions.members import (
    add_member,
    join_first_rooms,
    join_room,
    leave_all_rooms,
    leave_room,
    leave_rooms_later,
    remove_member,
    set_role,
)
from chat.rooms.actions.read import mark_all_read, mark_read, mark_unread
from chat.rooms.actions.settings import archive_room, change_room, restore_room, slow_down

__all__ = [
    "add_member",
    "archive_room",
    "change_room",
    "create_room",
    "found_community",
    "invite_to_rooms",
    "join_first_rooms",
    "join_room",
    "leave_all_rooms",
    "leave_room",
    "leave_rooms_later",
    "mark_all_read",
    "mark_read",
    "mark_unread",
    "open_as_owner",
    "remove_member",
    "restore_room",
    "set_role",
    "slow_down",
]
