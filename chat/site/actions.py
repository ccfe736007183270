import secrets

from sqlalchemy.exc import IntegrityError

from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Conflict, Invalid, NotFound
from chat.core.transaction import transaction
from chat.site.models import Site
from chat.site.names import one_line
from chat.site.queries import the_site
from chat.streams.log import ACCESS, AUDIT, SITE, create, lock

HUES = (205, 280, 330, 25, 70, 130)  # of the accent, in degrees; each passes the contrast check in both themes


def create_site(name, hue=HUES[0]):
    """Found the community and its streams, in the transaction that also makes its owner. Returns the Site.

    Raises Invalid; Conflict when there is one already. Of two at once the primary key lets one through.
    """
    name = one_line(name, field="name", missing="Give the community a name.")
    if hue not in HUES:
        raise Invalid("Choose one of the colours shown.", field="hue")
    with transaction():
        if the_site():
            raise _set_up_already()
        site = Site(id=1, name=name, hue=hue, sign_up="invite", epoch=_new_epoch(), created_at=now())
        db.session.add(site)
        try:
            db.session.flush()
        except IntegrityError as error:
            raise _set_up_already() from error
        create(SITE)
        create(ACCESS)
        create(AUDIT)
    return site


def begin_epoch():
    """From here on no number that anybody holds means anything: pages are loaded anew. Raises NotFound before the
    community has been founded. No session ends."""
    with transaction():
        lock(SITE)
        if the_site() is None:
            raise NotFound("There is no community in this database yet.")
        the_site().epoch = _new_epoch()


def _new_epoch():
    return secrets.token_urlsafe(16)


def _set_up_already():
    return Conflict("This community has been set up already. Sign in, or ask whoever did it for an invite.")
