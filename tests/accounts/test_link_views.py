"""Pages that links lead to."""

import re

import pytest

from chat.accounts.actions import make_reset_link
from chat.accounts.signed_in import cookie_name, session_for
from chat.core.jobs import run_due
from chat.core.scrub import scrub
from tests.mailbox import address_in

NEW = "walnut ferry copper dusk"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1"


def path_of(url):
    return url.removeprefix("http://localhost:5000")


# A new password


def test_without_mail_the_page_says_who_helps(client):
    assert "/forgot" in client.get("/login").text
    page = client.get("/forgot")

    assert page.status_code == 200
    assert "Ask one of its administrators" in page.text
    assert "<form" not in page.text
    assert client.post("/forgot", data={"email": "alice@example.org"}).status_code == 404


def test_from_the_forgotten_password_to_the_new_one(client, mailbox, alice):
    answer = client.post("/forgot", data={"email": "alice@example.org"})
    assert (answer.status_code, answer.location) == (303, "/forgot?sent=1")
    assert "on its way" in client.get("/forgot?sent=1").text
    run_due()
    path = path_of(address_in(mailbox.letters[0]))

    page = client.get(path)
    assert "Alice" in page.text
    assert client.post(path, data={"new": "short"}).status_code == 422
    answer = client.post(path, data={"new": NEW})
    assert (answer.status_code, answer.location) == (303, "/login")
    assert "Your new password is set" in client.get("/login").text
    assert client.get(path).status_code == 404
    assert client.post("/login", data={"login": "alice", "password": NEW}).location == "/"


def test_every_address_gets_the_same_answer(client, mailbox):
    def answer(email):
        answer = client.post("/forgot", data={"email": email})
        return answer.status_code, answer.location, answer.text

    assert answer("alice@example.org") == answer("nobody@example.org") == answer("no address at all")


def test_an_address_has_to_be_given(client, mailbox):
    answer = client.post("/forgot", data={"email": ""})

    assert answer.status_code == 422
    assert "Give the e-mail address" in answer.text


def test_asking_too_often_says_when_to_come_back(client, mailbox, limits_on):
    for _ in range(3):
        client.post("/forgot", data={"email": "nobody@example.org"})
    answer = client.post("/forgot", data={"email": "nobody@example.org"})

    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 60


def test_made_up_links_lead_nowhere(client):
    for path in ("/reset/x", "/reset/" + "x" * 43, "/move/x", "/move/" + "x" * 43):
        assert client.get(path).status_code == 404
        assert client.post(path, data={"new": NEW}).status_code == 404
    assert client.post("/move/" + "x" * 43 + "/begin").status_code == 404


def test_an_administrator_makes_a_link_on_the_persons_page(sign_in, client, ada, alice, bob):
    assert "sign-in-link" not in sign_in(bob).get("/people/alice").text
    assert sign_in(bob).post("/people/alice/sign-in-link").status_code == 403
    window = sign_in(ada)
    assert "/people/alice/sign-in-link" in window.get("/people/alice").text
    assert "sign-in-link" not in window.get("/people/ada").text  # not for oneself

    page = window.post("/people/alice/sign-in-link")
    [url] = re.findall(r"http://localhost:5000/reset/[\w-]+", page.text)
    assert page.headers["Cache-Control"] == "no-store"
    assert client.post(path_of(url), data={"new": NEW}).location == "/login"


def test_the_secret_is_in_no_log_of_accesses(ada, alice):
    path = path_of(make_reset_link(ada, alice))
    assert scrub(f"GET {path} HTTP/1.1") == "GET /reset/… HTTP/1.1"
    assert scrub("POST /move/abc/begin HTTP/1.1") == "POST /move/…/begin HTTP/1.1"


# Another device


@pytest.fixture
def first(sign_in, alice):
    return sign_in(alice)


@pytest.fixture
def phone(app, csrf_off):
    browser = app.test_client()
    browser.environ_base.update(HTTP_USER_AGENT=PHONE, REMOTE_ADDR="192.0.2.7")
    return browser


def code_of(first):
    """Make a code and return the path that it holds."""
    assert first.post("/settings/move").location == "/settings/move"
    page = first.get("/settings/move").text
    [url] = re.findall(r'value="(http://localhost:5000/move/[\w-]+)"', page)
    assert "<svg" in page
    return path_of(url)


def asker_on(first):
    return re.search(r'name="asker" value="(\w+)"', first.get("/settings/move").text)[1]


def test_a_phone_is_signed_in_without_typing_a_password(first, phone, alice):
    path = code_of(first)
    assert "Sign in on this device?" in phone.get(path).text
    assert "Alice" in phone.get(path).text
    assert phone.post(path).location == path
    assert "Now say yes there" in phone.get(path).text

    page = first.get("/settings/move").text
    assert "Safari on iPhone" in page
    assert "192.0.2.7" in page
    assert path not in page  # nobody else needs the code now
    first.post("/settings/move/answer", data={"asker": asker_on(first), "answer": "yes"})
    assert "may come in" in first.get("/settings/move").text

    assert "You may come in" in phone.get(path).text
    answer = phone.post(f"{path}/begin")
    assert (answer.status_code, answer.location) == (303, "/")
    assert session_for(phone.get_cookie(cookie_name()).value).user == alice
    assert "Safari on iPhone" in first.get("/settings/security").text


def test_looking_at_the_link_lets_nobody_in(first, phone):
    path = code_of(first)
    phone.get(path)
    assert 'name="asker"' not in first.get("/settings/move").text

    phone.post(path)
    assert phone.post(f"{path}/begin").location == path  # nobody said yes
    assert phone.get_cookie(cookie_name()) is None


def test_no_is_no(first, phone):
    path = code_of(first)
    phone.post(path)
    first.post("/settings/move/answer", data={"asker": asker_on(first), "answer": "no"})

    assert phone.get(path).status_code == 404
    assert phone.post(f"{path}/begin").status_code == 404


def test_another_browser_with_the_link_gets_nothing_once_one_has_asked(first, phone, client):
    path = code_of(first)
    phone.post(path)

    assert client.get(path).status_code == 404
    assert client.post(path).status_code == 404
    first.post("/settings/move/answer", data={"asker": asker_on(first), "answer": "yes"})
    assert client.post(f"{path}/begin").status_code == 404


def test_the_code_shows_in_the_browser_that_made_it_alone(first, sign_in, alice):
    path = code_of(first)

    assert path not in sign_in(alice).get("/settings/move").text
    assert path in first.get("/settings/move").text


def test_the_code_is_drawn_without_any_style(first):
    code_of(first)
    page = first.get("/settings/move").text

    assert not re.search(r"<svg[^>]*style|<path[^>]*style|<style", page)


def test_whoever_was_signed_in_on_the_other_device_gives_way(first, sign_in, bob, alice):
    phone = sign_in(bob)
    before, path = phone.get_cookie(cookie_name()).value, code_of(first)
    assert "signed in as <bdi>Bob</bdi>" in phone.get(path).text
    phone.post(path)
    first.post("/settings/move/answer", data={"asker": asker_on(first), "answer": "yes"})
    phone.post(f"{path}/begin")

    assert session_for(before) is None
    assert session_for(phone.get_cookie(cookie_name()).value).user == alice
