def test_what_one_says_the_other_sees(server):
    alice, bob = server.connect("alice"), server.connect("bob")
    room = next(int(name[5:]) for name in alice.hello["streams"] if name.startswith("room:"))

    answer = alice.emit("message", {"room": room, "text": "Is this thing on?", "key": "k1"})

    frame = bob.wait_for("message")
    assert frame["message"] == answer["message"]
    assert frame["seq"] == frame["message"]["seq"]
    alice.close(), bob.close()
