"""How tests look at things: a connected client, and the number of queries."""

from contextlib import contextmanager

from sqlalchemy import event

from chat.accounts.actions.sessions import begin_session
from chat.accounts.signed_in import cookie_name
from chat.core import prepared
from chat.core.db import db


class LiveClient:
    """A websocket client of one person, in process: what it sends is handled at once, what it gets is kept."""

    def __init__(self, app, user, room=None, *, token=None, bearer=None):
        self.app, self.user_id = app, user and user.id
        self.socketio = app.extensions["live"].socketio
        if bearer is None:
            token = token or begin_session(user, address="127.0.0.1", user_agent="tests")
            headers, auth = {"Cookie": f"{cookie_name()}={token}", "Origin": app.config["PARLEY"].base_url}, None
        else:
            headers, auth = {}, {"token": bearer}  # a program, which has neither
        self.client = self.socketio.test_client(app, namespace="/chat", headers=headers, auth=auth)
        if self.client.is_connected("/chat"):
            self.client.connect("/presence", headers=headers, auth=auth)
        if room is not None:
            self.emit("here", {"active": True, "room": room.id}, namespace="/presence")
        self.hello = next(iter(self.received("hello")), None) if self.connected else None

    @property
    def connected(self):
        return self.client.is_connected("/chat")

    def emit(self, event, data, namespace="/chat"):
        """Send an event and return its acknowledgement."""
        return self.client.emit(event, data, namespace=namespace, callback=True)

    def received(self, event=None, namespace="/chat"):
        """What the server sent since the last look, as payloads of one event or (event, payload) of all."""
        # The test client gives the payload of an event called "message" without the list of the others.
        got = [
            (r["name"], r["args"][0] if isinstance(r["args"], list) else r["args"])
            for r in self.client.get_received(namespace)
        ]
        return [payload for name, payload in got if name == event] if event else got

    def frames(self):
        """The numbered changes of rooms since the last look: (event, change, text or None)."""
        return [
            (name, payload["change"], payload.get("message", {}).get("text"))
            for name, payload in self.received()
            if payload.get("stream", "").startswith("room:") and "change" in payload
        ]


@contextmanager
def counted_queries():
    """Collects the statements that run inside, without those that only begin or end a transaction."""
    statements, run_prepared = [], prepared._Form.run

    def note(connection, cursor, statement, *_):
        if not statement.startswith(("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")):
            statements.append(statement)

    def note_prepared(form, cursor, values):
        statements.append(form.sql)
        return run_prepared(form, cursor, values)

    event.listen(db.engine, "before_cursor_execute", note)
    prepared._Form.run = note_prepared
    try:
        yield statements
    finally:
        prepared._Form.run = run_prepared
        event.remove(db.engine, "before_cursor_execute", note)


def pages_of(find, limit, *, id="id"):
    """[[row]] that `find(after=…, limit=…)` → (rows, whether there are more) gives page by page."""
    pages, after, more = [], None, True
    while more:
        found, more = find(after=after, limit=limit)
        pages.append(list(found))
        after = getattr(found[-1], id)
        assert len(found) == limit or not more
    return pages


@contextmanager
def assert_queries(number):
    with counted_queries() as statements:
        yield
    listed = "\n".join(f"  {i}. {' '.join(s.split())[:200]}" for i, s in enumerate(statements, 1))
    assert len(statements) == number, f"{len(statements)} queries, not {number}:\n{listed}"
