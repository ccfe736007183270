"""What those who moderate a community, and those who report to them, can do."""

from chat.admin.moderation.actions.remove import (
    PERIODS,
    carry_out_removal,
    carry_out_undoing,
    is_final,
    remove_content,
    undo_removal,
)
from chat.admin.moderation.actions.report import decide_report, report_message
from chat.admin.moderation.actions.shut_out import ban_person, lift_suspension, suspend_person, unban_person

__all__ = [
    "PERIODS", "ban_person", "carry_out_removal", "carry_out_undoing", "decide_report", "is_final", "lift_suspension",
    "remove_content", "report_message", "suspend_person", "unban_person", "undo_removal",
]  # fmt: skip
