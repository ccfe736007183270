"""What people can do about accounts."""

from chat.accounts.actions.closing import close_own_account, deactivate, erase, reactivate
from chat.accounts.actions.create import create_user
from chat.accounts.actions.email import change_email, confirm_email
from chat.accounts.actions.invites import create_invite, refuse_unusable, revoke_invite, set_sign_up
from chat.accounts.actions.move import answer_move, ask_to_move, begin_move, finish_move
from chat.accounts.actions.password import change_password, replace_password
from chat.accounts.actions.profile import remove_avatar, set_avatar, update_profile
from chat.accounts.actions.reset import ask_for_reset, make_reset_link, reset_password
from chat.accounts.actions.roles import assign_role, set_person_role, step_down
from chat.accounts.actions.sessions import begin_session, end_other_sessions, end_session
from chat.accounts.actions.sign_in import sign_in
from chat.accounts.actions.sign_up import accept_invite, prepare_account, sign_up

__all__ = [
    "accept_invite", "answer_move", "ask_for_reset", "ask_to_move", "assign_role", "begin_move", "begin_session",
    "change_email", "change_password", "close_own_account", "confirm_email", "create_invite", "create_user",
    "deactivate", "end_other_sessions", "end_session", "erase", "finish_move", "make_reset_link", "prepare_account",
    "reactivate", "refuse_unusable", "remove_avatar", "replace_password", "reset_password", "revoke_invite",
    "set_avatar", "set_person_role", "set_sign_up", "sign_in", "sign_up", "step_down", "update_profile",
]  # fmt: skip
