"""Who is here and who is writing. Leases in memory: best effort, never stored, gone with the process."""

import time

TYPING_SECONDS, HERE_SECONDS = 6, 30


class Presence:
    """What /presence knows. Everything here may be lost, and nothing waits.

    fanout   sends in /presence; everyone there is in the room `everyone`.
    """

    def __init__(self, fanout, connections, pump, *, monotonic=time.monotonic):
        self.fanout, self.connections, self.pump, self.monotonic = fanout, connections, pump, monotonic
        self._here = {}  # connection: (state, until)
        self._typing = {}  # (room id, user id): until
        self.shown = {}  # {user id: "online" or "away"} of those who are here, as others were last told

    def arrived(self, connection):
        self.fanout.enter(connection.presence_sid, "everyone")
        for user_id, state in self.shown.items():
            self.fanout.send(connection.presence_sid, "presence", {"user": user_id, "state": state})
        self.here(connection, active=True, room_id=None)

    def here(self, connection, *, active, room_id):
        """Renew the lease of a connection, and say which room is on its screen."""
        connection.room_on_screen = room_id
        self._here[connection] = ("online" if active else "away", self.monotonic() + HERE_SECONDS)
        self._show(connection.user_id)

    def left(self, connection):
        connection.room_on_screen = None
        if self._here.pop(connection, None):
            self._show(connection.user_id)

    def typing(self, connection, room_id, on):
        """Tell those who have the room open that this person writes there, or no longer does."""
        key = (room_id, connection.user_id)
        if on:
            self._typing[key] = self.monotonic() + TYPING_SECONDS
        elif not self._typing.pop(key, None):
            return
        self._tell_room(room_id, connection.user_id, on)

    def sweep(self):
        """Once a second: leases that were not renewed end."""
        now = self.monotonic()
        for key, until in list(self._typing.items()):
            if until <= now:
                del self._typing[key]
                self._tell_room(*key, False)
        for connection, (_, until) in list(self._here.items()):
            if until <= now:
                del self._here[connection]
                self._show(connection.user_id)

    def _tell_room(self, room_id, user_id, on):
        name = f"room:{room_id}"
        payload = {"room": room_id, "user": user_id, "on": on}
        follow = self.pump.follows.get(name)
        for connection, subscription in list(follow.subscriptions.items()) if follow else ():
            if subscription.joined is not None and connection.room_on_screen == room_id and connection.presence_sid:
                self.fanout.send(connection.presence_sid, "typing", payload)

    def _show(self, user_id):
        states = {self._here[c][0] for c in self.connections.of(user_id) if c in self._here}
        state = "online" if "online" in states else "away" if states else "offline"
        if state == self.shown.get(user_id, "offline"):
            return
        if state == "offline":
            del self.shown[user_id]
        else:
            self.shown[user_id] = state
        self.fanout.publish("everyone", "presence", {"user": user_id, "state": state})
