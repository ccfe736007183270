"""What search finds rarely or never: each rule of the delivery model once, in process, with the cut exactly where it
hurts.

`elsewhere` commits as another process would: nothing is handed over, and the pump learns of it from the log.
"""

from contextlib import contextmanager

import pytest
from sqlalchemy import delete, update

from chat import wiring
from chat.accounts.actions.sessions import end_other_sessions
from chat.core.db import db
from chat.core.transaction import transaction
from chat.messages.actions import delete_message, edit_message
from chat.realtime import subscriptions
from chat.rooms.actions import add_member, leave_room, mark_read, remove_member
from chat.site.models import Site
from chat.streams import log
from chat.streams.models import Entry, Stream
from tests.factories import person, room, say
from tests.system.page import Page


class Nobody:
    """The pump of a process that serves nobody."""

    def capture(self, event, transaction):
        pass

    def wake(self, event, transaction):
        pass


@pytest.fixture
def pump(app):
    return app.extensions["live"].pump


@pytest.fixture
def elsewhere():
    """with elsewhere(): what is done inside, another process does."""

    @contextmanager
    def elsewhere():
        wiring.attach(Nobody())
        try:
            yield
        finally:
            wiring.attach()

    return elsewhere


@pytest.fixture
def during(app, monkeypatch):
    """during(module, name, action): the next call of that query is followed, before its caller goes on, by
    `action()`."""

    def during(module, name, action):
        query, waiting = getattr(module, name), [action]

        def cut(*args, **options):
            found = query(*args, **options)
            if waiting:
                act = waiting.pop()
                with app.app_context():
                    act()
            return found

        monkeypatch.setattr(module, name, cut)

    return during


def in_secret(action, *people):
    """action(alice, the secret room, …people), in a context of its own."""
    secret = db.session.get(type(room("general")), in_secret.id)
    return action(person("alice"), secret, *(person(name) for name in people))


@pytest.fixture(autouse=True)
def where(secret):
    in_secret.id = secret.id


def post(text):
    return lambda: in_secret(lambda alice, secret: say(alice, secret, text))


def texts(client):
    return [p["message"]["text"] for name, p in client.received() if name == "message"]


def prune(stream):
    """Forget all entries up to the head."""
    head = log.heads([stream])[stream]
    with transaction():
        db.session.execute(update(Stream).where(Stream.name == stream).values(floor=head))
        db.session.execute(delete(Entry).where(Entry.stream == stream))


def resume(client, streams, **more):
    epoch = client.hello["epoch"]
    answer = client.emit("resume", {"epoch": epoch, "streams": streams, **more})
    assert answer["ok"], answer
    return answer["streams"]


# ---- subscribing: register, read, activate ---------------------------------------------------------------------------


@pytest.fixture
def beside(pump, monkeypatch):
    """The pump makes subscriptions anew beside its other work. Here that waits until `beside()`: what is sent before
    has to be right without it."""
    waiting, reconcile = [], pump.reconcile
    monkeypatch.setattr(pump, "reconcile", lambda *args: waiting.append(args))

    def beside():
        while waiting:
            reconcile(*waiting.pop(0))

    beside.reconcile = reconcile
    return beside


@pytest.fixture
def subscribing(pump, elsewhere, during, beside, bob, alice, secret):
    """subscribing(action): bob was added elsewhere; he is being subscribed, and after his membership was read
    `action()` happens."""

    def subscribing(action):
        with elsewhere():
            add_member(alice, secret, bob)
        during(subscriptions, "joined_numbers", action)
        beside.reconcile(client_connection(pump, bob), secret.id)

    remove_member(alice, secret, bob)
    return subscribing


def test_who_is_removed_while_being_subscribed_gets_nothing(subscribing, live, bob, alice, secret):
    client = live(bob)
    subscribing(lambda: in_secret(remove_member, "bob"))

    say(alice, secret, "bob is out again")

    assert texts(client) == []


def test_who_is_removed_and_added_while_being_subscribed_gets_everything(subscribing, live, pump, bob, alice, secret):
    """noretry"""
    client = live(bob)
    subscribing(lambda: [in_secret(remove_member, "bob"), in_secret(add_member, "bob")])

    say(alice, secret, "bob is back")

    assert texts(client) == ["bob is back"]
    newest = log.heads([secret.stream])[secret.stream] - 1
    assert pump.active(secret.stream, client_connection(pump, bob)).joined == newest


def test_a_removal_older_than_the_membership_ends_nothing(live, pump, bob, alice, secret, elsewhere, beside):
    """oldleave"""
    client = live(bob)
    with elsewhere():
        remove_member(alice, secret, bob)
        add_member(alice, secret, bob)
    resume(client, {}, all=True)  # the subscription now stands for the new membership, and the pump is behind

    pump.poll()
    say(alice, secret, "still here")

    assert texts(client) == ["still here"]


def client_connection(pump, user):
    (connection,) = pump.connections.of(user.id)
    return connection


def test_what_is_posted_while_resume_reads_is_in_the_answer_or_announced(
    live, pump, bob, alice, secret, elsewhere, during
):
    """resumefirst"""
    with elsewhere():
        remove_member(alice, secret, bob)
    client = live(bob)
    with elsewhere():
        add_member(alice, secret, bob)
    during(subscriptions, "standings", post("in between"))  # what the answer is made of

    answer = resume(client, {}, all=True)

    head = log.heads([secret.stream])[secret.stream]
    announced = [p["head"] for name, p in client.received() if name == "subscribed" and p["stream"] == secret.stream]
    assert answer[secret.stream]["head"] == head - 1
    assert announced == [head]


# ---- the pump --------------------------------------------------------------------------------------------------------


def test_what_another_process_commits_is_found_by_the_poll(live, pump, bob, alice, secret, elsewhere):
    client = live(bob)
    with elsewhere():
        say(alice, secret, "no hint came")

    pump.poll()

    assert texts(client) == ["no hint came"]


def test_what_is_missing_is_sent_before_what_is_at_hand(live, bob, alice, secret, elsewhere):
    """skipgap"""
    client = live(bob)
    with elsewhere():
        say(alice, secret, "first")

    say(alice, secret, "second")

    assert texts(client) == ["first", "second"]


def test_a_forged_hint_changes_nothing(live, pump, bob, alice, secret):
    client = live(bob)
    head = log.heads([secret.stream])[secret.stream]
    for stream, number in ((secret.stream, head + 50), (secret.stream, 0), ("room:999", 5), ("access", 9)):
        pump.hinted(stream, number)

    say(alice, secret, "as if nothing had been")

    assert texts(client) == ["as if nothing had been"]
    assert not pump.follows[secret.stream].behind


def test_a_hint_is_enough_and_one_that_comes_twice_does_no_harm(live, pump, bob, alice, secret, elsewhere):
    client = live(bob)
    with elsewhere():
        say(alice, secret, "look")
    head = log.heads([secret.stream])[secret.stream]

    pump.hinted(secret.stream, head)
    pump.hinted(secret.stream, head)

    assert texts(client) == ["look"]


def test_an_edit_after_a_removal_does_not_reach_the_one_removed_with_an_older_frame(
    live, pump, bob, alice, secret, elsewhere
):
    """onepass: the frame of the posting, read late, would show the text as it is now."""
    client = live(bob)
    with elsewhere():
        message = say(alice, secret, "for bob, too")
        remove_member(alice, secret, bob)
        edit_message(alice, message, "not for bob")

    pump.hinted(secret.stream, log.heads([secret.stream])[secret.stream])  # and not of bob's own stream

    assert texts(client) == []


def test_a_pump_below_the_floor_makes_every_subscription_anew(live, pump, bob, alice, secret, elsewhere, beside):
    """keepsubs"""
    out, stays = live(bob), live(alice)
    with elsewhere():
        say(alice, secret, "pruned before anybody saw it")
        remove_member(alice, secret, bob)
        prune(secret.stream)
    head = log.heads([secret.stream])[secret.stream]

    pump.poll()
    say(alice, secret, "for those who are left")
    beside()

    assert ("subscribed", {"stream": secret.stream, "head": head + 1}) in stays.received()
    assert resume(stays, {secret.stream: head - 2})[secret.stream] == {"reset": True}
    assert texts(out) == []


def test_rooms_that_somebody_was_added_to_below_the_floor_are_subscribed(live, pump, carol, alice, secret, elsewhere):
    client = live(carol)
    with elsewhere():
        add_member(alice, secret, carol)
        prune(carol.stream)

    pump.poll()
    say(alice, secret, "hello carol")

    assert texts(client) == ["hello carol"]


def test_an_entry_that_cannot_be_shown_does_not_stop_its_stream(live, pump, bob, alice, secret, elsewhere):
    client = live(bob)
    with elsewhere(), transaction():
        log.lock(secret.stream)
        seq = log.next_seq(secret.stream)
        db.session.add(Entry(stream=secret.stream, seq=seq, kind="posted", subject_id=999, created_at=alice.created_at))

    pump.poll()
    say(alice, secret, "life goes on")

    assert texts(client) == ["life goes on"]
    assert resume(client, {secret.stream: seq - 1})[secret.stream] == {"reset": True}


def test_nothing_is_followed_for_people_who_have_gone(live, pump, bob, alice, secret):
    client = live(bob)
    remove_member(alice, secret, bob)
    pump.poll()
    assert secret.stream not in pump.follows

    client.client.disconnect("/chat")

    assert list(pump.follows) == []


# ---- revocation ------------------------------------------------------------------------------------------------------


def test_a_sign_out_elsewhere_comes_before_what_is_newer_whatever_wakes_the_pump(
    live, pump, bob, alice, secret, elsewhere
):
    """accesslate"""
    for wake in ("poll", "hint", "post"):
        client = live(bob)
        with elsewhere():
            end_other_sessions(bob)
            if wake != "post":
                say(alice, secret, "after the sign-out")
        if wake == "poll":
            pump.poll()
        elif wake == "hint":
            pump.hinted(secret.stream, log.heads([secret.stream])[secret.stream])
        else:
            say(alice, secret, "and handed over")

        assert client.received() == [("bye", {"reason": "revoked", "after_ms": 0})], wake
        assert pump.connections.of(bob.id) == []


def test_revocations_that_were_pruned_unread_end_every_connection(live, pump, bob, elsewhere):
    client = live(bob)
    with elsewhere():
        end_other_sessions(bob)
        prune(log.ACCESS)

    pump.poll()

    assert client.received("reset") == [{"stream": "*", "reason": "epoch"}]
    assert len(pump.connections) == 0
    assert pump.access == log.heads([log.ACCESS])[log.ACCESS]


# ---- another database ------------------------------------------------------------------------------------------------


def test_another_epoch_sends_everybody_back_to_their_pages(live, pump, bob, alice, secret, elsewhere):
    """noepoch"""
    client = live(bob)
    with elsewhere(), transaction():
        db.session.execute(update(Site).values(epoch="another"))

    pump.poll()
    assert client.received() == [("reset", {"stream": "*", "reason": "epoch"})]
    say(alice, secret, "in the new time")

    assert client.received() == []
    again = live(bob)
    assert again.hello["epoch"] == "another"
    assert resume(again, {secret.stream: 1, "site": 1})["site"]["head"] > 0
    old = again.emit("resume", {"epoch": client.hello["epoch"], "streams": {secret.stream: 1}})
    assert old["streams"] == {"*": {"reset": True}} and old["epoch"] == "another"


@pytest.mark.parametrize("stream", ["room", "access"])
def test_numbers_that_went_back_send_everybody_back_to_their_pages(live, pump, bob, alice, secret, elsewhere, stream):
    end_other_sessions(alice)
    client = live(bob)
    client2 = live(alice)
    end_other_sessions(bob)
    end_other_sessions(alice)
    client, _ = live(bob), client2.received()
    say(alice, secret, "not in the backup")
    client.received()
    with elsewhere(), transaction():
        name = secret.stream if stream == "room" else log.ACCESS
        db.session.execute(update(Stream).where(Stream.name == name).values(head=Stream.head - 1))

    pump.poll()

    assert client.received("reset") == [{"stream": "*", "reason": "epoch"}]
    say(alice, secret, "and on we go") if stream == "access" else None


# ---- resume ----------------------------------------------------------------------------------------------------------


def test_resume_brings_what_was_missed_as_it_is_now(live, bob, alice, secret):
    client = live(bob)
    cursor = client.hello["streams"][secret.stream]
    message = say(alice, secret, "typo")
    edit_message(alice, message, "text")
    gone = say(alice, secret, "regretted")
    delete_message(alice, gone)
    live_frames = [list(frame) for frame in client.received() if frame[1]["stream"] == secret.stream]

    part = resume(client, {secret.stream: cursor})[secret.stream]

    assert [payload["seq"] for _, payload in part["frames"]] == [cursor + n for n in (1, 2, 3, 4)]
    assert [payload["message"]["text"] for _, payload in part["frames"]] == ["text", "text", "", ""]
    assert part["frames"][1] == live_frames[1] and part["frames"][3] == live_frames[3]
    assert (part["head"], part["upto"], part["more"]) == (cursor + 4, cursor + 4, False)
    assert (part["unread"], part["mentions"], part["read"]["seq"]) == (1, 0, cursor)


def test_resume_answers_reset_when_it_cannot_go_on_from_there(live, bob, alice, secret):
    client = live(bob)
    head = log.heads([secret.stream])[secret.stream]
    joined = next(e.seq for e in log.since(secret.stream, 0) if e.kind == "joined" and e.subject_id == bob.id)

    def answer(cursor):
        return resume(client, {secret.stream: cursor})[secret.stream]

    assert answer(head + 1) == {"reset": True}, "above the head"
    assert answer(joined - 1) == {"reset": True}, "below the membership: a copy from an earlier one"
    assert answer(joined)["frames"] == []
    say(alice, secret, "hello")
    assert len(answer(head)["frames"]) == 1
    prune(secret.stream)
    assert answer(head) == {"reset": True}, "below the floor"
    message = say(alice, secret, "edited 2,001 times")
    with transaction():
        moment = message.created_at
        for seq in range(message.seq + 1, message.seq + log.TOO_MANY + 2):
            db.session.add(
                Entry(stream=secret.stream, seq=seq, kind="edited", subject_id=message.id, created_at=moment)
            )
        db.session.execute(update(Stream).where(Stream.name == secret.stream).values(head=seq))
    assert answer(message.seq + 1)["more"]
    assert answer(message.seq) == {"reset": True}, "too much missed"


def test_resume_says_gone_of_what_one_is_not_in_and_of_what_never_was(live, carol, bob, secret, general):
    """keepgone"""
    client = live(carol)
    asked = [secret.stream, general.stream, "room:999", "room:x", "room:01", bob.stream, "access", "nonsense"]

    answer = resume(client, dict.fromkeys(asked, 1))

    assert answer == {name: {"gone": True} for name in asked}


def test_resume_from_nothing_says_where_the_stream_is_and_all_names_every_room(live, bob, secret, general):
    client = live(bob)
    heads = log.heads([secret.stream, general.stream, bob.stream])

    answer = resume(client, {bob.stream: None}, all=True)

    assert answer[bob.stream] == {"head": heads[bob.stream], "frames": []}
    for stream in (secret.stream, general.stream):
        assert (answer[stream]["head"], answer[stream]["frames"]) == (heads[stream], [])
        assert {"unread", "mentions", "read"} <= set(answer[stream])


def test_a_long_resume_comes_in_pages_of_at_most_500_frames_over_all_streams(live, bob, alice, secret, general):
    client = live(bob)
    cursors = {stream: client.hello["streams"][stream] for stream in (secret.stream, general.stream)}
    with transaction():
        for n in range(520):
            say(alice, secret, str(n))
        say(alice, general, "and here")
    seen, pages = [], 0
    while True:
        answer = resume(client, cursors)
        assert sum(len(part["frames"]) for part in answer.values()) <= 500
        part, pages = answer[secret.stream], pages + 1
        assert ("unread" in part) == (not part["more"])
        seen += [payload["message"]["text"] for _, payload in part["frames"]]
        cursors = {stream: part["upto"] for stream, part in answer.items()}
        if not any(part["more"] for part in answer.values()):
            break

    assert seen == [str(n) for n in range(520)] and pages > 1


def test_a_resume_of_long_texts_stops_where_an_answer_is_full(live, bob, alice, secret):
    client = live(bob)
    cursor = client.hello["streams"][secret.stream]
    with transaction():
        for _ in range(30):
            say(alice, secret, "é" * 19_999)

    part = resume(client, {secret.stream: cursor})[secret.stream]

    assert part["more"] and 0 < len(part["frames"]) < 30


# ---- pages -----------------------------------------------------------------------------------------------------------


def test_a_page_counts_at_the_number_that_it_shows(sign_in, bob, alice, secret, during):
    """countopen, pagelate: a message that commits between a page's queries is not on it, and not in its counts."""
    from chat.messages import views

    say(alice, secret, "before")
    head = log.heads([secret.stream])[secret.stream]
    browser = sign_in(bob)
    for module, query in ((views.log, "heads"), (views, "room_for"), (views, "unread_counts"), (views, "position_of")):
        mark_read(bob, secret, head - 1)
        during(module, query, post("too late for this page"))

        page = Page(browser.get(secret.path).text)

        assert page.room.cursor == page.places[secret.id]["cursor"]
        shown = [m for m in page.room.messages.values() if m["seq"] > page.room.position]
        assert page.places[secret.id]["unread"] == len(shown)
        assert all(m["seq"] <= page.room.cursor for m in shown)


# ---- what a client may send ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", ["connect", "disconnect", "react", "pin", "no such event"])
def test_an_event_that_is_none_is_answered_and_changes_nothing(live, bob, alice, secret, event):
    client = live(bob)

    assert client.emit(event, {"HTTP_ORIGIN": "http://localhost:5000"})["code"] == "unknown_event"

    say(alice, secret, "still listening")
    assert texts(client) == ["still listening"]


def test_a_retry_after_a_removal_gets_the_first_answer(live, bob, alice, secret):
    client = live(bob)
    payload = {"room": secret.id, "text": "once", "key": "k"}
    first = client.emit("message", payload)
    remove_member(alice, secret, bob)

    assert client.emit("message", payload) == first
    assert client.emit("message", payload | {"text": "twice"})["code"] == "not_found"
    assert client.emit("message", payload | {"key": "another"})["code"] == "not_found"


def test_leaving_ends_the_stream_of_every_tab(live, bob, alice, secret):
    tabs = [live(bob), live(bob)]

    assert tabs[0].emit("leave", {"room": secret.id}) == {"ok": True}
    say(alice, secret, "without bob")

    for tab in tabs:
        ((event, payload),) = tab.received()  # neither the frame that says so to the room, nor what came later
        assert (event, payload["change"]) == ("me", "room_removed")
        assert (payload["room"]["id"], payload["room"]["member"]) == (secret.id, False)


def test_joining_subscribes_every_tab_and_says_from_where(live, carol, alice, general):
    tabs = [live(carol), live(carol)]

    answer = tabs[0].emit("join", {"room": general.id})
    again = tabs[0].emit("join", {"room": general.id})
    say(alice, general, "welcome")

    assert answer == again == {"ok": True, "room": general.id, "head": log.heads([general.stream])[general.stream] - 1}
    for tab in tabs:
        got = tab.received()
        announced = [p["head"] for name, p in got if name == "subscribed"]
        assert announced == [answer["head"]]
        assert [p["message"]["text"] for name, p in got if name == "message"] == ["welcome"]
    leave_room(carol, general)


def test_who_was_signed_out_elsewhere_reads_nothing_newer_although_nobody_was_told(
    live, pump, bob, alice, secret, elsewhere
):
    """P6, for resume: whether the session holds is read in the same moment as what was missed."""
    client = live(bob)
    cursor = log.heads([secret.stream])[secret.stream]
    resume(client, {secret.stream: cursor})
    with elsewhere():
        end_other_sessions(bob)
        say(alice, secret, "not for bob")

    for cursors in ({secret.stream: cursor}, {secret.stream: cursor + 1}):
        answer = client.emit("resume", {"epoch": client.hello["epoch"], "streams": cursors})
        assert (answer["ok"], answer["code"]) == (False, "unauthorized")
