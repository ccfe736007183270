"""What people can do about accounts."""

from chat.accounts.actions.admit import (
    admit,
    admit_by_code,
    admit_by_passkey,
    admit_by_passkey_alone,
    admit_with_new_app,
    admit_with_new_passkey,
)
from chat.accounts.actions.block import set_block
from chat.accounts.actions.closing import close_own_account, deactivate, erase, reactivate
from chat.accounts.actions.confirm import confirm_by_code, confirm_by_passkey, confirm_by_password
from chat.accounts.actions.create import create_user
from chat.accounts.actions.email import change_email, confirm_email
from chat.accounts.actions.factors import make_recovery_codes, remove_totp, reset_second_factors, set_up_totp
from chat.accounts.actions.invites import create_invite, refuse_unusable, revoke_invite, set_sign_up
from chat.accounts.actions.move import answer_move, ask_to_move, begin_move, finish_move
from chat.accounts.actions.passkeys import check_passkey, register_passkey, remove_passkey, rename_passkey
from chat.accounts.actions.password import change_password, replace_password
from chat.accounts.actions.profile import remove_avatar, set_avatar, update_profile
from chat.accounts.actions.providers import (
    LINK,
    begin_flow,
    come_in,
    confirm_identity,
    connect_identity,
    disconnect_identity,
    end_flow,
    who_came,
)
from chat.accounts.actions.recover import recover
from chat.accounts.actions.reset import ask_for_reset, make_first_link, make_reset_link, reset_password
from chat.accounts.actions.roles import assign_role, set_person_role, step_down
from chat.accounts.actions.sessions import begin_session, end_other_sessions, end_session
from chat.accounts.actions.sign_in import sign_in
from chat.accounts.actions.sign_up import accept_invite, prepare_account, sign_up
from chat.accounts.actions.tokens import (
    make_token,
    pair_for_password,
    pair_for_session,
    renew,
    revoke_token,
    revoke_value,
)

__all__ = [
    "LINK", "accept_invite", "admit", "admit_by_code", "admit_by_passkey", "admit_by_passkey_alone",
    "admit_with_new_app", "admit_with_new_passkey", "answer_move", "ask_for_reset", "ask_to_move", "assign_role",
    "begin_flow", "begin_move", "begin_session", "change_email", "change_password", "check_passkey",
    "close_own_account", "come_in", "confirm_by_code", "confirm_by_passkey", "confirm_by_password", "confirm_email",
    "confirm_identity", "connect_identity", "create_invite", "create_user", "deactivate", "disconnect_identity",
    "end_flow", "end_other_sessions", "end_session", "erase", "finish_move", "make_first_link", "make_recovery_codes",
    "make_reset_link", "make_token", "pair_for_password", "pair_for_session", "prepare_account", "reactivate",
    "recover", "refuse_unusable", "register_passkey", "remove_avatar", "remove_passkey", "remove_totp",
    "rename_passkey", "renew", "replace_password", "reset_password", "reset_second_factors", "revoke_invite",
    "revoke_token", "revoke_value", "set_avatar", "set_block", "set_person_role", "set_sign_up", "set_up_totp",
    "sign_in", "sign_up", "step_down", "update_profile", "who_came",
]  # fmt: skip
