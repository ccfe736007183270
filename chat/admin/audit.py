"""The audit log: every Audited event becomes an entry of a chain, in the transaction of what it tells."""

import hashlib
import json

from flask import has_request_context, request

from chat.admin.models import AuditEntry
from chat.core.clock import iso, now
from chat.core.db import db
from chat.streams.log import AUDIT, next_seq


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


def link(before, entry):
    """The hash that an entry has to carry: SHA-256 of the one before it and of everything it says."""
    said = [before, entry.seq, iso(entry.at), entry.actor_id, entry.verb, entry.subject_kind, entry.subject_id,
            entry.data, entry.address]  # fmt: skip
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _address():
    return (request.remote_addr or "")[:45] if has_request_context() else ""
