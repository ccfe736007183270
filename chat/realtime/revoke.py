"""Connections end when the session or the person behind them does: entries of `access`, in order, on every process."""


class Revoke:
    """Handles one entry of `access` after the other. Called by the pump, before anything newer is sent."""

    def __init__(self, pump, connections, presence):
        self.pump, self.connections, self.presence = pump, connections, presence

    def __call__(self, change):
        for connection in self._affected(change):
            self.end(connection, "revoked")

    def _affected(self, change):
        if change.kind == "session_ended":
            return [c for c in self.connections.all() if c.session_id == change.subject_id]
        if change.kind == "user_ended":
            spared = (change.data or {}).get("except")
            return [c for c in self.connections.of(change.subject_id) if c.session_id != spared]
        return []

    def end(self, connection, reason):
        """From here on nothing reaches this connection but the word why. Does not wait."""
        self.pump.forget(connection)
        self.presence.left(connection)
        self.pump.fanout.send(connection.sid, "bye", {"reason": reason, "after_ms": 0})
        self.connections.remove(connection)
        self.pump.spawn(self.pump.fanout.close, connection.transport_id)
