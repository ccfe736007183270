"""A browser tab as docs/protocol.md wants it: copies of what pages showed, kept up to date by frames.

The client rule in Python, written from the specification and not from the browser's script, so that a test can say what
must be on every screen. One `receive` at a time, and nothing happens in between.
"""

import urllib.error
import urllib.request

from tests.system.page import Page, line_in, message_in, people_in
from tests.system.wire import Gone, Wire


class RoomCopy:
    """What the tab shows of one room, as of the room's number `tab.cursors[name]`."""

    def __init__(self, page):
        on_page, place = page.room, page.places[page.room.id]
        self.id, self.first_seq, self.has_older = on_page.id, on_page.first_seq, on_page.has_older
        self.messages, self.lines, self.role = on_page.messages, on_page.lines, on_page.role
        self.name, self.topic, self.people_count = on_page.name, on_page.topic, on_page.people_count
        self.v = on_page.cursor  # of name and topic
        self.unread, self.mentions = place["unread"], place["mentions"]
        self.stale = False  # the count is that of an older read position


class Tab:
    """One person's tab. `servers` are processes of one community; pages come from any that answers.

    on_frame(tab, event, payload)   sees every frame as it arrives; tests check promises in it
    """

    def __init__(self, servers, username, *, on_frame=lambda tab, event, payload: None, cookie=None):
        self.servers, self.username, self.on_frame = servers, username, on_frame
        self.on_acknowledged = lambda number, answer: None  # answers to what is not `resume`
        self.wire, self.resumes, self.reloads = None, 0, 0
        self.sign_in(cookie)

    def sign_in(self, cookie=None):
        self.cookie = cookie or self.servers[0].cookie(self.username)
        self.load()

    # ---- pages ------------------------------------------------------------------------------------------------------

    def page(self, path):
        """The page there, or None when there is none for this person."""
        for server in self.servers:
            request = urllib.request.Request(server.url + path, headers={"Cookie": self.cookie})
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return Page(answer.read().decode()) if answer.url == request.full_url else None
            except urllib.error.HTTPError as error:
                if error.code == 404:
                    return None
                raise
            except OSError:
                continue
        raise AssertionError("no server answers")

    def load(self):
        """The whole page anew: everything is as it says. False when the person has to sign in first."""
        self.disconnect()
        self.reloads += 1
        self.cursors, self.rooms, self.positions, self.people = {}, {}, {}, {}
        self.known, self.hold, self.asked, self.journal = {}, {}, {}, []
        self.last, self.begun, self.bye = {}, {}, None
        page = self.page("/rooms")
        if page is None:
            return False
        self.epoch, self.me = page.epoch, page.me
        self.cursors.update(page.cursors)
        self._take_people(page.people)
        for room in page.places:
            self.load_room(room)
        return True

    def load_room(self, room):
        """A room's page anew: its cursor, its content, its counts."""
        self._forget(room)
        page = self.page(f"/rooms/{room}")
        if page is None or page.room.role is None:
            return
        name = f"room:{room}"
        self.rooms[room], self.cursors[name] = RoomCopy(page), page.room.cursor
        place = page.places[room]
        if not self._take_position(room, place["position"], place["v"]) and place["v"] < self.positions[room][1]:
            self.rooms[room].stale = True
        self._take_people(page.people)
        if self.rooms[room].stale or self.known.get(name, 0) > self.cursors[name]:
            self._ask([name])

    def _forget(self, room):
        name = f"room:{room}"
        self.rooms.pop(room, None)
        for kept in (self.cursors, self.hold, self.asked):  # an answer still under way is about the copy just dropped
            kept.pop(name, None)

    # ---- the connection ---------------------------------------------------------------------------------------------

    @property
    def connected(self):
        return self.wire is not None and self.wire.alive

    def connect(self, server):
        """Connect there and ask what was missed. Raises Gone when the session has ended."""
        self.disconnect()
        self.wire = Wire(server, self.cookie)
        for event, payload in self._until("hello"):
            self.receive(event, payload)
        if self.connected:
            self._ask(list(self.cursors), everything=True)

    def _until(self, event):
        got = []
        while event not in [name for name, _ in got]:
            new = self.wire.take(5)
            assert new, f"no {event}"
            got += new
        return got

    def disconnect(self):
        if self.wire is not None and self.wire.alive:
            self.wire.drop()
        self._closed()

    def _closed(self):
        self.wire, self.hold, self.known, self.asked, self.last, self.begun = None, {}, {}, {}, {}, {}

    def read(self, seconds=0.0, most=1000):
        """Take what has arrived, and return how much that was. Waits up to `seconds` for the first."""
        count, wire = 0, self.wire
        while self.connected and count < most:
            try:
                arrived = wire.take(0 if count else seconds)
            except Gone:
                self._closed()
                break
            if not arrived:
                break
            for event, payload in arrived:
                count += 1
                if self.wire is wire:
                    self.receive(event, payload)
        return count

    def emit(self, event, payload):
        """Send, without waiting for the answer. Returns its number, None when the connection is gone."""
        try:
            return self.wire.emit(event, payload) if self.connected else None
        except Gone:
            self._closed()
            return None

    # ---- the client rule --------------------------------------------------------------------------------------------

    def _ask(self, names, *, everything=False):
        """`resume` these streams, if they are not being asked for already."""
        names = [name for name in names if name not in self.asked]
        if not self.connected or not (names or everything):
            return
        streams = {name: self.cursors.get(name) for name in names}
        number = self.emit("resume", {"epoch": self.epoch, "streams": streams, **({"all": True} if everything else {})})
        self.resumes += 1
        for name in names:
            self.asked[name] = number

    def receive(self, event, payload):
        if event == "ack":
            return self._answered(*payload)
        if event == "bye":
            self.bye = payload
        elif event == "hello":
            self.last = dict(payload["streams"])
            if payload["epoch"] != self.epoch or payload["user"] != self.me:
                self.load()
        elif event == "reset":
            self.load() if payload["stream"] == "*" else self._reset(payload["stream"])
        elif event == "subscribed":
            name, head = payload["stream"], payload["head"]
            self.last[name] = head
            self.known[name] = max(head, self.known.get(name, 0))
            if name not in self.cursors or self.cursors[name] < head:
                self._ask([name])
        else:
            self._check_order(payload)
            self.on_frame(self, event, payload)
            self._receive_frame(event, payload)

    def _check_order(self, payload):
        """P4: of each stream a connection gets one number after the other. Whoever was removed and is back may have the
        stream anew from the answer to a `resume`, without `subscribed`: then the next one follows the head it named.
        Another answer may have come since, and name a head that is not sent yet."""
        name, seq = payload["stream"], payload["seq"]
        last, begun = self.last.get(name), self.begun.pop(name, ())
        follows = last is None or seq == last + 1 or seq - 1 in begun
        assert follows, f"P4 {self.username}: {name} {seq} came after {last}; answers named {sorted(begun)}"
        self.last[name] = seq

    def _receive_frame(self, event, payload):
        name, seq = payload["stream"], payload["seq"]
        cursor = self.cursors.get(name)
        if cursor is None or seq <= cursor:
            return
        if seq > cursor + 1:
            held = self.hold.setdefault(name, {})
            if len(held) < 200:
                held[seq] = (event, payload)
            self._ask([name])
            return
        self.cursors[name] = seq
        self.journal.append(
            (
                name,
                seq,
                payload.get("change"),
                payload.get("message", {}).get("id"),
                payload.get("message", {}).get("text"),
            )
        )
        self._apply(event, payload)
        if self.cursors.get(name) == seq and (after := self.hold.get(name, {}).pop(seq + 1, None)):
            self._receive_frame(*after)

    def _answered(self, number, answer):
        """The answer to a `resume`. What was asked about copies that are gone since is no longer in `asked`."""
        if self.wire is not None:
            self.wire.answers.pop(number, None)
        if "streams" not in answer:
            self.on_acknowledged(number, answer)
            return
        about = {name for name, asked in self.asked.items() if asked == number}
        for name in about:
            del self.asked[name]
        if answer["epoch"] != self.epoch:
            self.load()
            return
        for name, part in answer["streams"].items():
            if "head" in part:
                self.begun.setdefault(name, set()).add(part["head"])
        for name, part in answer["streams"].items():
            if not self.connected:
                return
            if name in about or name not in self.cursors:
                self._take_part(name, part)
            elif "head" in part:
                self._know(name, part["head"])

    def _know(self, name, head):
        self.known[name] = max(head, self.known.get(name, 0))
        if self.cursors[name] < head:
            self._ask([name])

    def _take_part(self, name, part):
        room = int(name[5:]) if name.startswith("room:") else None
        if part.get("gone"):
            self._forget(room)
        elif part.get("reset"):
            self._reset(name)
        elif name not in self.cursors:
            self.known[name] = max(part["head"], self.known.get(name, 0))
            self.load_room(room)
        else:
            copy = self.rooms.get(room)
            for event, payload in part["frames"]:
                self.on_frame(self, event, payload)
                self._receive_frame(event, payload)
                if not self.connected:
                    return
            if name not in self.cursors or self.rooms.get(room) is not copy:
                return
            behind = max([self.known.get(name, 0), *self.hold.get(name, ())])
            if part.get("more") or self.cursors[name] < behind:
                self._ask([name])
            elif copy and self.cursors[name] == part.get("upto", part["head"]):
                self._take_position(room, part["read"]["seq"], part["read"]["v"])
                if part["read"]["v"] == self.positions[room][1]:
                    copy.unread, copy.mentions, copy.stale = part["unread"], part["mentions"], False
                else:
                    self._ask([name])  # counted from a read position that has moved since
            elif copy and copy.stale:
                self._ask([name])

    def _reset(self, name):
        if name.startswith("room:"):
            self.load_room(int(name[5:]))
        else:
            self.load()

    # ---- what frames say --------------------------------------------------------------------------------------------

    def _apply(self, event, payload):
        self._take_people(people_in(payload.get("html") or ""))
        copy = self.rooms.get(int(payload["stream"][5:])) if payload["stream"].startswith("room:") else None
        if event == "message":
            self._apply_message(copy, payload)
        elif event == "member":
            self._apply_member(copy, payload)
        elif event == "room":
            copy.lines.update([line_in(payload["html"].split(">")[0])])
            if payload["room"]["v"] >= copy.v:
                copy.name, copy.topic, copy.v = payload["room"]["name"], payload["room"]["topic"], payload["room"]["v"]
        elif event == "me" and payload["change"] in ("room_added", "room_removed"):
            room, member = payload["room"]["id"], payload["room"]["member"]
            if not member:
                self._forget(room)
            elif f"room:{room}" not in self.cursors:
                self._ask([f"room:{room}"])
        elif event == "me" and payload["change"] == "read":
            self._apply_read(payload)
        elif event == "site" and "user" in payload:
            self._take_people({payload["user"]["id"]: (payload["user"]["v"], payload["user"]["name"])})

    def _apply_message(self, copy, payload):
        message = message_in(payload["html"])
        wire = payload["message"]
        assert (message["id"], message["seq"], message["v"]) == (wire["id"], wire["seq"], wire["v"])
        held = copy.messages.get(message["id"])
        on_screen = held is not None or message["seq"] >= copy.first_seq or not copy.has_older
        if on_screen and (held is None or message["v"] >= held["v"]):
            assert not (held and held["deleted"] and not message["deleted"]), "deleted text came back"
            copy.messages[message["id"]] = message
        if message["author"] != self.me and message["seq"] > self.positions[copy.id][0]:  # by the entry, not the state
            copy.unread += {"posted": 1, "deleted": -1}.get(payload["change"], 0)

    def _apply_member(self, copy, payload):
        copy.lines.update([line_in(payload["html"].split(">")[0])])
        copy.people_count += {"joined": 1, "left": -1}.get(payload["change"], 0)
        if payload["user"]["id"] == self.me:
            if payload["change"] == "joined":
                self.load_room(copy.id)
            elif payload["role"]:
                copy.role = payload["role"]

    def _apply_read(self, payload):
        room, name = payload["room"], f"room:{payload['room']}"
        newer = self._take_position(room, payload["position"], payload["v"])
        copy, cursor = self.rooms.get(room), self.cursors.get(name)
        if copy and newer:
            if payload["at"] == cursor:
                copy.unread, copy.mentions = payload["unread"], payload["mentions"]
            elif payload["position"] >= cursor:
                copy.unread = copy.mentions = 0
            else:
                copy.stale = True
                self._ask([name])

    def _take_position(self, room, seq, v):
        """Keep a read position if it is not older than the one shown. True when it is newer."""
        held = self.positions.get(room, (0, -1))
        if v < held[1]:
            return False
        self.positions[room] = (seq, v)
        return v > held[1]

    def _take_people(self, people):
        for person, seen in people.items():
            self.people[person] = max(seen, self.people.get(person, (-1, "")))

    # ---- the end ----------------------------------------------------------------------------------------------------

    def is_up_to(self, heads):
        """Whether everything up to these heads is on the screen and nothing is being asked for."""
        return (
            self.connected
            and not self.asked
            and all(self.cursors.get(name, 10**9) >= head for name, head in heads.items())
        )

    def difference(self, fresh, floors=None):
        """What is on this screen and not on a page just loaded, or the other way round; None when they are equal.

        floors   {stream: number}: lines of entries that were pruned are on no new page
        """
        if set(self.rooms) != set(fresh.rooms):
            return f"rooms {sorted(self.rooms)}, not {sorted(fresh.rooms)}"
        for room, page in fresh.rooms.items():
            copy, name = self.rooms[room], f"room:{room}"
            since = page.first_seq if page.has_older else 0
            floor = max(since, (floors or {}).get(name, 0) + 1)
            have = {m["id"]: m for m in copy.messages.values() if m["seq"] >= since}
            lines, shown = ({q: line for q, line in of.items() if q >= floor} for of in (copy.lines, page.lines))
            for what, mine, theirs in (
                ("messages", have, page.messages),
                ("lines", lines, shown),
                ("name and topic", (copy.name, copy.topic), (page.name, page.topic)),
                ("people", copy.people_count, page.people_count),
                ("role", copy.role, page.role),
                ("cursor", self.cursors[name], fresh.cursors[name]),
                ("position", self.positions[room], fresh.positions[room]),
                ("unread", copy.unread, page.unread),
            ):
                if mine != theirs:
                    return f"{name} {what}: {mine}, not {theirs}"
        for person, (v, shown) in fresh.people.items():
            if self.people.get(person) != (v, shown):
                return f"name of {person}: {self.people.get(person)}, not {(v, shown)}"
        return None
