"""What an open laptop should not be enough for asks once more whether it is oneself, every ten minutes."""

from functools import wraps
from urllib.parse import urlsplit

from flask import g, redirect, request, url_for

from chat.accounts.actions.confirm import is_confirmed
from chat.accounts.return_path import return_path
from chat.accounts.signed_in import this_page
from chat.core.errors import Forbidden
from chat.core.web import wants_json

NEEDED = "Confirm that it is you first, at /confirm, then send this again."


def confirmed(view):
    """Below `@signed_in`: lets those pass who proved to be there in the last ten minutes, and sends all others to
    /confirm, from where they come back to this page, or to the one that the form was on."""

    @wraps(view)
    def asked(actor, *args, **kwargs):
        if is_confirmed(g.session):
            return view(actor, *args, **kwargs)
        if wants_json():
            raise Forbidden(NEEDED)
        return redirect(url_for("factors.confirm", next=_way_back()), 303)

    asked.asks_again = True
    return asked


def confirmed_without_password(view):
    """The same for who has no password. For forms that ask all others for theirs."""
    checked = confirmed(view)

    @wraps(view)
    def asked(actor, *args, **kwargs):
        return (view if actor.password_hash else checked)(actor, *args, **kwargs)

    return asked


def _way_back():
    if request.method == "GET":
        return this_page()
    referrer = urlsplit(request.referrer or "")
    return return_path(referrer.path, None) if referrer.netloc == request.host else None
