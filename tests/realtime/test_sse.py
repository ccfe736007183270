"""The frames of a websocket as server-sent events: resumed, kept in order, and ended like any other connection."""

import pytest

from chat.accounts.actions import end_other_sessions
from chat.core.db import db
from chat.core.transaction import transaction
from chat.realtime import sse
from chat.rooms.actions import add_member, change_room, create_room, join_room, mark_read, remove_member
from chat.site.models import Site
from tests.events import EventClient
from tests.factories import say


@pytest.fixture
def browser(sign_in, bob):
    return sign_in(bob)


@pytest.fixture
def follow(browser):
    """follow(query, last_id=…) → an EventClient of bob's."""
    opened = []

    def follow(query="", **options):
        opened.append(EventClient(browser, query, **options))
        return opened[-1]

    yield follow
    for client in opened:
        client.close()


@pytest.fixture
def connections(app):
    return app.extensions["live"].connections


@pytest.fixture
def streams(app):
    return app.extensions["event_streams"]


# What comes


def test_a_stream_begins_with_hello_and_how_to_treat_it(follow, bob, general, app):
    stream = follow()

    [(event, hello)] = stream.seen
    assert (event, hello["user"]) == ("hello", bob.id)
    assert set(hello["streams"]) == {general.stream, f"user:{bob.id}", "site"}
    assert stream.id == f"{hello['epoch']}.u{bob.id}-1.s5.{general.id}-{hello['streams'][general.stream]}"
    assert stream.retry == 2000
    headers = stream.answer.headers
    assert headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert (headers["Cache-Control"], headers["X-Accel-Buffering"]) == ("no-store", "no")


def test_it_brings_what_a_websocket_brings(follow, live, alice, bob, general):
    stream, socket = follow(), live(bob)
    stream.received()

    say(alice, general, "Is this thing on?\r\n\nid: 7\ndata: no")
    mark_read(bob, general, 3)
    change_room(alice, general, name="general", topic="Everyone", description="")
    create = create_room(alice, "dunes")
    add_member(alice, create, bob)

    assert stream.received() == socket.received()


def test_only_the_rooms_that_were_named_come_with_ones_own_and_the_communitys(follow, alice, bob, general, secret):
    stream = follow(f"?rooms={secret.id}")

    say(alice, general, "Not for this stream")
    say(alice, secret, "For this stream")
    mark_read(bob, general, 3)

    assert stream.said() == ["For this stream"]
    assert general.stream not in stream.stream.cursors
    add_member(alice, create_room(alice, "dunes", kind="private"), bob)
    assert [event for event, _ in stream.received()] == ["me"]


def test_without_names_a_room_that_one_comes_into_is_followed_from_then_on(follow, alice, bob):
    stream = follow()
    stream.received()
    dunes = create_room(alice, "dunes", kind="private")
    say(alice, dunes, "Before bob")

    add_member(alice, dunes, bob)
    say(alice, dunes, "Welcome")

    events = [(event, payload.get("head")) for event, payload in stream.received()]
    assert events == [("me", None), ("subscribed", 4), ("message", None)]
    assert f".{dunes.id}-5" in stream.id


def test_silence_is_broken_by_comments(follow, monkeypatch):
    monkeypatch.setattr(sse, "SILENCE", 0.01)
    stream = follow()

    stream.feed(next(stream.chunks))
    stream.feed(next(stream.chunks))

    assert stream.comments == 2
    assert [event for event, _ in stream.seen] == ["hello"]


def test_an_idle_stream_holds_no_connection_to_the_database(follow):
    stream = follow()
    stream.received()
    db.session.rollback()

    assert db.engine.pool.checkedout() == 0


# Resuming


def test_a_stream_goes_on_after_the_last_id(follow, alice, general):
    first = follow()
    say(alice, general, "1")
    assert first.received("message")
    first.close()
    say(alice, general, "2")
    say(alice, general, "3")

    second = follow(last_id=first.id)
    say(alice, general, "4")

    assert second.said() == ["2", "3", "4"]
    second.close()
    assert follow(last_id=second.id).said() == []


def test_an_id_that_is_not_the_newest_repeats_and_misses_nothing(follow, alice, general):
    stream = follow()
    ids = []
    for n in range(5):
        ids.append(stream.id)
        say(alice, general, str(n))
        stream.received()
    stream.close()

    for n, id in enumerate(ids):
        assert follow(last_id=id).said() == [str(i) for i in range(n, 5)]


def test_much_that_was_missed_comes_page_by_page_with_an_id_after_each_piece(follow, pad, alice, general):
    stream = follow()
    first = say(alice, general, "x" * 3000)
    stream.received()
    stream.close()
    pad(first, 1200)

    again = follow(last_id=stream.id)
    numbers, ids = [], set()
    while again.stream.line or again.stream.missing:
        again.feed(next(again.chunks))
        ids.add(again.id)
        numbers += [payload["seq"] for event, payload in again.seen if event == "message"]
        again.seen.clear()

    assert numbers == list(range(first.seq + 1, first.seq + 1201))
    assert len(ids) > 10
    assert again.id.endswith(f".{general.id}-{numbers[-1]}")


def test_what_comes_meanwhile_comes_behind_what_was_missed(follow, alice, general):
    stream = follow()
    stream.close()
    say(alice, general, "missed")

    again = follow(last_id=stream.id)
    say(alice, general, "live")

    assert again.stream.held, "the new one waits"
    assert again.said() == ["missed", "live"]
    assert not any(again.stream.held.values())
    assert again.stream.owed == 0


def test_however_much_comes_meanwhile_all_of_it_comes(follow, alice, general):
    stream = follow()
    stream.close()
    say(alice, general, "missed")

    again = follow(last_id=stream.id)
    for n in range(20):
        say(alice, general, f"{n} " + "x" * 15_000)

    assert sum(map(len, again.stream.held[general.stream].values())) > sse.PAGE_BELOW
    assert [text.split()[0] for text in again.said()] == ["missed", *map(str, range(20))]
    assert again.stream.owed == 0


def test_what_the_fan_out_lost_is_read_from_the_log(follow, app, alice, general):
    stream, fanout = follow(), app.extensions["live"].chat
    stream.received()
    fanout.leave(stream.stream.connection.sid, general.stream)
    say(alice, general, "lost")
    fanout.enter(stream.stream.connection.sid, general.stream)

    say(alice, general, "and not lost")

    assert stream.said() == ["lost", "and not lost"]


def test_too_large_a_gap_resets_that_room_and_goes_on_from_its_head(follow, pad, alice, bob, general, secret):
    stream = follow()
    stream.close()
    pad(say(alice, general, "x"), 2001)
    say(alice, secret, "Still here")

    again = follow(last_id=stream.id)
    frames = again.received()
    say(alice, general, "From here on")

    assert ("reset", {"stream": general.stream, "reason": "gap"}) in frames
    assert [p["message"]["text"] for event, p in frames if event == "message"] == ["Still here"]
    assert again.said() == ["From here on"]
    again.close()
    say(alice, general, "And on")
    assert follow(last_id=again.id).said() == ["And on"]


@pytest.mark.parametrize("change", ["another epoch", "not an id", "somebody else's", "too long"])
def test_an_id_that_means_nothing_here_resets_everything_and_the_stream_goes_on(follow, alice, general, change):
    stream = follow()
    id = {
        "another epoch": "another." + stream.id.partition(".")[2],
        "not an id": "../../etc/passwd",
        "somebody else's": stream.id.replace(".u", ".u9"),
        "too long": stream.id + ".1-1" * 2000,
    }[change]

    again = follow(last_id=id)
    assert again.received()[1:] == [("reset", {"stream": "*", "reason": "epoch"})]
    say(alice, general, "Go on")
    assert again.said() == ["Go on"]


def test_an_id_of_before_ones_membership_resets_the_room(follow, alice, bob, secret):
    stream = follow()
    say(alice, secret, "seen")
    stream.received()
    stream.close()
    remove_member(alice, secret, bob)
    say(alice, secret, "among ourselves")
    add_member(alice, secret, bob)

    again = follow(last_id=stream.id).received()

    assert ("reset", {"stream": secret.stream, "reason": "gap"}) in again
    assert "among ourselves" not in str(again)


def test_the_id_of_fifty_large_rooms_fits_a_header(follow, general):
    stream = follow().stream
    stream.sent = {"site": 2**53 - 1, "user:999999999": 2**53 - 1}
    stream.sent |= {f"room:{10**9 - n}": 2**53 - 1 for n in range(1, 51)}

    assert len(stream._id()) <= 4096
    assert sse.parse_id(stream._id().decode(), 999_999_999) == (stream.epoch, stream.sent)


def test_an_id_that_would_not_fit_is_left_out(follow, alice, general):
    client = follow()
    before = client.id
    client.stream.sent |= {f"room:{10**9 - n}": 2**53 - 1 for n in range(1, 300)}

    say(alice, general, "Many rooms")

    assert client.said() == ["Many rooms"]
    assert client.id == before


# Rooms that one is not in


def test_whoever_is_removed_is_told_and_gets_nothing_newer(follow, alice, bob, secret):
    stream = follow(f"?rooms={secret.id}")
    say(alice, secret, "Before")
    remove_member(alice, secret, bob)
    say(alice, secret, "Among ourselves")

    frames = stream.received()
    assert ("gone", {"stream": secret.stream, "reason": "membership"}) in frames
    assert "Among ourselves" not in str(frames)
    assert f".{secret.id}-" not in stream.id
    add_member(alice, secret, bob)
    say(alice, secret, "Welcome back")
    frames = stream.received()
    assert [name for name, payload in frames if payload["stream"] == secret.stream] == ["subscribed", "message"]
    assert "Among ourselves" not in str(frames)


def test_a_room_one_may_not_see_is_gone_exactly_like_one_that_never_was(follow, alice, general):
    hidden = create_room(alice, "hidden", kind="private")

    stream = follow(f"?rooms={hidden.id},99,{general.id}")

    assert {payload["stream"] for payload in stream.received("gone")} == {hidden.stream, "room:99"}
    say(alice, hidden, "Not for bob")
    say(alice, general, "For bob")
    assert stream.said() == ["For bob"]


def test_a_room_that_was_named_is_followed_once_one_is_in_it(follow, alice, bob):
    dunes = create_room(alice, "dunes")
    stream = follow(f"?rooms={dunes.id}")
    stream.received()

    join_room(bob, dunes)
    say(alice, dunes, "Hello")

    assert stream.said() == ["Hello"]


# The end


def test_a_session_that_ends_ends_its_streams_after_what_was_sent(follow, connections, alice, bob, general):
    stream = follow()
    say(alice, general, "Before")
    end_other_sessions(bob)
    say(alice, general, "newer")

    frames = stream.received()
    assert [name for name, _ in frames if name != "hello"] == ["message", "bye"]
    assert frames[-1] == ("bye", {"reason": "revoked", "after_ms": 0})
    assert stream.has_ended
    stream.close()
    assert not connections.of(bob.id)


def test_a_restart_says_when_to_come_back_and_ends(follow, browser, app, streams):
    stream = follow()
    app.extensions["live"].stop(quick=True)

    bye = stream.received("bye")[0]
    assert bye["reason"] == "restart"
    assert stream.retry == max(bye["after_ms"], 1)
    assert stream.has_ended
    stream.close()
    assert len(streams) == 0
    answer = browser.get("/api/v1/events")
    assert (answer.status_code, answer.json["code"], answer.headers["Retry-After"]) == (503, "busy", "1")


def test_whoever_comes_while_the_process_begins_to_stop_is_sent_away(browser, app, streams, monkeypatch):
    live = app.extensions["live"]
    welcome = live.subscriptions.welcome
    monkeypatch.setattr(
        live.subscriptions, "welcome", lambda connection: (welcome(connection), live.stop(quick=True))[0]
    )

    assert browser.get("/api/v1/events").json["code"] == "busy"
    assert len(streams) == len(live.connections) == 0


def test_another_epoch_ends_it_with_a_reset(follow, pump, alice, general):
    stream = follow()
    with transaction():
        db.session.get(Site, 1).epoch = "another"
    pump.poll()

    assert stream.received()[-1] == ("reset", {"stream": "*", "reason": "epoch"})
    assert stream.has_ended


def test_whoever_does_not_read_is_cut_at_a_mebibyte(follow, streams, alice, bob, general, connections):
    stream = follow()
    for _ in range(40):
        say(alice, general, "x" * 20_000)

    assert stream.stream.is_cut
    assert stream.stream.owed <= sse.MOST_OWED + 100_000
    assert stream.has_ended
    stream.close()
    assert not connections.of(bob.id)
    assert len(streams) == 0


def test_whoever_takes_too_long_to_read_is_cut(follow, streams, monkeypatch):
    stream = follow().stream
    streams.sweep()
    assert not stream.is_cut

    monkeypatch.setattr(sse, "MOST_SECONDS", -1)
    streams.sweep()

    assert stream.is_cut


def test_a_stream_that_is_closed_leaves_nothing_behind(follow, app, connections, pump, bob):
    fanout = app.extensions["live"].chat
    follow().close()

    assert not connections.of(bob.id)
    assert not pump.follows or not any(follow.subscriptions for follow in pump.follows.values())
    assert not fanout._readers
    assert not fanout._reading


# How many


def test_one_person_may_have_twenty_and_the_process_a_thousand(follow, browser, streams, monkeypatch):
    opened = [follow() for _ in range(sse.MOST_OF_A_PERSON)]

    answer = browser.get("/api/v1/events")
    assert (answer.status_code, answer.json["code"]) == (429, "rate_limited")
    opened[0].close()
    follow()

    monkeypatch.setattr(sse, "MOST", 20)
    answer = browser.get("/api/v1/events")
    assert (answer.status_code, answer.json["code"]) == (503, "busy")
    assert len(streams) == 20
