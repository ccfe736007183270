from flask import g

from chat.core.db import db
from chat.site.models import Site


def the_site():
    """The community's row, or None before somebody has set Parley up. One query for each request or socket event."""
    g.site = db.session.get(Site, 1)  # kept: the session itself holds objects only while somebody else does
    return g.site
