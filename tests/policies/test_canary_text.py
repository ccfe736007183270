"""Words planted in a private room come out nowhere else: whoever is not in it is shown everything there is to see.

Where is looked is in tests/policies/sweep.py, what is looked for as well. Each word is one that nothing else says; a
member finds every one of them, so that the sweep is known to see what there is, and where a check is missing the sweep
says so. What goes through Redis is looked at in tests/system/test_canary_on_the_queue.py.
"""

import logging
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from chat.accounts.actions import assign_role, create_user
from chat.accounts.passwords import hash_password
from chat.admin.models import AuditEntry, Removal
from chat.core.db import db
from chat.core.jobs import Job, run_due
from chat.realtime.presence import Presence
from chat.rooms.actions import add_member, create_room, join_room, leave_room, remove_member
from chat.streams.models import Entry
from chat.transfer import exports
from tests.assertions import LiveClient
from tests.conftest import FIGURES
from tests.factories import PASSWORD, say
from tests.policies.sweep import (
    ADMINISTER,
    DECIDE,
    PLACES,
    REPORTED,
    SWEEPS,
    WORDS,
    Looks,
    Onlooker,
    plant,
    rows,
    stir,
    token_of,
)

ROOT = Path(__file__).parents[2]
ONLOOKERS = ("outsider", "guest", "moderator", "administrator", "owner", "removed", "nobody")
STAYS = ("leave", "delete", "rooms.leave", "api.rooms.leave", "messages.delete", "api.messages.delete")
SWEPT = []  # looks of each sweep


@pytest.fixture(scope="module", autouse=True)
def tally():
    yield
    if SWEPT:
        listed = f"{len(WORDS) + len(REPORTED)} words, {len(PLACES)} places"
        FIGURES.append(f"Canary sweep: {listed}, {sum(SWEPT):,} looks in {len(SWEPT)} sweeps of this process")


@pytest.fixture
def people(app, ada, alice, bob, carol, robot, general):
    hashed = hash_password(PASSWORD)

    def user(name, role="member"):
        return create_user(
            name=name, username=name.lower(), email=f"{name}@example.org", password_hash=hashed, role=role
        )

    found = {
        "outsider": carol, "guest": user("Gus", "guest"), "moderator": user("Moe"), "administrator": user("Adi"),
        "owner": ada, "removed": user("Rem"), "dana": user("Dana"), "nobody": None,
    }  # fmt: skip
    assign_role(found["moderator"], "moderator")
    assign_role(found["administrator"], "admin")
    lobby = create_room(alice, "lobby", kind="private")  # where the guest is, with alice and bob
    for person in (found["guest"], bob):
        add_member(alice, lobby, person)
    leave_room(found["dana"], general)  # who is in the private room and nowhere else
    for person in (alice, bob):
        say(person, general, "Something that everybody may read, and that moderators may take away")
    return found


@pytest.fixture
def cellar(people, alice, bob):
    """The private room: alice's, with bob and dana; `removed` was in it, and wrote, before anything was planted."""
    room = create_room(alice, "cellar", kind="private")
    for person in (bob, people["dana"], people["removed"]):
        add_member(alice, room, person)
    say(people["removed"], room, "Goodbye")
    remove_member(alice, room, people["removed"])
    return room


@pytest.fixture
def onlooker(app, sign_in, client, people, cellar, mailbox):
    """onlooker(who, by) → one of ONLOOKERS, by a browser or a program, there before anything is planted."""
    made = []

    def onlooker(who, by="browser"):
        user, bearer = people[who], None
        browser = sign_in(user) if user and by == "browser" else client
        if by == "program":
            bearer = token_of(user) if user else "parley_" + "x" * 43
            browser.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {bearer}"
        made.append(Onlooker(app, user, browser, bearer=bearer, administers=who in ADMINISTER))
        made[-1].settle(cellar)
        return made[-1]

    yield onlooker
    for one in made:
        one.leave()


@pytest.mark.parametrize("by", ["browser", "program"])
@pytest.mark.parametrize("who", ONLOOKERS)
def test_nobody_outside_finds_a_word_of_it_anywhere(onlooker, people, cellar, alice, bob, caplog, mailbox, who, by):
    caplog.set_level(logging.DEBUG)
    looker = onlooker(who, by)

    messages = plant(cellar, alice, bob)
    stir(cellar, (alice, bob, people["dana"]))
    looker.look(cellar, messages)

    looker.note("the log", caplog.text)
    if looker.is_person:
        run_due()
        for letter in mailbox.letters:
            looker.note("mail", letter.as_string() + "".join(part.get_content() for part in letter.iter_parts()))
    SWEPT.append(looker.count)
    decides = who in DECIDE and by == "browser"
    assert looker.hits([*WORDS.values(), *(() if decides else REPORTED.values())]) == set()
    assert looker.heard == []
    assert looker.missing == []
    if decides:
        assert db.session.scalars(db.select(Removal.user_id)).all() == [alice.id]
    if looker.user:  # what was asked was asked by them, to the last
        assert looker.browser.get("/api/v1/me").json["person"]["username"] == looker.user.username
        assert (people["dana"].id in looker.seen_here()) == (who != "guest")


def test_whoever_is_in_it_finds_every_word(app, onlooker, sign_in, people, cellar, alice, bob):
    member = Onlooker(app, bob, sign_in(bob), spares=STAYS)
    member.settle(cellar)

    messages = plant(cellar, alice, bob)
    stir(cellar, (alice, people["dana"]))
    member.look(cellar, messages[:1])
    member.leave()

    saw = "\n".join(text for texts in member.saw.values() for text in texts)
    assert [name for name, word in (WORDS | REPORTED).items() if word not in saw] == []
    kinds = {(place, event) for place, event, _ in member.heard}
    assert {("frames of /presence", "typing"), ("the event stream", "typing"), ("frames of /chat", "message")} <= kinds
    assert {place for place, _ in member.hits(WORDS.values())} >= {
        "every page", "JSON", "frames of /chat", "the event stream", "an event stream of that room alone",
        "every event", "every event as a request", "resume of that room", "search of rooms",
        "the file of one's own data",
    }  # fmt: skip


def open_to_all(monkeypatch):
    monkeypatch.setattr("chat.rooms.queries.is_open_to", lambda actor, room: True)


def typing_for_all(monkeypatch):
    def tell(self, room_id, user_id, on):
        for connection in self.connections.all():
            self.fanout.send(connection.presence_sid, "typing", {"room": room_id, "user": user_id, "on": on})

    monkeypatch.setattr(Presence, "_tell_room", tell)


def names_for_all(monkeypatch):
    monkeypatch.setattr(exports, "_unseen", lambda by, user: set())


def test_where_typing_is_told_to_everybody_the_sweep_hears_it(onlooker, people, cellar, alice, bob, monkeypatch):
    typing_for_all(monkeypatch)
    looker = onlooker("outsider")

    stir(cellar, (alice, bob))
    looker.look(cellar, [])

    heard = {(place, event) for place, event, _ in looker.heard}
    assert heard == {("frames of /presence", "typing"), ("the event stream", "typing"),
                     ("an event stream of that room alone", "typing")}  # fmt: skip


@pytest.mark.parametrize(
    ("broken", "who", "places"),
    [
        (open_to_all, "outsider", {"every page", "JSON", "every event"}),
        (names_for_all, "removed", {"the file of one's own data"}),
    ],
)
def test_where_a_check_is_missing_the_sweep_finds_it(
    onlooker, people, cellar, alice, bob, monkeypatch, broken, who, places
):
    looker = onlooker(who)
    messages = plant(cellar, alice, bob)
    stir(cellar, (alice, bob))

    broken(monkeypatch)
    looker.look(cellar, messages[:1])

    assert places <= {place for place, _ in looker.hits(WORDS.values())}


def test_its_name_is_free_and_links_nowhere(app, sign_in, people, cellar, alice, bob, carol):
    looks = Looks("its name")
    plant(cellar, alice, bob)

    page = sign_in(carol).post("/rooms/new", data={"name": WORDS["name"], "kind": "public"})
    looks.note("a name that is taken", page.text)
    assert page.status_code == 303  # "a name that is taken" would tell
    hers = db.session.get(type(cellar), int(page.location.rpartition("/")[2]))
    looks.note("links to rooms in texts", say(carol, hers, f"#{cellar.name} #cellar").html)

    assert looks.missing == []
    assert looks.hits([cellar.path + '"']) == set()  # the name leads to the room of carol's own, and no further


def test_being_named_there_counts_nowhere_else_and_moves_no_etag(
    app, sign_in, people, cellar, alice, bob, carol, general
):
    looks = Looks("being named")
    join_room(carol, general)
    browser = sign_in(carol)
    front, page = browser.get("/").text, browser.get(general.path)

    plant(cellar, alice, bob)

    looks.note("unread and mention counts", browser.get("/").text)
    again = browser.get(general.path, headers={"If-None-Match": page.headers["ETag"]})
    looks.note("ETags", again.headers["ETag"])
    assert looks.saw == {"unread and mention counts": [front], "ETags": [page.headers["ETag"]]}
    assert again.status_code == 304


def test_a_refusal_is_as_long_as_that_of_what_never_was(app, sign_in, people, cellar, alice, bob, carol):
    looks = Looks("refusals")
    plant(cellar, alice, bob)
    browser, never = sign_in(carol), 10 ** len(str(cellar.id)) - 1

    browser.get("/")  # the first page of a browser brings it a cookie
    there, nowhere = browser.get(cellar.path), browser.get(f"/rooms/{never}")
    looks.note("the size of a refusal", str(len(there.data)))

    assert (there.status_code, nowhere.status_code) == (404, 404)
    assert looks.saw == {"the size of a refusal": [str(len(nowhere.data))]}
    assert {k: v for k, v in there.headers.items() if k != "Date"} == dict(nowhere.headers)


def test_what_runs_the_server_sees_none_of_it_either(app, sign_in, people, ada, cellar, alice, bob, monkeypatch):
    looks, bus = Looks("server"), app.extensions["live"].bus
    monkeypatch.setattr(bus, "hint", lambda *told: looks.note("hints to other processes", list(told)))
    monkeypatch.setattr(bus, "say", lambda *told: looks.note("hints to other processes", list(told)))

    plant(cellar, alice, bob)
    stir(cellar, (alice, bob))

    looks.note("the figures of the server", sign_in(ada).get("/metrics").text)
    for place, model in (("rows of the audit log", AuditEntry), ("entries of the streams", Entry), ("jobs", Job)):
        looks.note(place, rows(model))
    SWEPT.append(looks.count)
    assert looks.missing == []
    assert looks.hits([*WORDS.values(), *REPORTED.values()]) == set()


FAILING = {  # a table that is away, and what somebody does meanwhile to the room or to what bob said
    "mentions": lambda alice, bob, room, said: bob.post(
        f"/api/v1/rooms/{room.id}/messages", json={"text": f"{WORDS['text']} @alice"}
    ),
    "edits": lambda alice, bob, room, said: bob.post(
        f"/messages/{said.id}/edit", data={"text": f"{WORDS['text']} other", "rev": str(said.rev)}
    ),
    "reports": lambda alice, bob, room, said: alice.post(
        f"/messages/{said.id}/report", data={"reason": REPORTED["reason of a report"]}
    ),
    "audit": lambda alice, bob, room, said: alice.post(
        f"{room.path}/settings", data={"name": f"{WORDS['name']}-two", "topic": WORDS["topic"], "description": ""}
    ),
}


@contextmanager
def away(table):
    """Without one table of the database: what needs it fails in the middle, as nobody expected."""
    for name, other in ((table, f"{table}_away"), (f"{table}_away", table)):
        db.session.rollback()
        with db.engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE {name} RENAME TO {other}"))
        if name == table:
            yield


def fail(app, sign_in, cellar, alice, bob, looks, caplog):
    """Have actions end in the middle while they hold what is private."""
    _, said, *_ = plant(cellar, alice, bob)
    browsers = sign_in(alice), sign_in(bob)
    app.testing = False  # an error is answered as it would be
    for table, act in FAILING.items():
        caplog.clear()
        with away(table):
            answer = act(*browsers, cellar, said)
        assert (answer.status_code, "Traceback" in caplog.text) == (500, True), table
        looks.note("answers to what fails", answer.text + str(answer.headers))
        looks.note("the log of what fails", caplog.text)


def test_an_error_in_the_middle_of_an_action_tells_nothing_of_what_it_held(
    app, sign_in, people, cellar, alice, bob, caplog
):
    caplog.set_level(logging.DEBUG)
    looks = Looks("failing actions")

    fail(app, sign_in, cellar, alice, bob, looks, caplog)

    SWEPT.append(looks.count)
    assert looks.missing == []
    assert looks.hits([*WORDS.values(), *REPORTED.values()]) == set()


def test_a_job_that_fails_tells_nothing_of_what_it_held(
    app, sign_in, people, ada, cellar, alice, bob, caplog, monkeypatch
):
    caplog.set_level(logging.DEBUG)
    looks = Looks("failing jobs")
    plant(cellar, alice, bob)
    sign_in(bob).post("/settings/data/export")

    def asks_for_more(row, unseen):
        return db.session.execute(text("SELECT id FROM edits WHERE text = :text"), {"text": row.text})

    monkeypatch.setattr(exports, "_message", asks_for_more)
    with away("edits"):
        run_due()

    assert "Traceback" in caplog.text and "edits" in rows(Job)
    looks.note("jobs that failed", rows(Job))
    looks.note("jobs that failed", sign_in(ada).get("/admin/jobs").text)
    looks.note("the log of jobs that fail", caplog.text)
    SWEPT.append(looks.count)
    assert looks.missing == []
    assert looks.hits(WORDS.values()) == set()


def test_what_a_member_sends_in_the_wrong_form_is_not_logged(app, sign_in, people, cellar, alice, bob, caplog):
    caplog.set_level(logging.DEBUG)
    looks, word = Looks("malformed requests"), WORDS["text"]
    plant(cellar, alice, bob)
    browser, window = sign_in(alice), LiveClient(app, alice, cellar)

    statuses = {browser.post("/api/v1/do/message", data=f"{{{word}", content_type="application/json").status_code}
    for fields in ({"text": word, "key": word * 20}, {"text": word, "room": word, "seq": word, "key": 5}, [word]):
        statuses.add(browser.post(f"/api/v1/rooms/{cellar.id}/messages", json=fields).status_code)
        statuses.add(browser.post("/api/v1/do/message", json=fields).status_code)
        assert window.emit("message", fields)["code"] == "invalid"
    for path in ("messages", "unread", "pace", "settings"):
        fields = {"text": word, "key": word * 20, "seq": word, "seconds": word, "name": WORDS["name"] + " !"}
        statuses.add(browser.post(f"{cellar.path}/{path}", data=fields).status_code)

    assert statuses <= {303, 422}
    looks.note("the log of malformed requests", caplog.text)
    SWEPT.append(looks.count)
    assert looks.missing == []
    assert caplog.records and looks.hits(WORDS.values()) == set()


def test_an_engine_that_names_values_would_be_found_in_the_log(app, sign_in, people, cellar, alice, bob, caplog):
    looks = Looks("failing actions")
    db.engine.hide_parameters = False

    fail(app, sign_in, cellar, alice, bob, looks, caplog)

    assert {place for place, _ in looks.hits(WORDS.values())} == {"the log of what fails"}


def test_the_page_about_security_counts_as_many():
    page = " ".join((ROOT / "docs/security.md").read_text().split())

    assert f"{len(WORDS) + len(REPORTED)} words, {len(PLACES)} places, seven who are not in it" in page
    assert len(ONLOOKERS) == 7


def test_every_place_on_the_list_has_a_sweep_that_has_to_look_there():
    assert set(PLACES.values()) == set(SWEEPS)
    for sweep, (path, test) in SWEEPS.items():
        _, found, body = (ROOT / path).read_text().partition(f"\ndef {test}(")
        assert found, (sweep, test)
        body = body.partition("\ndef ")[0]
        assert ".missing == []" in body or "looks.saw == {" in body, test


def test_a_place_without_a_look_is_missed_and_one_that_is_not_listed_is_refused():
    looks = Looks("its name")
    looks.note("a name that is taken", "")

    assert looks.missing == ["links to rooms in texts"]
    with pytest.raises(KeyError):
        looks.note("a place of nowhere", "")
