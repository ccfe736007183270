"""Everything a person can do to messages."""

from chat.messages.actions.delete import delete_message
from chat.messages.actions.edit import edit_message
from chat.messages.actions.empty import empty_later, empty_messages
from chat.messages.actions.post import post_in, post_message

__all__ = ["delete_message", "edit_message", "empty_later", "empty_messages", "post_in", "post_message"]
