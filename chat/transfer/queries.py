from sqlalchemy import select

from chat.accounts.models import Invite, Session
from chat.admin.models import Export, Report
from chat.core import jobs
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import NotFound
from chat.rooms.models import Membership, Room

NONE = "There is no such file. It may have been deleted after its time."


def export_for(actor, export_id):
    """An export that the actor asked for, and can fetch. Raises NotFound otherwise, in the same words in each case."""
    export = db.session.get(Export, export_id) if 0 < export_id < 2**31 else None
    if export is None or export.created_by_id != actor.id or not export.blob or export.expires_at <= now():
        raise NotFound(NONE)
    return export


def newest_export(actor, user):
    """The last export of a person's data that the actor asked for, ready or being collected; None when there is none,
    it has run out, or collecting it was given up."""
    query = select(Export).where(Export.user_id == user.id, Export.created_by_id == actor.id)
    export = db.session.scalars(query.order_by(Export.id.desc()).limit(1)).first()
    if export is None or (export.expires_at and export.expires_at <= now()):
        return None
    return export if export.ready_at or is_collected_now(export) else None


def is_collected_now(export):
    """Whether a job is at it, or will be. One that was given up stays in the list of jobs, and whoever runs the
    community can have it tried again: until then nobody waits for it."""
    return export.ready_at is None and jobs.noted(key_of(export)) is not None


def key_of(export):
    """Of the job that collects it."""
    return f"export:{export.id}"


def awaited_exports_of(user_id):
    """What others are having collected of a person's data, and does not exist yet."""
    query = select(Export).where(Export.user_id == user_id, Export.created_by_id != user_id, Export.ready_at.is_(None))
    return [export for export in db.session.scalars(query) if is_collected_now(export)]


def own_exports_of(user_id):
    return db.session.scalars(select(Export).where(Export.user_id == user_id, Export.created_by_id == user_id)).all()


def run_out(limit):
    """Exports whose time is over."""
    return db.session.scalars(select(Export).where(Export.expires_at <= now()).limit(limit)).all()


def all_sessions_of(user_id):
    return db.session.scalars(select(Session).where(Session.user_id == user_id).order_by(Session.id)).all()


def all_invites_of(user_id):
    return db.session.scalars(select(Invite).where(Invite.created_by_id == user_id).order_by(Invite.id)).all()


def all_reports_of(user_id):
    """What this person reported."""
    return db.session.scalars(select(Report).where(Report.reporter_id == user_id).order_by(Report.id)).all()


def all_memberships_of(user_id):
    """(membership, room), also of rooms that somebody has left."""
    query = select(Membership, Room).join(Membership.room).where(Membership.user_id == user_id)
    return db.session.execute(query.order_by(Room.name, Room.id)).all()
