"""A second factor that is asked of people while they are signed in: from then on their sessions open nothing but the
way to setting one up, whatever they come by. Whoever has one notices nothing."""

import re

import pytest

from chat.accounts.actions import finish_move, make_token, pair_for_session, renew, set_person_role, set_up_totp
from chat.accounts.actions.move import answer_move, ask_to_move, begin_move, open_move
from chat.accounts.actions.sessions import begin_session
from chat.accounts.asker import asker_for
from chat.accounts.queries import has_second_factor, held_up_if, live_session, sessions_of
from chat.accounts.signed_in import HELD_UP, cookie_name, session_for
from chat.admin.actions import change_settings
from chat.core.db import db
from chat.core.errors import NotFound, Unauthorized
from chat.messages.actions import post_in
from tests.accounts.factors import Phone, require_from, unconfirm, with_app
from tests.assertions import LiveClient, counted_queries
from tests.events import EventClient
from tests.factories import PASSWORD, say

JSON = {"Accept": "application/json"}


@pytest.fixture
def with_factor(alice, ada, clock):
    """Alice and Ada have an authenticator app, bob has none."""
    phones = {person.id: with_app(person, clock)[0] for person in (alice, ada)}
    return phones[alice.id]


@pytest.fixture
def ask(app, client, general):
    """{way in: function(a person) → function() → whether it lets them}: all on a session from before."""

    def by_cookie(method, path, **more):
        def begin(person):
            browser = app.test_client()
            browser.set_cookie(cookie_name(), begin_session(person))

            def answered():
                answer = browser.open(path, method=method, **more)
                answer.close()
                return answer.status_code if answer.status_code != 303 else answer.location

            return answered

        return begin

    def by_token(path, make):
        def begin(person):
            headers = {"Authorization": f"Bearer {make(person)}"}

            def answered():
                answer = client.get(path, headers=headers)
                answer.close()
                return answer.status_code

            return answered

        return begin

    def by_socket(named):
        def begin(person):
            credential = named(person)
            return lambda: LiveClient(app, person, **credential).connected

        return begin

    def token(person):
        return make_token(person, "x", scopes=["read", "write"], days=1)[0]

    def access_token(person):
        return pair_for_session(person, session_for(begin_session(person))).access_token

    return {
        "a page": by_cookie("GET", "/people"),
        "a form": by_cookie("POST", "/settings/sessions/end-others"),
        "a page as JSON": by_cookie("GET", "/people", headers=JSON),
        "the API": by_cookie("GET", "/api/v1/me"),
        "the API, unsafe": by_cookie("POST", f"/api/v1/rooms/{general.id}/messages", json={"text": "Hi"}),
        "a request for an event": by_cookie("POST", "/api/v1/do/read", json={"room": general.id, "seq": 0}),
        "an event stream": by_cookie("GET", "/api/v1/events"),
        "a token": by_token("/api/v1/me", token),
        "a token's event stream": by_token("/api/v1/events", token),
        "an access token": by_token("/api/v1/me", access_token),
        "a websocket": by_socket(lambda person: {"token": begin_session(person)}),
        "a token's websocket": by_socket(lambda person: {"bearer": token(person)}),
        "an access token's websocket": by_socket(lambda person: {"bearer": access_token(person)}),
    }


WAYS = {
    "a page": (200, "/login/needed?next=%2Fpeople"),
    "a form": ("/settings/security", "/login/needed?next=%2F"),
    "a page as JSON": (200, 403),
    "the API": (200, 403),
    "the API, unsafe": (201, 403),
    "a request for an event": (200, 403),
    "an event stream": (200, 403),
    "a token": (200, 403),
    "a token's event stream": (200, 403),
    "an access token": (200, 403),
    "a websocket": (True, False),
    "a token's websocket": (True, False),
    "an access token's websocket": (True, False),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_in_is_shut_at_once_and_only_for_those_who_have_none(app, csrf_off, ask, way, with_factor, ada, alice,
                                                                       bob):  # fmt: skip
    open_, shut = WAYS[way]
    bobs, alices = ask[way](bob), ask[way](alice)
    assert bobs() == open_

    change_settings(ada, second_factor="everyone")

    assert bobs() == shut
    assert alices() == open_

    change_settings(ada, second_factor="nobody")

    assert bobs() == open_


@pytest.mark.parametrize("way", WAYS)
def test_a_role_that_needs_one_shuts_them_too(app, csrf_off, ask, way, with_factor, ada, bob, carol):
    open_, shut = WAYS[way]
    change_settings(ada, second_factor="moderator")
    bobs, carols = ask[way](bob), ask[way](carol)
    assert bobs() == open_

    set_person_role(ada, bob, "moderator")

    assert bobs() == shut
    assert has_second_factor(carol) is False
    if "unsafe" not in way and "event" not in way:  # carol is in no room
        assert carols() == open_


def test_programs_are_told_why(client, with_factor, ada, bob, sign_in):
    value, _ = make_token(bob, "x", scopes=["read"], days=1)
    browser = sign_in(bob)
    change_settings(ada, second_factor="everyone")

    for answer in (client.get("/api/v1/me", headers={"Authorization": f"Bearer {value}"}), browser.get("/api/v1/me")):
        assert (answer.status_code, answer.json["code"], answer.json["message"]) == (403, "forbidden", HELD_UP)


def test_a_program_cannot_renew_its_token(with_factor, ada, bob, carol):
    pairs = {person: pair_for_session(person, session_for(begin_session(person))) for person in (ada, bob)}
    change_settings(ada, second_factor="everyone")

    with pytest.raises(Unauthorized):
        renew(pairs[bob].refresh_token)
    assert renew(pairs[ada].refresh_token).access_token
    change_settings(ada, second_factor="nobody")
    assert renew(pairs[bob].refresh_token).access_token  # it was not spent


def test_bots_go_on(client, with_factor, ada, robot, change):
    value, _ = make_token(robot, "x", scopes=["read"], days=1)
    change(robot, role="bot")
    change_settings(ada, second_factor="everyone")

    assert client.get("/api/v1/me", headers={"Authorization": f"Bearer {value}"}).status_code == 200


# Connections that are open


def test_open_connections_end_and_get_nothing_newer(live, sign_in, with_factor, ada, alice, bob, general):
    theirs, others, stream = live(bob), live(alice), EventClient(sign_in(bob))
    stream.received()
    change_settings(ada, second_factor="everyone")
    say(alice, general, "newer")

    bye = ("bye", {"reason": "rights", "after_ms": 0})
    assert [bye for bye in theirs.received() if bye[0] in ("bye", "message")] == [bye]
    assert [e for e in stream.received() if e[0] in ("bye", "message")] == [bye]
    assert others.frames() == [("message", "posted", "newer")]
    assert others.received("bye") == []
    assert theirs.emit("read", {"room": general.id, "seq": 1})["code"] == "unauthorized"
    stream.close()


def test_another_process_ends_them_at_the_next_poll(app, live, with_factor, ada, alice, bob, general):
    theirs, others = live(bob), live(alice)
    pump = app.extensions["live"].pump
    wake, pump.wake, hand_over, pump._hand_over = pump.wake, lambda *_: None, pump._hand_over, lambda *_: None
    change_settings(ada, second_factor="everyone")
    pump.wake, pump._hand_over = wake, hand_over
    db.session.rollback()
    pump.poll()

    assert theirs.received("bye") == [{"reason": "rights", "after_ms": 0}]
    assert others.received("bye") == []


def test_a_message_on_its_way_is_not_taken(app, with_factor, ada, alice, bob, general):
    """Who asks is kept from one message to the next, and looked at again under the lock."""
    access = app.extensions["live"].pump.access
    askers = {person: asker_for(begin_session(person), access) for person in (alice, bob)}
    change_settings(ada, second_factor="everyone")

    with pytest.raises(Unauthorized):
        post_in(askers[bob], general.id, "late", key="0b9d2c3e-5a53-4a0e-9d0c-6f7f2f9b1a11")
    assert post_in(askers[alice], general.id, "in time", key="0b9d2c3e-5a53-4a0e-9d0c-6f7f2f9b1a12")
    assert asker_for(begin_session(bob), access) is None


def test_what_changes_nothing_takes_no_number(app, with_factor, ada):
    change_settings(ada, second_factor="everyone")
    access = app.extensions["live"].pump.access
    change_settings(ada, second_factor="everyone", password_sign_in=True)

    assert app.extensions["live"].pump.access == access


def test_the_setting_names_whom_the_query_holds_up(app, with_factor, ada, alice, bob, carol, robot, change):
    change(robot, role="bot")
    change(carol, role="moderator")
    people = (ada, alice, bob, carol, robot)
    tokens = {person.id: begin_session(person) for person in people}
    for value in ("nobody", "admin", "moderator", "everyone"):
        require_from(value)
        held = {id for id, token in tokens.items() if live_session(token).is_held_up}
        assert held == set(held_up_if(value)), value
    assert held == {bob.id, carol.id}


def test_it_costs_no_query_more(app, with_factor, alice):
    token = begin_session(alice)
    require_from("everyone")
    db.session.rollback()
    with counted_queries() as statements:
        assert session_for(token)
    assert len(statements) == 1


# The way to setting one up


@pytest.fixture
def held_up(sign_in, with_factor, ada, bob):
    browser = sign_in(bob)
    change_settings(ada, second_factor="everyone")
    return browser


def secret_on(page):
    return re.search(r'class="secret">([A-Z2-7 ]+)<', page.text)[1].replace(" ", "")


def followed(browser, path):
    answer = browser.get(path)
    while answer.status_code == 303:
        path = answer.location
        answer = browser.get(path)
    return path, answer


def test_one_is_led_to_the_page_and_from_there_on_to_where_one_wanted_to_go(held_up, bob, clock):
    path, page = followed(held_up, "/people")
    assert path == "/login/set-up"
    assert "Here you need more than a password to come in." in page.text
    assert "general" not in page.text

    answer = held_up.post("/login/set-up", data={"code": Phone(secret_on(page), clock).code()})
    assert "Keep these recovery codes" in answer.text
    assert 'href="/people"' in answer.text
    assert held_up.get("/people").status_code == 200
    [session] = sessions_of(bob)
    assert session.second_factor_at


def test_whoever_has_not_proved_to_be_there_lately_does_so_first(held_up, bob):
    unconfirm()
    path, page = followed(held_up, "/people")
    assert path.startswith("/confirm?next=")
    assert "Here you need more than a password now." in page.text
    assert "general" not in page.text
    back = re.search(r'name="next" value="([^"]+)"', page.text)[1]
    assert held_up.get("/login/set-up").location == "/login"

    assert held_up.post("/confirm", data={"password": "not this one", "next": back}).status_code == 422
    assert held_up.get("/login/needed").location.startswith("/confirm")
    answer = held_up.post("/confirm", data={"password": PASSWORD, "next": back})
    assert answer.location == "/login/needed?next=/people"
    assert held_up.get("/people").status_code == 303  # it still opens nothing else
    assert followed(held_up, "/people")[0] == "/login/set-up"


@pytest.mark.parametrize("path", ["/settings/second-factor", "/settings/second-factor/app", "/settings/tokens", "/",
                                  "/settings/move", "/admin"])  # fmt: skip
def test_no_other_page_opens(held_up, path):
    assert held_up.get(path).location.startswith("/login/needed")


def test_a_form_leads_there_too_and_does_nothing(held_up, bob):
    answer = held_up.post("/settings/profile", data={"name": "Robert", "username": "bob"})

    assert answer.location == "/login/needed?next=%2F"
    db.session.refresh(bob)
    assert bob.name == "Bob"


def test_signing_out_ends_the_session(held_up, bob):
    assert held_up.post("/logout").location == "/login"
    assert sessions_of(bob) == []


def test_whoever_signs_in_in_their_place_leaves_none_of_it(held_up, with_factor, bob, alice, clock):
    held_up.post("/login", data={"login": "alice", "password": PASSWORD})
    held_up.post("/login/second", data={"code": with_factor.next_code()})

    assert held_up.get("/people").status_code == 200
    assert sessions_of(bob) == []


def test_a_session_that_is_held_up_vouches_for_no_other_device(with_factor, ada, alice, bob):
    for person, works in ((alice, True), (bob, False)):
        change_settings(ada, second_factor="nobody")
        first = live_session(begin_session(person))
        secret = begin_move(person, first)
        pass_ = ask_to_move(secret)
        answer_move(person, open_move(person).data["asker"], accept=True)
        change_settings(ada, second_factor="everyone")
        if works:
            assert session_for(finish_move(secret, pass_))
        else:
            with pytest.raises(NotFound):
                finish_move(secret, pass_)


def test_setting_one_up_ends_the_tokens_from_before(held_up, client, bob, clock):
    require_from("nobody")
    value, _ = make_token(bob, "x", scopes=["read"], days=1)
    require_from("everyone")
    phone = Phone("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", clock)
    set_up_totp(bob, phone.secret, phone.code())

    assert client.get("/api/v1/me", headers={"Authorization": f"Bearer {value}"}).status_code == 401
    fresh, _ = make_token(bob, "x", scopes=["read"], days=1)
    assert client.get("/api/v1/me", headers={"Authorization": f"Bearer {fresh}"}).status_code == 200
