"""Where to go after signing in: only to a page of ours."""

import re
from urllib.parse import urlsplit

from flask import current_app
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

LONGEST = 2000
# Pages that make no sense just after signing in, or would send the person in a circle.
NOT_PLACES = ("accounts.sign_in", "accounts.sign_up", "accounts.invitation", "accounts.avatar", "site.setup",
              "links.forgot", "links.reset", "links.confirm_email",
              "factors.second", "factors.set_up", "factors.confirm", "factors.recover")  # fmt: skip


def return_path(wanted, default="/"):
    """`wanted` when it is the path of one of our pages, else `default`.

    Attack: a link to our sign-in page whose `next` leads to a copy of it elsewhere. Browsers read `//host`, `/\\host`,
    and `/<tab>/host` as another host, so what looks odd is refused before it is understood, and what is left must be a
    page in our own table of addresses.
    """
    if not wanted or len(wanted) > LONGEST or not re.fullmatch(r"/(?![/\\])[!-\[\]-~]*", wanted):
        return default
    try:
        parts = urlsplit(wanted)
        endpoint, _ = current_app.url_map.bind("").match(parts.path, method="GET")
    except (ValueError, HTTPException, RequestRedirect):
        return default
    if parts.scheme or parts.netloc or endpoint in NOT_PLACES or endpoint.startswith(("static", "ops.")):
        return default
    return wanted
