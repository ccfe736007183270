"""The connections of this process: who is behind each, and what is going on with it."""

from contextlib import nullcontext

from chat.core.gates import Gate, Turns


class Connection:
    """One browser tab or program, over one websocket or event stream.

    sid          names it in /chat, presence_sid in /presence (None until it connects there)
    user_id      the person; session_id: the signed-in session it stands on
    lock         held while its subscriptions are made or changed, so that these happen one after the other
    ready        set once it has been welcomed; its events wait for that
    scopes       what its token may do, as stored; None: all that its person may
    until        when it ends by itself, if it stands on a token
    streams      names that the pump knows it under, active or registered; a dict for its order
    transport    of the fast path, or None
    since        the number of `access` up to which nothing can be meant for it: its session was looked up after that
    is_guest     a guest or a bot: it sees only its rooms and the people in them; circle: the ids of these, as far as
                 this process knows, for presence
    """

    __slots__ = (
        "alive", "asker", "circle", "is_guest", "lock", "presence_sid", "ready", "room_on_screen", "scopes",
        "session_id", "sid", "since", "streams", "token", "transport", "transport_id", "until", "user_id",
    )  # fmt: skip
    is_told_gone = False  # that a room is not theirs any more; others have `room_removed` and ask
    is_visit = False

    def __init__(
        self, transport_id, sid, user_id, session_id, token, transport=None, *,
        since=0, is_guest=False, scopes=None, until=None,
    ):  # fmt: skip
        self.scopes, self.until = scopes, until
        self.transport_id, self.sid, self.user_id, self.session_id = transport_id, sid, user_id, session_id
        self.token, self.transport, self.asker = token, transport, None
        self.presence_sid = None
        self.lock, self.ready = Turns(), Gate()
        self.alive, self.streams = True, {}
        self.room_on_screen = None
        self.since, self.is_guest, self.circle = since, is_guest, frozenset()

    def wants(self, room_id):
        """Whether it follows that room, if its person is a member."""
        return True

    def is_called(self, name):
        """Whether a request about `name` (None: whichever there are) means it. A websocket speaks for itself."""
        return False

    def in_line(self):
        """Held round a wait in a queue that keeps the order: the connection's next event may begin meanwhile."""
        return self.transport.in_line() if self.transport else nullcontext()

    def settle(self):
        """Wait until none of its events is in such a queue."""
        if self.transport:
            self.transport.settle()


class Visit(Connection):
    """What a single request stands on: nothing is sent to it, and it is gone with the answer."""

    __slots__ = ()
    is_visit = True

    def __init__(self, session, token):
        super().__init__("", "", session.user_id, session.id, token)
        self.alive = False
        self.ready.set()


class Connections:
    """Found by /chat's sid, by transport, and by person."""

    def __init__(self):
        self._by_sid, self._by_transport, self._by_user, self._ending = {}, {}, {}, {}
        self.of_guests = {}  # a dict for its order

    def add(self, connection):
        self._by_sid[connection.sid] = connection
        self._by_transport[connection.transport_id] = connection
        self._by_user.setdefault(connection.user_id, set()).add(connection)
        if connection.is_guest:
            self.of_guests[connection] = None
        if connection.until is not None:
            self._ending[connection] = connection.until

    def remove(self, connection):
        connection.alive = False
        self._ending.pop(connection, None)
        self._by_sid.pop(connection.sid, None)
        self.of_guests.pop(connection, None)
        if self._by_transport.get(connection.transport_id) is connection:
            del self._by_transport[connection.transport_id]
        own = self._by_user.get(connection.user_id, set())
        own.discard(connection)
        if not own:
            self._by_user.pop(connection.user_id, None)

    def get(self, sid):
        return self._by_sid.get(sid)

    def over(self, transport_id):
        return self._by_transport.get(transport_id)

    def of(self, user_id):
        """A copy, so that the caller may end some of them."""
        return list(self._by_user.get(user_id, ()))

    def all(self):
        return list(self._by_sid.values())

    def guests(self):
        """The ids of the guests who are connected here."""
        return {connection.user_id for connection in self.of_guests}

    def over_by(self, moment):
        """Those that end by themselves and whose time has come."""
        return [connection for connection, until in self._ending.items() if until <= moment]

    def __len__(self):
        return len(self._by_sid)
