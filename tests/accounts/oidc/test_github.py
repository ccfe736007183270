"""The preset for GitHub, against a stub."""

import pytest

from chat.accounts.models import Identity
from chat.accounts.oidc.github import GitHub
from chat.accounts.queries import user_by_email
from chat.accounts.signed_in import session_for
from chat.core.db import db
from tests.accounts.oidc.github_stub import CLIENT, SECRET, GitHubStub
from tests.accounts.oidc.provider import query_of, there_and_back, where_to, with_query
from tests.accounts.test_views import cookie_of, token_of
from tests.conftest import BASE_URL, settings_for


@pytest.fixture
def github():
    stub = GitHubStub()
    yield stub
    stub.close()


@pytest.fixture
def settings(settings, github):
    return settings_for(settings.data_dir, GITHUB_URL=github.url, GITHUB_CLIENT_ID=CLIENT, GITHUB_CLIENT_SECRET=SECRET)


@pytest.fixture
def come_back(client):
    return lambda **form: there_and_back(where_to(client.post("/login/with/github", data=form)), BASE_URL)


def test_a_new_person_comes_by_an_invite_and_returns(client, come_back, invite, github):
    answer = client.get(come_back(invite=invite.code, next="/people"))

    assert (answer.status_code, answer.location) == (303, "/people")
    mona = session_for(token_of(answer)).user
    assert (mona.name, mona.username, mona.email) == ("Mona Octocat", "octocat", "mona@example.org")
    assert (db.session.query(Identity.issuer, Identity.subject).one()) == (github.url, "583231")

    github.user["login"], github.emails[0]["email"] = "mona2", "alice@example.org"
    assert session_for(token_of(client.get(come_back()))).user == mona


def test_it_asks_with_pkce_for_the_address_and_no_more(client):
    asked = query_of(where_to(client.post("/login/with/github")))

    assert asked["code_challenge_method"] == "S256"
    assert asked["scope"] == "read:user user:email"
    assert asked["redirect_uri"] == f"{BASE_URL}/login/with/github/callback"


@pytest.mark.parametrize(
    "emails",
    [
        [],
        {"message": "Not Found"},
        [{"email": "alice@example.org", "primary": True, "verified": False}],
        [{"email": "alice@example.org", "primary": False, "verified": True}],
        [{"email": "alice@example.org", "primary": "true", "verified": "true"}],
        ["alice@example.org"],
    ],
)
def test_no_address_counts_but_the_primary_one_that_is_verified(client, come_back, github, invite, emails):
    github.emails = emails
    answer = client.get(come_back(invite=invite.code))

    assert answer.status_code == 422
    assert "GitHub does not say that your e-mail address is really yours" in answer.text
    assert (cookie_of(answer), db.session.query(Identity).count()) == (None, 0)


@pytest.mark.parametrize("number", [None, 0, -1, True, "583231", {"$ne": 1}])
def test_a_user_without_a_number_is_nobody(client, come_back, github, invite, number):
    github.user["id"] = number
    answer = client.get(come_back(invite=invite.code))

    assert answer.status_code == 503
    assert user_by_email("mona@example.org") is None


def test_a_code_works_once(client, come_back, invite):
    back = come_back(invite=invite.code)
    client.get(back)
    client.post("/logout")
    other = query_of(where_to(client.post("/login/with/github")))["state"]
    answer = client.get(with_query(back, state=other))

    assert answer.status_code == 422
    assert cookie_of(answer) is None


def test_github_com_has_its_api_elsewhere():
    assert GitHub("https://github.com", "a", "b").api == "https://api.github.com"
    assert GitHub("https://git.example.org", "a", "b").api == "https://git.example.org/api/v3"
