"""What a websocket does, over plain HTTP: an event stream for what happens, and requests for what one does."""

from flask import Blueprint, Response, current_app, request

from chat.accounts.api import bp as people
from chat.accounts.api import tokens
from chat.accounts.asking import who_asks
from chat.accounts.scopes import refuse_without
from chat.core.errors import ChatError, Invalid
from chat.core.policies import open_to
from chat.core.rate_limit import limiter
from chat.core.web import csrf
from chat.messages.api import bp as messages
from chat.realtime import wire
from chat.realtime.connections import Visit
from chat.realtime.json import dumps, loads
from chat.realtime.live import MOST_BYTES
from chat.realtime.namespaces.chat import ChatNamespace
from chat.realtime.namespaces.presence import PresenceNamespace
from chat.realtime.sse import MOST_ROOMS
from chat.rooms.api import bp as rooms
from chat.site.queries import the_site

bp = Blueprint("api", __name__, url_prefix="/api/v1")
csrf.exempt(bp)  # `who_asks` asks for the token where there is a cookie
NOUNS = (tokens, people, rooms, messages)
for noun in NOUNS:
    bp.register_blueprint(noun)

NAMESPACES = {"/chat": ChatNamespace, "/presence": PresenceNamespace}


class UnknownEvent(ChatError):
    """As the websocket answers."""

    code, status = "unknown_event", 404


@bp.get("/events")
@open_to("a session or a token with the scope to read: who_asks")
def events():
    """The frames of a websocket as server-sent events, of all rooms of the person asking or of those named."""
    session, token = who_asks("read")
    for name in request.args:
        if name not in ("rooms", "presence"):
            raise Invalid(f"There is no field {name[:40]!r} here; there are rooms and presence.", field=name[:40])
    rooms = rooms_named(request.args["rooms"]) if "rooms" in request.args else None
    presence = request.args.get("presence")
    if presence is not None and not wire.NAME.check(presence):
        raise Invalid(f"presence must be {wire.NAME.says}.", field="presence")
    limiter.take("resume", session.user_id)
    stream = current_app.extensions["event_streams"].open(
        session,
        token,
        rooms=rooms,
        presence=presence,
        last_id=request.headers.get("Last-Event-ID"),
        sock=request.environ.get("gunicorn.socket"),
    )
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Response(stream, mimetype="text/event-stream", headers=headers, direct_passthrough=True)


def rooms_named(text):
    """{7, 9} for "7,9"."""
    parts = text.split(",")
    if len(parts) > MOST_ROOMS or not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        raise Invalid(f"rooms must be at most {MOST_ROOMS} ids of rooms, such as 7,9.", field="rooms")
    return frozenset(map(int, parts))


@bp.post("/do/<event>")
@open_to("a session or a token with the scope of the event: who_asks")
def do(event):
    """One event as a client of the websocket sends it: the same fields, the same answer."""
    session, token = who_asks()
    namespace = next((name for name, known in wire.CLIENT.items() if event in known), None)
    if namespace is None:
        raise UnknownEvent("There is no event of that name.")
    refuse_without(session.scopes, wire.CLIENT[namespace][event].scope)
    limiter.take(wire.CLIENT[namespace][event].limit, session.user_id)
    form = wire.parse(namespace, event, sent_json())
    live, actor = current_app.extensions["live"], session.user
    if "realtime" not in live.settings.roles:
        live.pump.epoch = the_site().epoch  # such a process does not poll, and would not know
    answer = getattr(NAMESPACES[namespace](live), f"on_{event}")(Visit(session, token), actor, form)
    return Response(dumps({"ok": True, **(answer or {})}), mimetype="application/json")


def sent_json():
    request.max_content_length = MOST_BYTES
    if not request.is_json:
        raise Invalid("Send one object as JSON, with the header `Content-Type: application/json`.")
    try:
        return loads(request.get_data())  # strict: no half characters
    except ValueError:
        return None
