from flask import g

from chat.core.db import db
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
