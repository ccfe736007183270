"""Pages leave compressed. Files of static/ are compressed once, at start: see assets.py."""

import gzip

from flask import request

TYPES = ("text/html", "application/json")
WORTH_IT = 1000  # bytes
LEVEL = 5  # a room page in half a millisecond


def init_app(app):
    app.after_request(compress)


def compress(response):
    """Compress what is long enough, for browsers that take it. A secret of a page (its CSRF token) is signed anew each
    time, so that its length tells nothing."""
    if (
        response.mimetype in TYPES
        and response.status_code != 304
        and not response.is_streamed
        and "Content-Encoding" not in response.headers
        and response.content_length is not None
        and response.content_length >= WORTH_IT
    ):
        response.vary.add("Accept-Encoding")
        if "gzip" in request.accept_encodings:
            response.set_data(gzip.compress(response.get_data(), LEVEL, mtime=0))
            response.headers["Content-Encoding"] = "gzip"
    return response
