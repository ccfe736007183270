"""Who is here and who is writing. Leases in memory: best effort, never stored, gone with the process.

Each process answers for the people connected to it, and tells the others over the bus: at once what changes, everything
again at half time, and whenever one asks who has only just begun. What is not renewed ends, so a process that dies
takes its people with it. A request may come to any process: what it says is passed on to the one that has the stream.
"""

import time

TYPING_SECONDS, HERE_SECONDS = 6, 30
STATES = ("online", "away", "offline")
TOGETHER = 100  # people in one message to the other processes


class Presence:
    """What /presence knows. Everything here may be lost, and nothing waits.

    fanout   sends in /presence; everyone there but guests is in the room `everyone`.
    """

    def __init__(self, fanout, connections, pump, bus, *, monotonic=time.monotonic):
        self.fanout, self.connections, self.pump, self.bus, self.monotonic = fanout, connections, pump, bus, monotonic
        self._here = {}  # connection: (state, until)
        self._elsewhere = {}  # user id: {process: (state, until)}
        self._said = {}  # {user id: state} of those who are connected here, as the other processes were last told
        self._say_all_at = 0
        self._typing = {}  # (room id, user id): until
        self.shown = {}  # {user id: "online" or "away"} of those who are here, as people were last told
        bus.hear("here", self._heard_who_is_here)
        bus.hear("typing", self._heard_typing)
        bus.hear("screen", self._heard_screen)
        bus.hear("who", lambda payload, sender: self._say_all())
        bus.on_reach(self._ask)

    def arrived(self, connection):
        if connection.is_guest:
            connection.ready.wait()  # until their circle has been read
            if not connection.presence_sid:
                return
        else:
            self.fanout.enter(connection.presence_sid, "everyone")
        for user_id, state in list(self.shown.items()):
            if not connection.is_guest or user_id in connection.circle:
                self.fanout.send(connection.presence_sid, "presence", {"user": user_id, "state": state})
        self.here(connection, active=True, room_id=None)

    def met(self, connection, circle):
        """A guest knows these people now: say who of them is here, and of nobody else that they are."""
        before, connection.circle = connection.circle, circle
        if connection.presence_sid:
            for user_id, state in list(self.shown.items()):
                if (user_id in circle) != (user_id in before):
                    said = state if user_id in circle else "offline"
                    self.fanout.send(connection.presence_sid, "presence", {"user": user_id, "state": said})

    def here(self, connection, *, active, room_id):
        """Renew the lease of a connection, and say which room is on its screen."""
        connection.room_on_screen = room_id
        self._here[connection] = ("online" if active else "away", self.monotonic() + HERE_SECONDS)
        self._show(connection.user_id)

    def here_by_request(self, visit, name, *, active, room_id):
        """The same for event streams, which cannot speak: for those of this session that are called `name` (None: all
        of them), in whichever process they are open."""
        screen = (visit.user_id, visit.session_id, name, active, room_id)
        if not self._look_at(*screen) or name is None:
            self.bus.say("screen", screen)

    def _look_at(self, user_id, session_id, name, active, room_id):
        """Do so for the streams that are open here. Whether there are any."""
        meant = [c for c in self.connections.of(user_id) if c.session_id == session_id and c.is_called(name)]
        for connection in meant:
            self.here(connection, active=active, room_id=room_id)
        return bool(meant)

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
        self.bus.say("typing", [room_id, connection.user_id, on])

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
        for user_id, processes in list(self._elsewhere.items()):
            for process in [process for process, (_, until) in processes.items() if until <= now]:
                self._set_elsewhere(user_id, process, "offline")
        if now >= self._say_all_at:
            self._say_all()

    # ---- other processes --------------------------------------------------------------------------------------------

    def _ask(self):
        """The other processes can be reached, again: hear who is there, and say who is here."""
        self.bus.say("who", None)
        self._say_all()

    def _say_all(self):
        self._say_all_at = self.monotonic() + HERE_SECONDS / 2
        everyone = list(self._said.items())
        for start in range(0, len(everyone), TOGETHER):
            self.bus.say("here", everyone[start : start + TOGETHER])

    def _heard_who_is_here(self, people, process):
        for user_id, state in people:
            if isinstance(user_id, int) and state in STATES:
                self._set_elsewhere(user_id, process, state)

    def _set_elsewhere(self, user_id, process, state):
        processes = self._elsewhere.setdefault(user_id, {})
        if state == "offline":
            processes.pop(process, None)
        else:
            processes[process] = (state, self.monotonic() + HERE_SECONDS)
        if not processes:
            del self._elsewhere[user_id]
        self._show(user_id)

    def _heard_typing(self, payload, process):
        room_id, user_id, on = payload
        if on:
            self._typing[room_id, user_id] = self.monotonic() + TYPING_SECONDS
        elif not self._typing.pop((room_id, user_id), None):
            return
        self._tell_room(room_id, user_id, on)

    def _heard_screen(self, payload, process):
        self._look_at(*payload)

    # ---- people -----------------------------------------------------------------------------------------------------

    def _tell_room(self, room_id, user_id, on):
        name = f"room:{room_id}"
        payload = {"room": room_id, "user": user_id, "on": on}
        follow = self.pump.follows.get(name)
        for connection, subscription in list(follow.subscriptions.items()) if follow else ():
            if subscription.joined is not None and connection.room_on_screen == room_id and connection.presence_sid:
                self.fanout.send(connection.presence_sid, "typing", payload)

    def _show(self, user_id):
        states = {self._here[c][0] for c in self.connections.of(user_id) if c in self._here}
        self._say(user_id, strongest(states))
        states |= {state for state, _ in self._elsewhere.get(user_id, {}).values()}
        state = strongest(states)
        if state == self.shown.get(user_id, "offline"):
            return
        if state == "offline":
            del self.shown[user_id]
        else:
            self.shown[user_id] = state
        payload = {"user": user_id, "state": state}
        self.fanout.publish("everyone", "presence", payload)
        for connection in list(self.connections.of_guests):
            if connection.presence_sid and user_id in connection.circle:
                self.fanout.send(connection.presence_sid, "presence", payload)

    def _say(self, user_id, state):
        """Tell the other processes how somebody is connected here, when that has changed."""
        if state == self._said.get(user_id, "offline"):
            return
        if state == "offline":
            del self._said[user_id]
        else:
            self._said[user_id] = state
        self.bus.say("here", [(user_id, state)])


def strongest(states):
    """How somebody is seen who is there several times."""
    return next((state for state in STATES if state in states), "offline")
