"""Everything a person can do to messages."""

from chat.messages.actions.delete import delete_message
from chat.messages.actions.edit import edit_message
from chat.messages.actions.post import post_in, post_message

__all__ = ["delete_message", "edit_message", "post_in", "post_message"]
