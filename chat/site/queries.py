from flask import g
from sqlalchemy import select

from chat.core.db import db
from chat.core.prepared import Prepared
from chat.core.transaction import run_in_session
from chat.site.models import Site
from chat.site.settings import SETTINGS


def the_site():
    """The community's row, or None before somebody has set Parley up. One query for each request or socket event."""
    g.site = db.session.get(Site, 1)  # kept: the session itself holds objects only while somebody else does
    return g.site


def setting(name):
    """What those who run the community have set, or the default; see site/settings.py. Usually without a query."""
    site = g.get("site") or the_site()
    return (site.settings if site else {}).get(name, SETTINGS[name].default)


_EPOCH = Prepared(select(Site.epoch))


def epoch_of(ask=run_in_session):
    """The epoch, as `ask` sees it. None before somebody has set Parley up. One quick query."""
    rows = ask(_EPOCH)
    return rows[0].epoch if rows else None
