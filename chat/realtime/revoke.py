"""Connections end when the session or the person behind them does, or when the person has other rights: entries of
`access`, in order, on every process.

Sessions also run out by themselves, which is no entry: those are looked for once a minute. Tokens say when they end,
and what stands on them ends then.
"""

from chat.accounts.queries import live_session_ids
from chat.core.clock import now

TOKENS_EVERY = 0.5  # seconds
LOOKED_AT_EVERY = 60  # polls of the pump, one a second
AT_ONCE = 500


class Revoke:
    """Handles one entry of `access` after the other. Called by the pump, before anything newer is sent."""

    def __init__(self, app, pump, connections, presence):
        self.app, self.pump, self.connections, self.presence = app, pump, connections, presence
        self._polls = 0

    def __call__(self, change):
        rights = change.kind in ("role_changed", "factor_needed")  # come back with those that you have now
        reason = "rights" if rights else "revoked"
        for connection in self._affected(change):
            if change.seq > connection.since:
                self.end(connection, reason)

    def _affected(self, change):
        if change.kind == "session_ended":
            return [c for c in self.connections.all() if c.session_id == change.subject_id]
        if change.kind == "role_changed":
            return self.connections.of(change.subject_id)
        if change.kind == "factor_needed":
            return [c for user_id in change.data["users"] for c in self.connections.of(user_id)]
        if change.kind == "user_ended":
            spared = (change.data or {}).get("except")
            return [c for c in self.connections.of(change.subject_id) if c.session_id != spared]
        return []

    def watch_tokens(self):
        """End what stands on a token when its time has come, whether the database answers or not. Does not return."""
        while True:
            self.pump.sleep(TOKENS_EVERY)
            self.end_over()

    def end_over(self):
        for connection in self.connections.over_by(now()):
            self.end(connection, "expired")

    def sweep(self):
        """Once in a while, end the connections whose session has run out. Waits."""
        self._polls += 1
        if self._polls % LOOKED_AT_EVERY == 0:
            self.end_expired()

    def end_expired(self):
        connections = self.connections.all()
        for start in range(0, len(connections), AT_ONCE):
            some = connections[start : start + AT_ONCE]
            with self.app.app_context():
                live = live_session_ids({connection.session_id for connection in some})
            gone = [connection for connection in some if connection.session_id not in live]
            if gone:
                self.pump.look_at_access()  # some may have been ended by somebody a moment ago, and hear that instead
            for connection in gone:
                if connection.alive:
                    self.end(connection, "expired")

    def end(self, connection, reason):
        """From here on nothing reaches this connection but the word why. Does not wait."""
        self.pump.forget(connection)
        self.presence.left(connection)
        self.pump.fanout.send(connection.sid, "bye", {"reason": reason, "after_ms": 0})
        self.connections.remove(connection)
        self.pump.spawn(self.pump.fanout.close, connection.transport_id)
