import json

from hypothesis import given, settings
from hypothesis import strategies as st

from chat.fanout.coalescer import Coalescer, Room
from tests.fanout.conftest import texts
from tests.fanout.loop import StepLoop


class Ear:
    """A transport that takes everything at once, and notes how often it was written to."""

    queue = None

    def __init__(self):
        self.rooms, self.writes = (), []

    def write(self, data):
        self.writes.append(data)

    def send_some(self, data):
        self.writes.append(data)
        return len(data)

    @property
    def heard(self):
        return b"".join(self.writes)


class Hall:
    """Rooms and ears around a Coalescer, with the rules of entering and leaving that the manager keeps."""

    def __init__(self, rooms, ears):
        self.loop = StepLoop()
        self.coalescer = Coalescer(self.loop)
        self.rooms = [Room("/chat", f"room{n}") for n in range(rooms)]
        self.ears = [Ear() for _ in range(ears)]

    def enter(self, ear, room):
        self.coalescer.flush()
        self.rooms[room].members[self.ears[ear]] = None
        if self.rooms[room] not in self.ears[ear].rooms:
            self.ears[ear].rooms += (self.rooms[room],)

    def leave(self, ear, room):
        self.coalescer.flush()
        self.rooms[room].members.pop(self.ears[ear], None)
        self.ears[ear].rooms = tuple(own for own in self.ears[ear].rooms if own is not self.rooms[room])

    def publish(self, room, frame):
        self.coalescer.publish(self.rooms[room], frame)

    def send(self, ear, frame):
        if self.coalescer.log:
            self.coalescer.private(self.ears[ear], frame)
        else:
            self.ears[ear].write(frame)


def test_one_turn_is_one_buffer_for_each_connection():
    hall = Hall(1, 3)
    for ear in range(3):
        hall.enter(ear, 0)
    for n in range(10):
        hall.publish(0, b"%d" % n)
    hall.send(1, b"for one")
    hall.publish(0, b"last")
    assert [ear.writes for ear in hall.ears] == [[], [], []], "not before the turn is over"

    hall.loop.run()

    assert [ear.writes for ear in hall.ears] == [[b"0123456789last"], [b"0123456789for onelast"], [b"0123456789last"]]


def test_members_of_a_room_get_the_same_buffer_not_copies():
    hall = Hall(1, 3)
    for ear in range(3):
        hall.enter(ear, 0)
    hall.publish(0, b"x" * 100), hall.publish(0, b"y")
    hall.loop.run()

    assert len({id(ear.writes[0]) for ear in hall.ears}) == 1


def test_the_answers_to_what_was_published_come_along():
    """They are made by green threads that the publishing has woken, a turn later."""
    hall = Hall(1, 1)
    hall.enter(0, 0)
    hall.publish(0, b"published ")
    hall.loop.soon(lambda: hall.send(0, b"acknowledged"))
    hall.loop.run()

    assert hall.ears[0].writes == [b"published acknowledged"]


def test_what_the_next_turn_publishes_is_another_buffer():
    hall = Hall(1, 1)
    hall.enter(0, 0)
    hall.publish(0, b"a")
    hall.loop.run()
    hall.publish(0, b"b")
    hall.loop.run()

    assert hall.ears[0].writes == [b"a", b"b"]


def test_entering_and_leaving_flush_first():
    hall = Hall(1, 2)
    hall.enter(0, 0)
    hall.publish(0, b"before")
    hall.enter(1, 0)
    hall.publish(0, b"both")
    hall.leave(0, 0)
    hall.publish(0, b"after")
    hall.loop.run()

    assert [ear.heard for ear in hall.ears] == [b"beforeboth", b"bothafter"]


def test_nothing_is_asked_of_the_loop_while_nothing_is_published():
    hall = Hall(1, 1)
    hall.send(0, b"alone")
    hall.coalescer.flush()

    assert hall.ears[0].writes == [b"alone"] and not hall.loop.ready


def test_the_work_is_the_frames_and_the_deliveries_not_their_product():
    """A thousand frames to a hundred people: the people are gone through once."""

    class Members(dict):
        rounds = 0

        def __iter__(self):
            self.rounds += 1
            return super().__iter__()

    hall = Hall(1, 100)
    for ear in range(100):
        hall.enter(ear, 0)
    hall.rooms[0].members = members = Members(hall.rooms[0].members)
    for _ in range(1000):
        hall.publish(0, b"x")
    hall.loop.run()

    assert members.rounds == 1 and all(len(ear.writes) == 1 for ear in hall.ears)


ROOMS, EARS = 3, 4
steps = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), st.integers(0, EARS - 1), st.integers(0, ROOMS - 1)),
        st.tuples(st.just("leave"), st.integers(0, EARS - 1), st.integers(0, ROOMS - 1)),
        st.tuples(st.just("publish"), st.integers(0, ROOMS - 1)),
        st.tuples(st.just("send"), st.integers(0, EARS - 1)),
        st.tuples(st.just("turn")),
    ),
    max_size=40,
)


@settings(max_examples=400, deadline=None)
@given(steps)
def test_everybody_hears_what_they_would_without_it(steps):
    """Against sending everything at once: each room's frames in their order, and whatever was sent to one alone in its
    place among all that this one hears."""
    hall, plain = Hall(ROOMS, EARS), [[] for _ in range(EARS)]
    members = [set() for _ in range(ROOMS)]
    for n, (step, *what) in enumerate(steps):
        if step == "enter":
            hall.enter(*what)
            members[what[1]].add(what[0])
        elif step == "leave":
            hall.leave(*what)
            members[what[1]].discard(what[0])
        elif step == "publish":
            hall.publish(what[0], b"%d:%d " % (what[0], n))
            for ear in members[what[0]]:
                plain[ear].append((what[0], n))
        elif step == "send":
            hall.send(what[0], b"-:%d " % n)
            plain[what[0]].append(("-", n))
        else:
            hall.loop.run()
    hall.loop.run()

    for ear, expected in enumerate(plain):
        pairs = [item.split(b":") for item in hall.ears[ear].heard.split()]
        heard = [(room.decode() if room == b"-" else int(room), int(n)) for room, n in pairs]
        assert sorted(heard, key=lambda item: item[1]) == expected, "all of it, once"
        for room in range(ROOMS):
            assert [item for item in heard if item[0] == room] == [item for item in expected if item[0] == room]
        for place, item in enumerate(heard):
            if item[0] == "-":
                assert set(heard[:place]) == set(expected[: expected.index(item)]), "its place among everything"


def test_an_acknowledgement_stands_where_it_was_made_among_the_broadcasts(world):
    """Through the whole path: published, answered, published, in one turn."""
    peer, other = world.member("room"), world.member("room")

    def post(sid, n):
        world.publish("room", n)
        return n

    world.chat.handlers["post"] = post
    peer.send('42/chat,1["post",1]')
    peer.send('42/chat,2["post",2]')
    world.loop.run()

    assert texts(peer) == ['42/chat,["n",1]', "43/chat,1[1]", '42/chat,["n",2]', "43/chat,2[2]"]
    assert texts(other) == ['42/chat,["n",1]', '42/chat,["n",2]']


def test_nobody_hears_what_was_published_before_they_entered_in_the_same_turn(world):
    early, late = world.member("room"), world.member()
    world.publish("room", 1)
    world.fanout.enter(late.sid, "room")
    world.publish("room", 2)
    world.fanout.leave(early.sid, "room")
    world.publish("room", 3)
    world.loop.run()

    assert [json.loads(text[8:])[1] for text in texts(early)] == [1, 2]
    assert [json.loads(text[8:])[1] for text in texts(late)] == [2, 3]


def test_whoever_wants_to_know_hears_when_all_that_was_published_has_been_written():
    hall, heard = Hall(1, 1), []
    note = lambda: heard.append(hall.ears[0].heard)  # noqa: E731
    hall.enter(0, 0)

    hall.coalescer.afterwards(note)
    assert heard == [b""], "nothing waits"
    hall.publish(0, b"a")
    hall.coalescer.afterwards(note)
    hall.publish(0, b"b")
    assert len(heard) == 1
    hall.loop.run()

    assert heard == [b"", b"ab"]
    hall.publish(0, b"c")
    hall.loop.run()
    assert len(heard) == 2
