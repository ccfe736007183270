"""What those who run a community can do."""

from chat.admin.actions.jobs import retry_job
from chat.admin.actions.retention import purge_room, set_legal_hold, set_room_retention, start_purges
from chat.admin.actions.settings import change_settings

__all__ = ["change_settings", "purge_room", "retry_job", "set_legal_hold", "set_room_retention", "start_purges"]
