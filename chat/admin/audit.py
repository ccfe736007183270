"""The audit log: every Audited event becomes an entry of a chain, in the transaction of what it tells."""

import hashlib
import json

from flask import has_request_context, request

from chat.admin.models import AuditEntry
from chat.core.clock import iso, now
from chat.core.db import db
from chat.site.events import Audited
from chat.streams.log import AUDIT, next_seq

# What can be in the log: verb → how the sentence goes on between who did it and to whom or what.
VERBS = {
    # people and how they come in
    "account_closed": "closed the account of",
    "account_opened": "opened the account again of",
    "person_erased": "erased",
    "export_requested": "asked for the data of",
    "role_changed": "changed the role of",
    "invite_made": "made",
    "invite_revoked": "revoked",
    "invite_used": "came by",
    "sign_up_changed": "changed who may make an account",
    "signed_in": "signed in at a new device",
    "session_ended": "signed out the browser of",
    "sessions_ended": "signed out every other browser of",
    "password_changed": "changed the password of",
    "password_replaced": "gave a new password to",
    "password_reset": "set a new password by a link for",
    "sign_in_link_made": "made a sign-in link for",
    "move_begun": "asked for a code for another device of",
    "move_confirmed": "let in another device of",
    "move_refused": "kept out another device of",
    "moved": "moved to another device",
    "identity_connected": "connected an identity provider to",
    "identity_disconnected": "disconnected an identity provider from",
    "email_changed": "changed the e-mail address of",
    "password_recovered": "set a new password by a recovery code for",
    "recovery_code_used": "used a recovery code of",
    "recovery_codes_made": "made new recovery codes for",
    "second_factors_reset": "took away the second factors of",
    "totp_set_up": "set up an authenticator for",
    "totp_removed": "took away the authenticator of",
    "passkey_added": "added a passkey for",
    "passkey_removed": "took away a passkey of",
    "passkey_copied": "signed in with what may be a copied passkey of",
    "token_made": "made a token",
    "token_revoked": "revoked a token",
    "refresh_token_reused": "saw a spent token used again",
    # moderation
    "unbanned": "lifted the ban of",
    "content_removed": "removed messages of",
    "removal_undone": "put back messages of",
    "report_decided": "decided about reports of",
    # rooms
    "room_created": "created the room",
    "room_changed": "changed the room",
    "room_archived": "archived the room",
    "room_restored": "opened again the room",
    "room_opened": "broke the glass of the room",
    "member_removed": "removed somebody from the room",
    "room_role_changed": "changed somebody's role in the room",
    # what is kept
    "room_retention_changed": "changed for how long messages are kept in the room",
    "legal_hold_set": "put a legal hold on the room",
    "legal_hold_lifted": "lifted the legal hold of the room",
    "messages_purged": "purged old messages of the room",
    # moderation
    "suspended": "suspended",
    "suspension_lifted": "lifted the suspension of",
    "banned": "banned",
    "ban_lifted": "lifted the ban of",
    # the community
    "settings_changed": "changed the settings",
    "job_retried": "had tried again",
    "audit_exported": "exported the audit log",
}


def write(event, _transaction):
    """Subscriber of Audited, within the transaction. Its number comes last of all locks, so that no two wait for each
    other."""
    seq = next_seq(AUDIT)
    before = db.session.get(AuditEntry, seq - 1) if seq > 1 else None
    entry = AuditEntry(
        seq=seq, at=now(), actor_id=event.actor_id, verb=event.verb, subject_kind=event.subject_kind,
        subject_id=event.subject_id, data=event.data, address=_address(),
    )  # fmt: skip
    entry.hash = link(before.hash if before else "", entry)
    db.session.add(entry)
    db.session.flush()


def note_new_device(event, transaction):
    """Subscriber of SessionBegan, within the transaction: whoever signed in where they were never seen."""
    if event.is_new:
        transaction(Audited(event.user_id, "signed_in", "session", event.session_id))


def link(before, entry):
    """The hash that an entry has to carry: SHA-256 of the one before it and of everything it says."""
    said = [before, entry.seq, iso(entry.at), entry.actor_id, entry.verb, entry.subject_kind, entry.subject_id,
            entry.data, entry.address]  # fmt: skip
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _address():
    return (request.remote_addr or "")[:45] if has_request_context() else ""
