"""A person's own data as a file: collected by a job, fetched by whoever asked for it, deleted after a week.

Somebody else who asks for it, before they erase the person, gets what they may see anyway: the profile, and what the
person wrote in rooms that are open to the asker. Private rooms, earlier texts, sessions, ways in, invites, reports and
whom they do not hear are in it for the person alone.

A room that whoever asks may not see any more has no name in it: it may have been given another one since.
"""

import json
import logging
import zipfile
from contextlib import suppress
from datetime import timedelta

from chat.accounts import avatars
from chat.accounts.devices import name_of_device
from chat.accounts.policy import can_to
from chat.accounts.queries import blocked_people, identities_of, passkeys_of, user_by_id
from chat.admin.models import Export
from chat.core import jobs, storage
from chat.core.authorize import authorize
from chat.core.blocking import run_blocking
from chat.core.clock import iso, now
from chat.core.db import db
from chat.core.errors import Conflict
from chat.core.transaction import release, transaction
from chat.messages.queries import count_written, earlier_texts, written_by
from chat.rooms.policy import may
from chat.site.events import Audited
from chat.streams.log import lock
from chat.transfer.queries import (
    all_invites_of,
    all_memberships_of,
    all_reports_of,
    all_sessions_of,
    awaited_exports_of,
    key_of,
    newest_export,
    own_exports_of,
    run_out,
)

log = logging.getLogger(__name__)

KIND, FOLDER, SUFFIX = "export", "exports", ".zip"
KEPT = timedelta(days=7)
STILL_COLLECTED = "A copy of their data is being collected, and would be lost. Wait until it is there, then erase them."
PAGE = 500  # messages at once


def request_export(actor, user):
    """Have a person's data collected and return the Export. One that is being collected already is returned as it is;
    one that was given up is begun anew.

    Raises Forbidden unless it is the actor's own, or of somebody whom the actor may erase.
    """
    with transaction() as record:
        lock(actor.stream, user.stream)  # of erasing and this, one sees the other
        if user.id != actor.id:
            authorize(can_to(actor, "erase", user))
        found = newest_export(actor, user)
        if found and not found.ready_at:
            return found
        if found:
            found.expires_at = now()  # the new one takes its place
        export = Export(user_id=user.id, created_by_id=actor.id, created_at=now())
        db.session.add(export)
        db.session.flush()
        jobs.enqueue(KIND, {"export": export.id}, key=key_of(export))
        record(Audited(actor.id, "export_requested", "user", user.id))
    return export


def progress_of(export):
    """(messages collected, messages in all) while it is being collected; None before and after."""
    found = jobs.noted(key_of(export)) or {}
    return (found["done"], found["of"]) if "of" in found else None


def collect(data):
    """The job: write the file. Begun again after a crash it starts over, as no half file is kept."""
    export = db.session.get(Export, data["export"])
    if export is None or export.ready_at:
        return
    user, by, key = user_by_id(export.user_id), user_by_id(export.created_by_id), key_of(export)
    if user.erased_at:
        return
    export_id, user_id, count, unseen = export.id, user.id, count_written(user.id), _unseen(by, user)
    hidden = set() if by.id == user.id else unseen
    parts = {"profile.json": _profile(user), "memberships.json": _memberships(user, unseen, hidden)}
    if by.id == user.id:
        parts |= _own(user)
    picture = storage.path_of(avatars.KIND, user.avatar)
    release()
    with storage.new_file(FOLDER, SUFFIX) as (file, name):
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for title, part in parts.items():
                archive.writestr(title, _json(part))
            if picture:
                with suppress(FileNotFoundError):  # they may choose another one meanwhile
                    run_blocking(archive.write, picture, "avatar" + avatars.SUFFIX)
            with archive.open("messages.json", "w", force_zip64=True) as messages:
                for number, text in _messages(user_id, unseen, hidden, earlier=by.id == user_id):
                    run_blocking(messages.write, text)
                    jobs.note(key, done=number, of=count)
        size = file.tell()
    try:
        with transaction():
            export = db.session.get(Export, export_id)
            export.blob, export.size_bytes, export.ready_at, export.expires_at = name, size, now(), now() + KEPT
    except BaseException:
        storage.forget(FOLDER, name)
        raise


def _unseen(by, user):
    """The ids of rooms that whoever asked may not see now, though the person is or was in them."""
    return {room.id for _, room in all_memberships_of(user.id) if not may(by, room, "see")}


def _profile(user):
    names = ("id", "name", "username", "email", "role", "title", "pronouns", "bio", "time_zone")
    return {**{name: getattr(user, name) for name in names}, "created_at": iso(user.created_at)}


def _memberships(user, unseen, hidden):
    return [
        {
            "room_id": room.id, "room": None if room.id in unseen else room.name, "kind": room.kind, "role": m.role,
            "since": iso(m.since),
        }
        for m, room in all_memberships_of(user.id)
        if room.id not in hidden
    ]  # fmt: skip


def _sessions(user):
    return [
        {
            "device": name_of_device(s.user_agent), "user_agent": s.user_agent, "address": s.address, "kind": s.kind,
            "name": s.name, "began_at": iso(s.created_at), "last_used_at": iso(s.seen_at),
            "ended_at": iso(s.revoked_at),
        }
        for s in all_sessions_of(user.id)
    ]  # fmt: skip


def _own(user):
    """{name of a file: what it holds} of what nobody but the person is to know."""
    return {
        "sessions.json": _sessions(user),
        "sign-in.json": {
            "providers": [
                {
                    "provider": i.provider, "issuer": i.issuer, "subject": i.subject, "email": i.email,
                    "connected_at": iso(i.created_at), "last_used_at": iso(i.used_at),
                }
                for i in identities_of(user)
            ],
            "passkeys": [
                {"name": p.name, "added_at": iso(p.created_at), "last_used_at": iso(p.used_at)}
                for p in passkeys_of(user)
            ],
        },
        "blocks.json": [
            {"user_id": other.id, "username": other.username, "kind": kind} for other, kind in blocked_people(user.id)
        ],
        "invites.json": [  # without the code: whoever finds the file could still come in by it
            {
                "id": i.id, "role": i.role, "room_ids": i.room_ids, "max_uses": i.max_uses, "uses": i.uses,
                "created_at": iso(i.created_at), "expires_at": iso(i.expires_at), "revoked_at": iso(i.revoked_at),
            }
            for i in all_invites_of(user.id)
        ],
        "reports.json": [  # their own words: what was reported is somebody else's
            {
                "id": r.id, "message_id": r.message_id, "reason": r.reason, "created_at": iso(r.created_at),
                "decision": r.decision, "decided_at": iso(r.decided_at),
            }
            for r in all_reports_of(user.id)
        ],
    }  # fmt: skip


def _messages(user_id, unseen, hidden, *, earlier):
    """(how many so far, bytes) until the whole list has been given; `earlier`: with what edited ones said before."""
    number, last, before = 0, 0, "["
    while found := written_by(user_id, after=last, limit=PAGE):
        last, number = found[-1].id, number + len(found)
        before_that = earlier_texts([row.id for row in found if row.edited_at]) if earlier else {}
        shown = [_message(row, unseen, before_that.get(row.id)) for row in found if row.room_id not in hidden]
        release()
        if shown:
            yield number, (before + "\n" + ",\n".join(map(_line, shown))).encode()
            before = ","
    release()
    yield number, b"[]\n" if before == "[" else b"\n]\n"


def _message(row, unseen, edits):
    said = {
        "id": row.id, "room_id": row.room_id, "room": None if row.room_id in unseen else row.room, "text": row.text,
        "created_at": iso(row.created_at), "edited_at": iso(row.edited_at),
    }  # fmt: skip
    if edits:
        said["earlier"] = [{"text": edit.text, "until": iso(edit.replaced_at)} for edit in edits]
    return said


def _line(value):
    return json.dumps(value, ensure_ascii=False)


def _json(value):
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def end(event, _transaction):
    """Subscriber of PersonErased: what the person had collected themselves goes. What was collected before erasing
    them, to be handed over, is left to whoever did. Raises Conflict while it is being collected: there would be
    nothing to collect any more."""
    if awaited_exports_of(event.user_id):
        raise Conflict(STILL_COLLECTED)
    for export in own_exports_of(event.user_id):
        export.expires_at = now()


def tidy(limit=100):
    """Delete files whose time is over. Returns how many."""
    with transaction():
        names = [export.blob for export in run_out(limit)]
        for export in run_out(limit):
            db.session.delete(export)
    for name in filter(None, names):
        storage.forget(FOLDER, name)
    return len(names)
