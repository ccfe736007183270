"""The document that describes the API (OpenAPI 3.1), made from what its routes declare, and a page to read it on."""

import re
from functools import cache

import flask_smorest
import orjson
from flask import Blueprint, Response, current_app
from markupsafe import Markup, escape

from chat.accounts.scopes import SCOPES
from chat.accounts.signed_in import cookie_name
from chat.core.policies import open_to
from chat.core.rest import Refusal
from chat.core.web import render_page

bp = Blueprint("docs", __name__, url_prefix="/api/docs")

ABOUT = """Programs send `Authorization: Bearer …`, with a token that you make in your settings, or with the access
token that `POST /api/v1/token` gives. Pages of Parley's own origin send the session's cookie and, with whatever changes
something, the header `X-CSRFToken`.

Every answer has `ok`. With `false` it says what kind of refusal it is in `code`, for people in `message`, and which
input is at fault in `field`; a `retry_after` says when to try again, as does the header `Retry-After`.

What happens is told by a websocket, or by the event stream at `/api/v1/events`."""


class Document(flask_smorest.Api):
    ERROR_SCHEMA = Refusal
    DEFAULT_ERROR_RESPONSE_NAME = None  # each status that can come is named

    def _register_error_handlers(self):
        """What went wrong is said in one place for all of Parley: core/web.py."""


def describe(app, parent, nouns):
    """Have the document of these nouns' routes, which are nested in the blueprint `parent`, at hand:
    `app.extensions["api_document"]()`. It is made at the first call, which takes a tenth of a second."""
    app.extensions["api_document"] = cache(lambda: _document(app, parent, nouns))


def _document(app, parent, nouns):
    from chat import __version__

    options = {"title": "Parley", "version": __version__, "openapi_version": "3.1.0", "info": {"description": ABOUT}}
    document = Document(app, spec_kwargs={**options, "servers": [{"url": "/"}]})
    with app.app_context():
        schemes = {
            "token": {"type": "http", "scheme": "bearer"},
            "session": {"type": "apiKey", "in": "cookie", "name": cookie_name()},
            "csrf": {"type": "apiKey", "in": "header", "name": "X-CSRFToken"},
        }
    for name, scheme in schemes.items():
        document.spec.components.security_scheme(name, scheme)
    for noun in nouns:
        noun.register_views_in_doc(document, app, document.spec, name=f"{parent.name}.{noun.name}", parameters=None)
        document.spec.tag({"name": noun.name, "description": noun.description})
    return document.spec.to_dict()


@bp.get("/openapi.json")
@open_to("anyone; it says what every installation of this version can do")
def openapi():
    return Response(orjson.dumps(current_app.extensions["api_document"]()), mimetype="application/json")


@bp.get("")
@open_to("anyone, as the document itself")
def page():
    document = current_app.extensions["api_document"]()
    return render_page("api/docs.html", document=document, tags=by_tag(document), scopes=SCOPES, sidebar=None)


@bp.app_template_filter("code_words")
def code_words(words):
    """Text with what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(words))))  # noqa: S704 - escaped just before


def by_tag(document):
    """[(tag, [(method, path, operation)])], in the order in which nouns are registered."""
    found = {tag["name"]: [] for tag in document["tags"]}
    for path, operations in document["paths"].items():
        shared = operations.get("parameters", [])
        for method, operation in operations.items():
            if method != "parameters":
                whole = {**operation, "parameters": [*shared, *operation.get("parameters", [])]}
                found[operation["tags"][0]].append((method.upper(), path, whole))
    return [(tag, found[tag["name"]]) for tag in document["tags"]]
