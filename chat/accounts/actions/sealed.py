from sqlalchemy import select

from chat.accounts.models import Totp
from chat.core.db import db
from chat.core.sealed import reseal
from chat.core.transaction import transaction

TOTP = "totp"  # the purpose that the secrets of authenticators are sealed for


def reseal_all():
    """Seal every stored secret with the newest key, all or none. Returns how many. Raises Unreadable."""
    with transaction():
        found = db.session.scalars(select(Totp)).all()
        for totp in found:
            totp.sealed_secret = reseal(totp.sealed_secret, TOTP)
    return len(found)
