import pytest

from chat.accounts.actions import sign_in as sign_in_at
from chat.accounts.queries import everyone, user_by_username
from chat.core.db import db
from chat.core.errors import Invalid
from chat.site.queries import the_site
from tests.factories import PASSWORD

NEW = "lantern otter gravel plum"
GRACE = ["--name", "Grace Hopper", "--username", "grace", "--email", "grace@example.org"]


@pytest.fixture
def people(app):
    def run(*args, stdin=None):
        return app.test_cli_runner().invoke(args=["people", *args], input=stdin)

    return run


@pytest.fixture
def nobody_here(app):
    db.drop_all()
    db.create_all()
    db.session.expunge_all()


def test_a_person_is_made_with_a_link_to_set_the_password_once(people, client):
    result = people("create", *GRACE)

    assert result.exit_code == 0, result.output
    created, _, link = result.output.splitlines()
    assert created == "Created @grace (Grace Hopper, member)."
    path = link.removeprefix("http://localhost:5000")
    assert client.post(path, data={"new": NEW}).status_code == 303
    sign_in_at("grace", NEW)
    assert client.post(path, data={"new": NEW}).status_code == 404


def test_a_password_from_standard_input_is_not_printed(people):
    result = people("create", *GRACE, "--role", "admin", "--password-stdin", stdin="walnut ferry copper dusk\n")

    assert result.exit_code == 0, result.output
    assert "walnut" not in result.output
    assert user_by_username("grace").role == "admin"
    sign_in_at("grace", "walnut ferry copper dusk")


@pytest.mark.parametrize(
    ("args", "stdin", "words"),
    [
        (["create", *GRACE, "--password-stdin"], "1234567890\n", "easy to guess"),
        (["create", *GRACE, "--password-stdin"], "", "at least 10"),
        (["create", *GRACE, "--role", "king"], None, "king"),
        (["create", "--name", "Grace", "--email", "nothing"], None, "e-mail"),
        (["create", "--name", "Ada", "--username", "ada", "--email", "second@example.org"], None, "taken"),
        (["create", "--name", "Grace"], None, "--email"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_reason(people, ada, args, stdin, words):
    before = len(everyone())
    result = people(*args, stdin=stdin)

    assert result.exit_code != 0
    assert words in result.output
    assert "Traceback" not in result.output
    assert len(everyone()) == before


def test_on_an_empty_database_the_first_person_founds_the_community(nobody_here, people):
    result = people("create", *GRACE, "--community", "Tidewater")

    assert result.exit_code == 0, result.output
    assert "(Grace Hopper, owner)" in result.output
    assert the_site().name == "Tidewater"
    assert user_by_username("grace").role == "owner"


def test_the_first_person_is_the_owner_whatever_was_asked(nobody_here, people):
    result = people("create", *GRACE, "--role", "member")

    assert "(Grace Hopper, owner)" in result.output
    assert user_by_username("grace").role == "owner"


def test_everyone_is_listed(people, alice, ada):
    lines = people("list").output.splitlines()

    assert any("@alice" in line and alice.email in line and "member" in line for line in lines)
    assert any("@ada" in line and "owner" in line for line in lines)


def test_whoever_forgot_their_password_gets_another_and_is_signed_out(people, alice, sign_in):
    browser = sign_in(alice)
    before = alice.password_hash

    result = people("password", "alice", "--password-stdin", stdin="lantern otter gravel plum")

    assert result.exit_code == 0, result.output
    assert user_by_username("alice").password_hash != before
    assert browser.get("/").status_code == 303


def test_without_one_they_get_a_link_and_the_old_one_is_gone(people, alice, client):
    *_, link = people("password", "alice").output.splitlines()

    with pytest.raises(Invalid):
        sign_in_at("alice", PASSWORD)
    assert client.post(link.removeprefix("http://localhost:5000"), data={"new": NEW}).status_code == 303
    sign_in_at("alice", NEW)


def test_a_weak_password_and_an_unknown_name_are_refused(people, alice):
    before = alice.password_hash

    assert "at least" in people("password", "alice", "--password-stdin", stdin="short").output
    assert "nobody called @zoe" in people("password", "zoe").output
    assert user_by_username("alice").password_hash == before


def test_another_role_is_given_when_nobody_else_could(people, ada, alice):
    result = people("role", "@alice", "owner")

    assert result.output == "@alice is owner now.\n"
    db.session.rollback()
    assert alice.role == "owner"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("nemo", "admin"), "There is nobody called @nemo"),
        (("ada", "member"), "Ada is the only owner"),
        (("alice", "bot"), "'bot' is not one of"),
    ],
)
def test_a_role_that_cannot_be_given_is_refused_with_a_reason(people, args, words):
    result = people("role", *args)

    assert result.exit_code != 0
    assert words in result.output
