import re
from io import BytesIO

import pytest
from PIL import Image

from chat.accounts.actions import begin_session, create_invite, set_sign_up
from chat.accounts.models import Invite, Session
from chat.accounts.queries import sessions_of, user_by_email
from chat.accounts.signed_in import cookie_name, session_for
from chat.core.clock import now
from chat.core.db import db
from chat.core.headers import NO_DOCUMENT
from chat.site.queries import the_site
from tests.factories import crowd

GRACE = {"name": "Grace Hopper", "email": "grace@example.org", "password": "walnut ferry copper dusk"}


def cookie_of(answer):
    return next((c for c in answer.headers.getlist("Set-Cookie") if c.startswith(cookie_name() + "=")), None)


def token_of(answer):
    return cookie_of(answer).partition("=")[2].partition(";")[0]


def picture(kind="PNG"):
    out = BytesIO()
    Image.new("RGB", (40, 30), "red").save(out, kind)
    return out.getvalue()


# Signing in


@pytest.fixture
def login(client, alice, password):
    def go(**changed):
        return client.post("/login", data={"login": "alice", "password": password} | changed)

    return go


def test_the_sign_in_page_keeps_where_to_go(client):
    page = client.get("/login?next=/people")

    assert page.status_code == 200
    assert 'name="next"' in page.text
    assert 'value="/people"' in page.text


def test_signing_in_goes_there_with_a_cookie_for_ninety_days(login, alice):
    answer = login(next="/people?q=a")

    assert (answer.status_code, answer.location) == (303, "/people?q=a")
    cookie = cookie_of(answer)
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=7776000"} <= set(cookie.split("; "))
    assert session_for(token_of(answer)).user == alice


def test_a_next_elsewhere_goes_to_the_front_page(login):
    assert login(next="//evil.example").location == "/"


def test_a_wrong_password_shows_the_form_again_without_it(login):
    answer = login(password="a wrong password")

    assert answer.status_code == 422
    assert "That name and password do not match." in answer.text
    assert 'value="alice"' in answer.text
    assert "a wrong password" not in answer.text
    assert cookie_of(answer) is None


@pytest.mark.parametrize("missing", ["login", "password"])
def test_a_form_that_lacks_something_says_what(login, missing):
    answer = login(**{missing: ""})

    assert answer.status_code == 422
    assert "Give your" in answer.text


def test_known_and_unknown_names_get_the_same_page(login):
    def page(name):
        return re.sub(r"csrf[^>]*>", "", login(login=name, password="a wrong password").text).replace(name, "X")

    assert page("alice") == page("nobod")


def test_after_too_many_the_page_says_how_long_to_wait(login, limits_on):
    for _ in range(5):
        assert login(password="a wrong password").status_code == 422
    answer = login()

    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 12
    assert "Too many wrong passwords. Try again in" in answer.text
    assert cookie_of(answer) is None


def test_signing_in_again_ends_the_session_that_was_there_and_empties_what_it_held(login, client):
    first = token_of(login())
    with client.session_transaction() as session:
        session["planted"] = "by somebody else"
    second = token_of(login())

    assert first != second
    assert session_for(first) is None
    assert session_for(second) is not None
    with client.session_transaction() as session:
        assert "planted" not in session


def test_who_is_signed_in_has_no_use_for_the_page(sign_in, alice):
    assert sign_in(alice).get("/login?next=/people").location == "/people"


def test_signing_out_ends_the_session_and_drops_the_cookie(login, client):
    token = token_of(login())
    answer = client.post("/logout")

    assert (answer.status_code, answer.location) == (303, "/login")
    assert session_for(token) is None
    assert "Max-Age=0" in cookie_of(answer)


def test_signing_out_everywhere_ends_them_all(login, client, alice):
    login()
    elsewhere = begin_session(alice)
    client.post("/logout", data={"everywhere": "1"})

    assert session_for(elsewhere) is None
    assert sessions_of(alice) == []


def test_signing_out_when_nobody_is_signed_in_is_no_error(client):
    assert client.post("/logout").status_code == 303


def test_following_a_link_never_signs_out(sign_in, alice):
    assert sign_in(alice).get("/logout").status_code == 405


# Making an account


def test_there_is_no_sign_up_while_the_community_is_not_open(client):
    assert client.get("/signup").status_code == 404
    assert client.post("/signup", data=GRACE).status_code == 404
    assert "/signup" not in client.get("/login").text


def test_while_it_is_anyone_signs_up_and_is_signed_in(client, ada):
    set_sign_up(ada, "open")
    assert client.get("/signup").status_code == 200
    assert "/signup" in client.get("/login").text
    answer = client.post("/signup", data=GRACE)

    assert (answer.status_code, answer.location) == (303, "/")
    assert session_for(token_of(answer)).user == user_by_email(GRACE["email"])


def test_an_invitation_says_who_invites_and_whom_one_will_meet(client, alice, ada):
    invite = create_invite(alice, expires_days=7, max_uses=2)
    page = client.get(invite.path)

    assert page.status_code == 200
    assert "Alice" in page.text
    assert "Tidewater" in page.text
    assert "2 more people" in page.text


def test_accepting_it_signs_in(client, alice):
    answer = client.post(create_invite(alice).path, data=GRACE)

    assert (answer.status_code, answer.location) == (303, "/")
    assert session_for(token_of(answer)).user.username == "grace"


def test_what_is_missing_or_weak_is_said_beside_its_field(client, alice):
    path = create_invite(alice).path

    assert "Give your e-mail address." in client.post(path, data=GRACE | {"email": ""}).text
    weak = client.post(path, data=GRACE | {"password": "1234567890"})
    assert weak.status_code == 422
    assert "four odd words" in weak.text
    assert 'value="Grace Hopper"' in weak.text
    assert "1234567890" not in weak.text
    taken = client.post(path, data=GRACE | {"email": alice.email})
    assert taken.status_code == 422
    assert "Sign in instead" in taken.text


@pytest.mark.parametrize("extra", [{"role": "owner"}, {"id": "1"}, {"is_admin": "1"}, {"password_hash": "x"}])
def test_fields_that_are_not_asked_for_change_nothing(client, alice, extra):
    client.post(create_invite(alice).path, data=GRACE | extra)

    grace = user_by_email(GRACE["email"])
    assert (grace.role, grace.password_hash[:1] != "x") == ("member", True)


@pytest.mark.parametrize("path", ["/invite/nothing", "/invite/%00", "/invite/" + "x" * 3000])
def test_an_invitation_that_never_was_is_not_found(client, path):
    assert client.get(path).status_code == 404
    assert client.post(path, data=GRACE).status_code == 404


def test_a_used_up_invitation_says_so(client, alice, change):
    invite = change(create_invite(alice, max_uses=1), uses=1)
    page = client.get(invite.path)

    assert page.status_code == 404
    assert "has been used up" in page.text


def test_who_is_signed_in_needs_no_invitation(sign_in, alice, bob):
    answer = sign_in(bob).post(create_invite(alice).path, data=GRACE)

    assert (answer.status_code, answer.location) == (303, "/")
    assert user_by_email(GRACE["email"]) is None


# Inviting


def test_a_link_is_made_shown_and_revoked(sign_in, alice):
    browser = sign_in(alice)
    assert browser.post("/invites", data={"expires_days": "3", "max_uses": "5"}).status_code == 303
    invite = db.session.query(Invite).one()

    assert f"http://localhost:5000/invite/{invite.code}" in browser.get("/invites").text
    assert browser.post(f"/invites/{invite.id}/revoke").status_code == 303
    assert invite.code not in browser.get("/invites").text


def test_empty_means_without_bounds(sign_in, alice):
    sign_in(alice).post("/invites", data={"expires_days": "", "max_uses": ""})

    invite = db.session.query(Invite).one()
    assert (invite.expires_at, invite.max_uses) == (None, None)


@pytest.mark.parametrize(
    "wrong", [{"expires_days": "0"}, {"expires_days": "x"}, {"max_uses": "-1"}, {"max_uses": "9" * 30}]
)
def test_other_numbers_are_refused(sign_in, alice, wrong):
    assert sign_in(alice).post("/invites", data=wrong).status_code == 422
    assert db.session.query(Invite).count() == 0


def test_the_invites_of_others_do_not_exist(sign_in, alice, bob):
    invite = create_invite(alice)
    browser = sign_in(bob)

    assert invite.code not in browser.get("/invites").text
    asking = {"headers": {"Accept": "application/json"}}
    refused, unknown = (browser.post(f"/invites/{id}/revoke", **asking) for id in (invite.id, 99999))
    assert refused.status_code == unknown.status_code == 404
    assert refused.json == unknown.json
    assert invite.revoked_at is None


def test_who_may_sign_up_is_set_by_those_who_run_the_community(sign_in, alice, ada):
    assert sign_in(alice).post("/invites/sign-up", data={"sign_up": "open"}).status_code == 403
    assert "Who can make an account" not in sign_in(alice).get("/invites").text
    assert not the_site().is_open

    assert sign_in(ada).post("/invites/sign-up", data={"sign_up": "open"}).status_code == 303
    assert "Who can make an account" in sign_in(ada).get("/invites").text
    assert the_site().is_open


# People


def test_everyone_is_listed_and_found_by_part_of_a_name_in_any_script(sign_in, alice, bob, change):
    change(bob, name="Łukasz Ødegård")
    browser = sign_in(alice)

    everyone = browser.get("/people").text
    assert all(f'href="/people/{name}"' in everyone for name in ("ada", "alice", "bob", "carol"))
    for q in ("łukasz", "ØDEGÅRD", "@bo"):
        found = browser.get("/people", query_string={"q": q}).text
        assert 'href="/people/bob"' in found
        assert 'href="/people/carol"' not in found
    assert "Nobody called" in browser.get("/people?q=%25").text
    assert browser.get("/people?q=" + "x" * 5000).status_code == 200


def test_more_people_than_a_page_holds_are_a_page_at_a_time(sign_in, alice):
    crowd(196)
    browser = sign_in(alice)

    def shown(page):
        return re.findall(r'item__link" href="/people/([^"]+)"', page)

    first = browser.get("/people").text
    following = re.search(r'class="button" href="([^"]+)">Next page', first)[1]
    second = browser.get(f"/people{following}").text
    last = browser.get("/people" + re.search(r'class="button" href="([^"]+)">Next page', second)[1]).text

    assert "201 people, 100 of them on this page" in first
    assert [len(shown(page)) for page in (first, second, last)] == [100, 100, 1]
    assert len(set(shown(first + second + last))) == 201
    assert "Next page" not in last
    found = browser.get("/people?q=PERSON+18").text
    assert "11 people with “<bdi>PERSON 18</bdi>”" in found
    assert "Next page" not in found
    assert "q=person" in re.search(r'class="button" href="([^"]+)">Next page', browser.get("/people?q=person").text)[1]


def test_addresses_of_others_are_on_no_page(sign_in, alice, bob):
    browser = sign_in(alice)

    assert bob.email not in browser.get("/people").text + browser.get("/people/bob").text


def test_a_page_about_a_person(sign_in, alice, bob, change):
    change(bob, bio="<b>Down the hole</b>", time_zone="Asia/Tokyo")
    page = sign_in(alice).get("/people/Bob")

    assert page.status_code == 200
    assert "&lt;b&gt;Down the hole" in page.text


@pytest.mark.parametrize("name", ["nobody", "__proto__", "%00", "..%2f..%2fetc"])
def test_nobody_by_that_name_is_not_found(sign_in, alice, name):
    assert sign_in(alice).get(f"/people/{name}").status_code == 404


def test_those_who_left_are_not_listed(sign_in, alice, bob, change):
    change(bob, deactivated_at=now())

    page = sign_in(alice).get("/people").text
    assert 'href="/people/carol"' in page
    assert 'href="/people/bob"' not in page


# The profile


def test_a_profile_is_changed(sign_in, alice):
    browser = sign_in(alice)
    fields = {"name": "Alice Liddell", "username": "liddell", "bio": "Hello", "time_zone": "Europe/London"}
    answer = browser.post("/settings/profile", data=fields)

    assert (answer.status_code, answer.location) == (303, "/settings/profile")
    assert 'value="Alice Liddell"' in browser.get("/settings/profile").text


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"username": "ada"}, "is taken"), ({"username": "x"}, "2 to 32"), ({"name": ""}, "Give a name"),
     ({"time_zone": "Mars"}, "valid choice")],
)  # fmt: skip
def test_a_refused_profile_keeps_what_was_typed(sign_in, alice, ada, wrong, words):
    fields = {"name": "Alice Liddell", "username": "alice", "bio": "Hello", "time_zone": "UTC"} | wrong
    answer = sign_in(alice).post("/settings/profile", data=fields)

    assert answer.status_code == 422
    assert words in answer.text
    assert "Hello" in answer.text
    assert alice.name == "Alice"


def upload(browser, data):
    return browser.post(
        "/settings/avatar", data={"picture": (BytesIO(data), "me.png")}, content_type="multipart/form-data"
    )


def test_a_picture_is_uploaded_and_served_as_nothing_but_a_picture(sign_in, alice, client):
    assert upload(sign_in(alice), picture()).status_code == 303
    answer = client.get(alice.avatar_path)

    assert (answer.status_code, answer.mimetype) == (200, "image/webp")
    assert answer.headers["Content-Security-Policy"] == f"{NO_DOCUMENT}; sandbox"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in answer.headers["Cache-Control"]
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"", 422, "Choose a picture first."),
        (b"<svg/>", 422, "PNG, JPEG, GIF or WebP"),
        (b"x" * 5_000_001, 413, "larger than"),
    ],
)
def test_a_refused_picture_says_why_beside_its_field(sign_in, alice, data, status, words):
    answer = upload(sign_in(alice), data)

    assert answer.status_code == status
    assert words in answer.text
    assert alice.avatar is None


def test_a_form_without_a_picture_is_refused(sign_in, alice):
    assert sign_in(alice).post("/settings/avatar").status_code == 422


def test_a_picture_is_removed(sign_in, alice, client):
    upload(sign_in(alice), picture())
    path = alice.avatar_path
    sign_in(alice).post("/settings/avatar/remove")

    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    "name", ["x.webp", "..", "..%2fsecret_key", "%2e%2e/secret_key", ".hidden", "%00", "a/b", "a%5cb"]
)
def test_no_other_file_is_served(client, name):
    assert client.get(f"/avatars/{name}").status_code == 404


# Sessions and the password


def test_every_session_is_listed_this_one_first(sign_in, alice):
    begin_session(
        alice, user_agent="Mozilla/5.0 (iPhone; CPU iPhone OS 17_5) Version/17 Mobile Safari", address="192.0.2.9"
    )
    page = sign_in(alice).get("/settings/security").text

    assert page.index("This one") < page.index("Safari on iPhone")
    assert "192.0.2.9" in page


def test_one_of_ones_own_sessions_is_ended(sign_in, alice):
    token = begin_session(alice)
    answer = sign_in(alice).post(f"/settings/sessions/{session_for(token).id}/end")

    assert answer.status_code == 303
    assert session_for(token) is None


def test_the_sessions_of_others_do_not_exist(sign_in, alice, bob):
    token = begin_session(alice)
    session_id, browser = session_for(token).id, sign_in(bob)

    assert browser.post(f"/settings/sessions/{session_id}/end").status_code == 404
    assert browser.post("/settings/sessions/99999/end").status_code == 404
    assert session_for(token) is not None


def test_ending_the_others_keeps_this_one(sign_in, alice):
    token, browser = begin_session(alice), sign_in(alice)
    browser.post("/settings/sessions/end-others")

    assert session_for(token) is None
    assert browser.get("/settings/security").status_code == 200


def test_changing_the_password_ends_the_others_and_keeps_this_one(sign_in, alice, password):
    token, browser = begin_session(alice), sign_in(alice)
    answer = browser.post("/settings/password", data={"current": password, "new": GRACE["password"]})

    assert (answer.status_code, answer.location) == (303, "/settings/security")
    assert session_for(token) is None
    assert browser.get("/settings/security").status_code == 200


@pytest.mark.parametrize(
    ("changed", "words"),
    [({"current": "a wrong password"}, "not your present password"), ({"new": "1234567890"}, "easy to guess"),
     ({"current": ""}, "Give your current"), ({"new": ""}, "Choose a new")],
)  # fmt: skip
def test_a_refused_change_says_why_beside_its_field(sign_in, alice, password, changed, words):
    fields = {"current": password, "new": GRACE["password"]} | changed
    answer = sign_in(alice).post("/settings/password", data=fields)

    assert answer.status_code == 422
    assert words in answer.text
    assert GRACE["password"] not in answer.text


# Everywhere


PAGES = ["/invites", "/people", "/people/alice", "/settings/profile", "/settings/security"]
FORMS = [
    "/invites", "/invites/1/revoke", "/invites/sign-up", "/settings/profile", "/settings/avatar",
    "/settings/avatar/remove", "/settings/password", "/settings/sessions/1/end", "/settings/sessions/end-others",
]  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_for_those_who_are_signed_in(client, path):
    assert client.get(path).status_code == 303


@pytest.mark.parametrize("path", FORMS)
def test_forms_are_for_those_who_are_signed_in(client, path):
    assert (client.post(path).status_code, client.post(path).location) == (303, "/login")


@pytest.mark.parametrize("path", [*FORMS, "/login", "/logout"])
def test_forms_need_their_token(sign_in, alice, path):
    answer = sign_in(alice, csrf=True).post(path, data={"login": "alice", "password": "x"})

    assert answer.status_code == 400
    assert len(sessions_of(alice)) == 1


@pytest.mark.parametrize("path", [*PAGES, "/login"])
def test_pages_are_kept_in_no_cache(sign_in, client, alice, path):
    browser = client if path == "/login" else sign_in(alice)

    assert browser.get(path).headers["Cache-Control"] == "no-store"


def test_no_session_is_made_by_looking(client, alice):
    client.get("/login")

    assert db.session.query(Session).count() == 0
