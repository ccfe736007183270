"""Routes of the API: what they take and give is declared with schemas, checked, and written into the document.

Refusals have one shape everywhere, that of `ChatError.to_json`, whether an action refuses, a schema, or the router.
"""

from http import HTTPStatus

import flask_smorest
import marshmallow as ma
import orjson
from flask import Response, request
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import UnsupportedMediaType

from chat.core.errors import Invalid
from chat.core.web import csrf

MOST_BYTES = 256 * 1024  # of a request; as much as one packet of the websocket
MOST_DEEP = 16  # levels of one value inside another
WORDS = {  # what marshmallow says, as the rest of a sentence that begins with the field's name
    "Missing data for required field.": "is missing.",
    "Unknown field.": "is no field of this request.",
    "Field may not be null.": "may not be null.",
}


class Exact(ma.Schema):
    """The base of every schema: no field but those that are declared."""

    class Meta:
        unknown = ma.RAISE


class Refusal(Exact):
    """What every refusal looks like."""

    ok = ma.fields.Boolean(required=True, validate=ma.validate.OneOf([False]))
    code = ma.fields.String(required=True, metadata={"description": "what kind of refusal, for programs"})
    message = ma.fields.String(required=True, metadata={"description": "what happened and what to do, for people"})
    field = ma.fields.String(metadata={"description": "the input at fault, when there is one"})
    retry_after = ma.fields.Float(metadata={"description": "seconds until it is worth another try"})
    current = ma.fields.Dict(metadata={"description": "with `conflict`: the thing as it is now"})
    reference = ma.fields.String(metadata={"description": "with `error`: what to tell whoever runs this server"})


class Whole(ma.fields.Integer):
    """A whole number as JSON has it, where 2.0 is one."""

    def __init__(self, **options):
        super().__init__(strict=True, **options)

    def _validated(self, value):
        return super()._validated(int(value) if isinstance(value, float) and value.is_integer() else value)


def answers(name, **fields):
    """The schema of an answer: `ok`, and these fields."""
    ok = ma.fields.Boolean(required=True, validate=ma.validate.OneOf([True]))
    return Exact.from_dict({"ok": ok, **fields}, name=name)


def answer(status=200, headers=None, **body):
    """An answer of the API."""
    return Response(orjson.dumps({"ok": True, **body}), status, headers, mimetype="application/json")


class Parser(FlaskParser):
    DEFAULT_UNKNOWN_BY_LOCATION = {"json": ma.RAISE, "query": ma.RAISE, "headers": ma.EXCLUDE}

    def load_json(self, req, schema):
        return sent_json(req)

    def handle_error(self, error, req, schema, *, error_status_code, error_headers):
        [messages] = error.messages.values()
        field, words = _first(messages)
        words = WORDS.get(words) or f": {words}"
        raise Invalid(f"{field or 'What you sent'} {words}".replace(" : ", ": "), field=field)


def sent_json(req):
    """The body of a request as JSON. Raises Invalid, or what Flask answers with 413 and 415."""
    if not req.is_json:
        raise UnsupportedMediaType
    try:
        found = orjson.loads(req.get_data())  # strict: no NaN, no half characters, no number above 64 bits
    except ValueError:
        found = None
    if not isinstance(found, dict) or _depth(found) > MOST_DEEP:
        raise Invalid("Send one object as JSON, such as {}.")
    return found


def _first(messages, field=None):
    """(field, words) of the first thing that is wrong."""
    if isinstance(messages, dict):
        name, inner = next(iter(messages.items()))
        named = field or (str(name)[:40] if name != "_schema" else None)
        return _first(inner, named)
    if isinstance(messages, list):
        return _first(messages[0], field)
    return field, str(messages)


def _depth(value, levels=0):
    if levels > MOST_DEEP or not isinstance(value, dict | list):
        return levels
    return max((_depth(v, levels + 1) for v in (value.values() if isinstance(value, dict) else value)), default=levels)


class Resource(flask_smorest.Blueprint):
    """A noun's routes below /api/v1. Who asks is found by the view's own `asked(scope)`, which comes before whatever
    is sent is looked at."""

    ARGUMENTS_PARSER = Parser()

    def __init__(self, name, import_name, **options):
        super().__init__(name, import_name, **options)
        csrf.exempt(self)  # `asked` wants the token where there is a cookie
        self.before_request(_bound_the_body)

    def route(self, rule, *, refuses=(), **options):
        """As Flask's, for `get`, `post` and the like, too. What follows from who may ask, and from what is sent, is
        written into the document; `refuses` are further statuses that the view answers with."""

        def register(view):
            documented = self.doc(**self._said_of(view, rule, options["methods"], refuses))(view)
            return super(Resource, self).route(rule, **{"tags": [self.name], **options})(documented)

        return register

    def _said_of(self, view, rule, methods, refuses):
        scope, statuses = getattr(view, "scope", None), {422, 429, 500, 503, *refuses}
        if scope:
            statuses |= {401, 403}
        if "<" in rule:
            statuses.add(404)
        if methods != ["GET"]:
            statuses |= {400, 413, 415}
        said = {
            "operationId": f"{self.name}.{view.__name__}",
            "security": [{"token": []}, {"session": [], "csrf": []}] if scope else [],
            "responses": {str(status): HTTPStatus(status).name for status in sorted(statuses)},
        }
        return {**said, "x-scope": scope} if scope else said


def _bound_the_body():
    request.max_content_length = MOST_BYTES
