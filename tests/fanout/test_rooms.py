import json

import pytest

from chat.fanout import coalescer, rooms
from chat.fanout.coalescer import Room
from tests.fanout.conftest import texts


def heard(peer):
    return [json.loads(text[8:])[1] for text in texts(peer) if text.startswith('42/chat,["n"')]


def test_a_room_is_who_entered_it_and_nobody_else(world):
    alice, bob, carol = world.member("one"), world.member("one", "two"), world.member()
    world.publish("one", 1), world.publish("two", 2), world.publish("nobody's", 3)
    world.loop.run()

    assert [heard(peer) for peer in (alice, bob, carol)] == [[1], [1, 2], []]


def test_a_room_exists_while_somebody_is_in_it(world):
    alice, bob = world.member("one"), world.member("one")
    world.fanout.leave(alice.sid, "one")
    assert ("/chat", "one") in world.server.manager.named
    world.fanout.leave(bob.sid, "one")
    world.fanout.leave(bob.sid, "one")

    assert not world.server.manager.named and alice.transport.rooms == bob.transport.rooms == ()


def test_entering_twice_is_entering_once(world):
    alice = world.member("one", "one")
    world.publish("one", 1)
    world.loop.run()
    assert heard(alice) == [1] and len(alice.transport.rooms) == 1

    world.fanout.leave(alice.sid, "one")
    world.publish("one", 2)
    world.loop.run()
    assert heard(alice) == []


def test_rooms_of_the_same_name_in_two_namespaces_are_two(world):
    alice = world.member("one")
    alice.send("40/presence,")
    world.loop.run()
    presence = alice.transport.sids["/presence"]
    world.server.enter_room(presence, "one", namespace="/presence")
    texts(alice)
    world.publish("one", 1)
    world.loop.run()
    assert texts(alice) == ['42/chat,["n",1]']

    alice.send("41/chat,")
    world.loop.run()
    assert ("/chat", "one") not in world.server.manager.named and ("/presence", "one") in world.server.manager.named


def test_who_is_gone_enters_nothing(world):
    """It may have left between being asked for and being looked at."""
    world.fanout.enter("no such sid", "one")

    assert not world.server.manager.named


def test_a_room_named_like_somebodys_sid_is_that_connection_alone(world):
    alice, bob = world.member(), world.member()
    world.fanout.send(alice.sid, "n", 1)
    world.loop.run()

    assert (heard(alice), heard(bob)) == ([1], [])


def test_what_is_published_is_encoded_and_framed_once(world, monkeypatch):
    peers, encoded, framed = [world.member("one") for _ in range(20)], [], []
    dumps, frame = rooms.orjson.dumps, rooms.frame
    monkeypatch.setattr(rooms, "orjson", type("Counted", (), {"dumps": lambda v: encoded.append(1) or dumps(v)}))
    monkeypatch.setattr(rooms, "frame", lambda payload: framed.append(1) or frame(payload))
    world.publish("one", 1)
    world.loop.run()

    assert len(encoded) == len(framed) == 1
    assert [heard(peer) for peer in peers] == [[1]] * 20


@pytest.mark.parametrize("others", [5, 50])
def test_leaving_costs_ones_own_rooms_and_not_everybodys(world, monkeypatch, others):
    """Two rooms of one's own, among as many rooms and people as there may be: two rooms are touched."""
    touched = []

    class CountedMembers(dict):
        def pop(self, *key):
            touched.append("pop")
            return super().pop(*key)

        def __iter__(self):
            touched.append("walk")
            return super().__iter__()

    monkeypatch.setattr(
        Room, "__init__", lambda self, namespace, name: [setattr(self, n, v) for n, v in
        (("namespace", namespace), ("name", name), ("members", CountedMembers()))] and None
    )  # fmt: skip
    peers = [world.member(f"room {n}", "everybody") for n in range(others)]
    alice = world.member("room 0", "everybody")
    world.loop.run()
    touched.clear()
    alice.close()
    world.loop.run()

    assert touched == ["pop", "pop"]
    assert (
        len(world.engine.sockets) == others
        and peers[0].transport in world.server.manager.named["/chat", "room 0"].members
    )


def test_whoever_has_ended_hears_nothing_and_holds_nothing_up(world):
    alice, bob = world.member("one"), world.member("one")
    alice.transport.lost()  # its rooms are left a moment later, in a green thread
    world.publish("one", 1)
    world.loop.run()

    assert heard(bob) == [1] and list(world.server.manager.named["/chat", "one"].members) == [bob.transport]


def test_the_rest_of_python_socketio_keeps_its_place_behind_what_was_published(world):
    """Callbacks, several rooms and skipping are nothing Parley does; an extension that does them gets what it asks."""
    alice, bob = world.member("one"), world.member("one", "two")
    world.publish("one", 1)
    world.server.emit("n", 2, room="one", skip_sid=alice.sid, namespace="/chat")
    world.server.emit("n", 3, room=["one", "two"], namespace="/chat")
    world.loop.run()

    assert heard(alice) == [1, 3] and heard(bob) == [1, 2, 3]


def test_python_socketios_questions_about_rooms_are_answered(world):
    alice, bob = world.member("one", "two"), world.member("two")
    ask = world.server.manager

    assert set(world.server.rooms(alice.sid, namespace="/chat")) == {alice.sid, "one", "two"}
    assert {sid for sid, _ in ask.get_participants("/chat", "two")} == {alice.sid, bob.sid}
    assert {sid for sid, _ in ask.get_participants("/chat", None)} == {alice.sid, bob.sid}
    assert [sid for sid, _ in ask.get_participants("/chat", bob.sid)] == [bob.sid]
    world.server.close_room("two", namespace="/chat")
    assert not list(ask.get_participants("/chat", "two")) and len(alice.transport.rooms) == 1


def test_everybody_in_a_room_is_written_to_in_one_walk(world, monkeypatch):
    walks = []
    real = coalescer.fan_out
    monkeypatch.setattr(
        coalescer, "fan_out", lambda transports, data: walks.append(len(transports)) or real(transports, data)
    )
    for _ in range(30):
        world.member("one")
    for n in range(10):
        world.publish("one", n)
    world.loop.run()

    assert walks == [30]
