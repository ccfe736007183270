import pytest

from chat.accounts.queries import people_count, user_by_username
from chat.accounts.signed_in import cookie_name
from chat.core.db import db
from chat.rooms import found
from chat.rooms.queries import membership_of, public_room_named
from chat.site.queries import the_site

ADA = {
    "name": "Tidewater", "hue": "205", "owner": "Ada", "username": "ada", "email": "ada@example.org",
    "password": "walnut ferry copper dusk",
}  # fmt: skip


@pytest.fixture
def nobody_here(app):
    """A database in which nobody has set anything up."""
    db.session.rollback()
    db.drop_all()
    db.create_all()
    db.session.expunge_all()


@pytest.fixture
def setup(client, nobody_here):
    """setup(…) sends the form of the first visit."""
    return lambda **changed: client.post("/setup", data=ADA | changed)


@pytest.mark.parametrize("path", ["/", "/login", "/rooms", "/rooms/1", "/people", "/signup", "/invite/x"])
def test_before_it_is_set_up_every_way_leads_to_setup(client, nobody_here, path):
    answer = client.get(path)
    assert (answer.status_code, answer.location) == (303, "/setup")
    assert "Set" in client.get("/setup").text


def test_the_first_visit_makes_the_community_its_owner_and_general(setup, client):
    answer = setup()

    assert (answer.status_code, answer.location) == (303, "/")
    assert any(cookie.startswith(cookie_name()) for cookie in answer.headers.getlist("Set-Cookie"))
    owner, general = user_by_username("ada"), public_room_named("general")
    assert (the_site().name, owner.role, membership_of(owner, general).role) == ("Tidewater", "owner", "owner")
    assert "Hello, <bdi>Ada</bdi>" in client.get("/").text
    assert client.get("/rooms/1").status_code == 200


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": " "}, "Give the community a name."),
        ({"owner": ""}, "name"),
        ({"email": "nothing"}, "e-mail"),
        ({"password": "short"}, "at least 10"),
        ({"password": "tidewater1"}, "little more than a name"),
        ({"password": "qwertyuiop"}, "easy to guess"),
        ({"username": "a b"}, "user name"),
        ({"hue": "999"}, "choice"),
    ],
)
def test_what_cannot_be_stays_in_the_form_and_nothing_is_made(setup, client, changed, words):
    answer = setup(**changed)

    assert answer.status_code == 422
    assert words.lower() in answer.text.lower()
    assert ADA["password"] not in answer.text
    assert the_site() is None
    assert people_count() == 0


def test_a_second_visitor_cannot_do_it_again(setup, client):
    setup()
    db.session.rollback()

    assert client.get("/setup").location == "/login"
    assert setup(name="Mine", username="eve", email="eve@example.org").location == "/login"
    assert the_site().name == "Tidewater"
    assert user_by_username("eve") is None


def test_of_two_at_once_one_does_it(app, setup, monkeypatch):
    """As when the other one is done between the look and the form."""
    setup()
    db.session.rollback()
    monkeypatch.setattr(found, "the_site", lambda: None)

    late = app.test_client()
    answer = late.post("/setup", data=ADA | {"name": "Mine", "username": "eve", "email": "eve@example.org"})
    assert answer.location == "/login"
    assert (the_site().name, people_count()) == ("Tidewater", 1)
    assert "set up already" in late.get("/login").text
