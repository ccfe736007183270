import pytest
from sqlalchemy import func, select

from chat.accounts.queries import everyone
from chat.core.db import db
from chat.messages.models import Message
from chat.messages.queries import newest, unread_counts
from chat.rooms.queries import members, public_room_named
from chat.streams import log
from tests.factories import say


@pytest.fixture
def flood(app):
    def run(*args):
        return app.test_cli_runner().invoke(args=["flood", *map(str, args)])

    return run


def count(room):
    return db.session.scalar(select(func.count()).where(Message.room_id == room.id))


def test_a_room_is_filled_as_one_change(flood, general, alice):
    first = say(alice, general, "The first")
    before = log.heads([general.stream])[general.stream]
    result = flood("--room", "general", "--messages", 500, "--people", 3)

    assert result.exit_code == 0, result.output
    assert "#general has 500 messages more" in result.output
    assert count(general) == 501
    assert log.head_and_floor(general.stream) == (before + 500, before + 500)
    times = db.session.scalars(select(Message.created_at).order_by(Message.seq)).all()
    assert times == sorted(times)
    assert times[0] == first.created_at


def test_what_was_poured_in_is_read_but_for_the_last_few(flood, general, alice):
    flood("--room", "general", "--messages", 300, "--people", 4)

    assert 0 < unread_counts(alice.id)[general.id][1] <= 20


def test_all_of_it_can_be_left_unread(flood, general, carol):
    flood("--room", "general", "--messages", 300, "--people", 4, "--unread")

    assert unread_counts(members(general)[0].user_id)[general.id][1] > 100


def test_a_room_and_people_that_are_missing_are_made(flood, ada):
    before = len(everyone())
    result = flood("--room", "crowded", "--messages", 200, "--people", 12)
    room = public_room_named("crowded")

    assert result.exit_code == 0, result.output
    assert len(members(room)) == 12
    assert len(everyone()) == before + 11, "the owner of the community owns the room and writes, too"
    flood("--room", "crowded", "--messages", 10, "--people", 12)
    assert len(everyone()) == before + 11
    assert count(room) == 210


def test_at_a_rate_each_is_posted_as_people_post_it(flood, general, live, bob):
    client = live(bob)
    client.received()
    result = flood("--room", "general", "--messages", 5, "--rate", 1000, "--people", 2)

    assert result.exit_code == 0, result.output
    assert "Posted 5 messages to #general" in result.output
    assert [change for _, change, _ in client.frames()] == ["posted"] * 5


def test_a_client_that_follows_the_room_is_told_to_load_it_anew(flood, app, general, live, bob):
    client = live(bob)
    cursor = client.hello["streams"][general.stream]
    flood("--room", "general", "--messages", 50)
    app.extensions["live"].pump.poll()

    head = log.heads([general.stream])[general.stream]
    assert client.received("subscribed")[-1] == {"stream": general.stream, "head": head}
    answer = client.emit("resume", {"epoch": client.hello["epoch"], "streams": {general.stream: cursor}})
    assert answer["streams"][general.stream] == {"reset": True}


def test_what_it_writes_looks_like_people(flood, general):
    flood("--room", "general", "--messages", 400)

    messages, _ = newest(general)
    assert len({message.text for message in messages}) > 30
    assert len({message.author_id for message in messages}) > 1
    assert all(message.html.startswith("<") for message in messages)


@pytest.mark.parametrize("args", [["--messages", 5], ["--room", "general"], ["--room", "general", "--messages", 0]])
def test_what_makes_no_sense_is_refused(flood, args):
    assert flood(*args).exit_code == 2


def test_without_a_community_it_says_what_to_do(flood, nobody_here):
    result = flood("--room", "general", "--messages", 5)

    assert result.exit_code == 1
    assert "flask --app app seed" in result.output
