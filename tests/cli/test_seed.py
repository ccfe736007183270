import re
from datetime import timedelta
from random import Random

import pytest
from sqlalchemy import func, select

from chat.accounts.actions import sign_in
from chat.accounts.passwords import hash_password
from chat.accounts.queries import everyone, user_by_username
from chat.cli import tidewater
from chat.core.clock import now
from chat.core.db import db
from chat.messages.models import Edit, Mention, Message
from chat.messages.queries import newest, unread_counts
from chat.rooms.actions import found_community
from chat.rooms.models import Room
from chat.rooms.queries import members
from chat.site.queries import the_site
from chat.streams import log
from chat.streams.models import Entry


@pytest.fixture(scope="module")
def seeded(empty):
    result = empty.test_cli_runner().invoke(args=["seed"])
    assert result.exit_code == 0, result.output
    return result.output


def rooms():
    return {room.name: room for room in db.session.scalars(select(Room))}


def texts():
    return db.session.scalars(select(Message.text)).all()


def test_it_says_how_to_sign_in(seeded):
    password = re.search(r"The password of all is: (\S+)", seeded)[1]

    assert "12 people wrote 5,000 messages in 8 rooms" in seeded
    for person in tidewater.PEOPLE:
        assert person.username in seeded
        assert person.name in seeded
    assert sign_in("mirela", password)
    assert sign_in("noa", password)


def test_there_are_twelve_people_eight_rooms_and_five_thousand_messages(seeded):
    assert the_site().name == "Tidewater"
    assert len(everyone()) == 12
    assert user_by_username("amara").role == "owner"
    assert len(rooms()) == 8
    assert [room.name for room in rooms().values() if room.is_private] == ["ports-and-permits"]
    assert [room.name for room in rooms().values() if room.archived_at] == ["incident-harbour-gateway-outage"]
    assert db.session.scalar(select(func.count()).select_from(Message)) == 5000


def test_everyone_wrote_only_where_they_are_members(seeded):
    for room in rooms().values():
        authors = set(db.session.scalars(select(Message.author_id).where(Message.room_id == room.id)))
        assert authors <= {membership.user_id for membership in members(room)}


def test_messages_are_everything_that_a_message_can_be(seeded):
    html = "".join(db.session.scalars(select(Message.html)))
    for part in (
        '<pre class="code"', '<span class="k">', "<table>", "<blockquote>", "<ol>", "<ul>", 'type="checkbox"',
        'class="mention"', 'class="mention mention--room"', 'class="mention mention--all"', 'target="_blank"', "🎉",
    ):  # fmt: skip
        assert part in html, part
    assert any(2000 <= len(text.split()) <= 2100 for text in texts())
    assert any(re.search("[\u0600-\u06ff]{4}", text) for text in texts())
    assert any(text == "🌊🧭🌊" for text in texts())
    assert not any(re.search(tidewater.SLOT, text) for text in texts())
    assert db.session.scalar(select(func.count()).select_from(Mention)) > 50


def test_some_are_edited_and_some_deleted_as_people_would(seeded):
    edited = db.session.scalars(select(Message).where(Message.edited_at.is_not(None))).all()
    deleted = db.session.scalars(select(Message).where(Message.deleted_at.is_not(None))).all()

    assert len(edited) > 20
    assert len(deleted) > 10
    for message in edited:
        assert message.rev == 2
        assert message.v > message.seq
        assert db.session.get(Edit, (message.id, 1)).text != message.text
    for message in deleted:
        assert message.v > message.seq
        assert (message.text, message.html, message.mentions) == ("", "", [])


def test_times_go_up_with_the_numbers_and_end_now(seeded):
    for room in rooms().values():
        times = db.session.scalars(
            select(Message.created_at).where(Message.room_id == room.id).order_by(Message.seq)
        ).all()
        assert times == sorted(times)
        assert times[0] > room.created_at
        assert times[-1] < now()
    first, last = db.session.execute(select(func.min(Message.created_at), func.max(Message.created_at))).one()
    assert now() - last < timedelta(hours=1)
    assert timedelta(days=35) < now() - first < timedelta(days=45)


def test_the_bulk_wrote_no_entries_and_nobody_can_resume_from_before_it(seeded):
    for room in rooms().values():
        head, floor = log.head_and_floor(room.stream)
        newest_ones, _ = newest(room)
        assert floor < head
        assert newest_ones[-1].seq > floor, "what happened last was done by the actions, with entries"
        assert log.since(room.stream, floor - 1) is None
        assert len(log.since(room.stream, floor)) == head - floor
        assert db.session.scalar(select(func.max(Message.v)).where(Message.room_id == room.id)) <= head
    assert db.session.scalar(select(func.count()).select_from(Entry)) < 500


def test_everything_made_now_is_dated_then(seeded):
    streams = [room.stream for room in rooms().values()]
    lines = db.session.scalars(
        select(Entry).where(Entry.stream.in_(streams), Entry.kind.in_(["created", "joined", "topic"]))
    )
    assert all(now() - entry.created_at > timedelta(days=40) for entry in lines)
    assert all(now() - user.created_at > timedelta(days=40) for user in everyone())


def test_most_is_read_and_something_waits(seeded):
    mirela = unread_counts(user_by_username("mirela").id)
    waiting = [unread for _, unread, _ in mirela.values()]

    assert 0 < sum(waiting) < 100
    assert 0 in waiting
    assert sum(mentions for *_, mentions in mirela.values()) > 0
    for user in everyone():
        assert sum(unread for _, unread, _ in unread_counts(user.id).values()) < 100


def test_the_page_of_each_room_opens(seeded, empty):
    empty.config["WTF_CSRF_ENABLED"] = False
    browser = empty.test_client()
    browser.post("/login", data={"login": "mirela", "password": seeded.split("The password of all is: ")[1].strip()})
    for room in rooms().values():
        assert browser.get(room.path).status_code == 200, room.name


def test_it_refuses_a_community_that_has_people(seeded, empty):
    result = empty.test_cli_runner().invoke(args=["seed"])

    assert result.exit_code == 1
    assert "There is a community here already" in result.output
    assert len(everyone()) == 12


def test_whoever_has_just_founded_theirs_gets_company_and_stays_the_owner(app, nobody_here):
    words = "four odd tide gauges"
    found_community("Harbour", name="Ada", username="ada", email="ada@example.org", password_hash=hash_password(words))
    result = app.test_cli_runner().invoke(args=["seed", "--password-stdin"], input=words + "\n")

    assert result.exit_code == 0, result.output
    assert the_site().name == "Harbour"
    assert [user.username for user in everyone() if user.role == "owner"] == ["ada"]
    assert len(unread_counts(user_by_username("ada").id)) == 8
    assert sign_in("amara", words)


def test_it_leaves_the_cast_of_the_tests_alone(app):
    before = len(everyone())
    result = app.test_cli_runner().invoke(args=["seed"])

    assert result.exit_code == 1
    assert len(everyone()) == before


def test_a_weak_password_is_refused_before_anything_is_made(app, nobody_here):
    result = app.test_cli_runner().invoke(args=["seed", "--password-stdin"], input="1234567890\n")

    assert result.exit_code == 1
    assert "easy to guess" in result.output
    assert the_site() is None


def test_without_tables_it_says_what_to_do(app):
    db.drop_all()
    db.session.remove()
    result = app.test_cli_runner().invoke(args=["seed"])

    assert result.exit_code == 1
    assert "flask --app app db upgrade" in result.output


def test_it_tells_the_same_story_each_time():
    exchange = tidewater.exchanges(tidewater.TALK["general"])[0]
    assert exchange[0] == ("amara", "Good morning. The kettle works again.")
    assert tidewater.filled("{gauge} {port} {gauge}", Random(1)) == tidewater.filled(
        "{gauge} {port} {gauge}", Random(1)
    )
    first, _, third = tidewater.filled("{gauge} {n} {gauge}", Random(1)).split()
    assert first == third
