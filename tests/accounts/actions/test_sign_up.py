import threading
from datetime import timedelta
from importlib import import_module

import pytest

from chat.accounts import passwords
from chat.accounts.actions import accept_invite, create_invite, revoke_invite, set_sign_up, sign_in, sign_up
from chat.accounts.models import InviteUse
from chat.accounts.queries import everyone, user_by_email
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Conflict, Invalid, NotFound, RateLimited
from chat.site.queries import the_site

module = import_module("chat.accounts.actions.sign_up")  # the package has the function by this name
GRACE = {"name": "Grace Hopper", "email": "grace@example.org", "password": "lantern otter gravel plum"}


@pytest.fixture
def invite(ada):
    return create_invite(ada, expires_days=7, max_uses=2)


@pytest.fixture
def open_to_all(ada):
    set_sign_up(ada, "open")


def test_whoever_has_the_link_makes_an_account_and_can_sign_in(invite):
    user = accept_invite(invite.code, **GRACE)

    assert (user.role, user.username) == ("member", "grace")
    sign_in("grace", GRACE["password"])
    use = db.session.query(InviteUse).one()
    assert (invite.uses, use.invite_id, use.user_id) == (1, invite.id, user.id)


def test_anyone_makes_an_account_while_the_community_is_open(open_to_all):
    assert sign_up(**GRACE, username="amazing").username == "amazing"


def test_nobody_does_while_it_is_not(ada):
    with pytest.raises(NotFound):
        sign_up(**GRACE)

    assert user_by_email(GRACE["email"]) is None


def test_the_last_place_of_an_invite_is_taken_once(invite):
    accept_invite(invite.code, **GRACE)
    accept_invite(invite.code, **(GRACE | {"email": "second@example.org"}))

    with pytest.raises(NotFound, match=r"^That invite has been used up\. Ask for a new link\.$"):
        accept_invite(invite.code, **(GRACE | {"email": "third@example.org"}))
    assert invite.uses == 2


def test_of_many_at_once_only_as_many_come_in_as_there_are_places(app, invite):
    code, answers, ready = invite.code, [], threading.Barrier(6)
    db.session.rollback()

    def accept(number):
        with app.app_context():
            ready.wait(5)
            try:
                answers.append(accept_invite(code, **(GRACE | {"email": f"grace{number}@example.org"})).username)
            except NotFound:
                answers.append("no")

    threads = [threading.Thread(target=accept, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == ["grace", "grace.hopper", "no", "no", "no", "no"]


def test_an_invite_used_up_while_the_password_was_hashed_is_refused(invite, change, monkeypatch):
    def hashed(password, original=passwords.hash_password):
        change(invite, uses=2)
        return original(password)

    monkeypatch.setattr(module, "hash_password", hashed)

    with pytest.raises(NotFound):
        accept_invite(invite.code, **GRACE)
    assert user_by_email(GRACE["email"]) is None
    assert invite.uses == 2


def test_sign_up_closed_while_the_password_was_hashed_is_closed(open_to_all, ada, monkeypatch):
    def hashed(password, original=passwords.hash_password):
        set_sign_up(ada, "invite")
        return original(password)

    monkeypatch.setattr(module, "hash_password", hashed)

    with pytest.raises(NotFound):
        sign_up(**GRACE)
    assert user_by_email(GRACE["email"]) is None


def test_an_expired_invite_says_when(invite, change):
    change(invite, expires_at=now() - timedelta(days=1))

    with pytest.raises(NotFound, match=f"expired on {now() - timedelta(days=1):%-d %B}"):
        accept_invite(invite.code, **GRACE)


def test_a_revoked_invite_is_refused(invite, ada):
    revoke_invite(ada, invite)

    with pytest.raises(NotFound, match="revoked"):
        accept_invite(invite.code, **GRACE)


@pytest.mark.parametrize("code", ["", "x", "\0", "' or 1=1", "é" * 30])
def test_a_code_that_never_was_is_not_found(invite, code):
    with pytest.raises(NotFound):
        accept_invite(code, **GRACE)


@pytest.mark.parametrize(
    ("changed", "error", "field"),
    [
        ({"password": "short"}, Invalid, "password"),
        ({"password": "Grace Hopper"}, Invalid, "password"),
        ({"password": "tidewater99"}, Invalid, "password"),
        ({"password": "x" * 2000}, Invalid, "password"),
        ({"email": "grace"}, Invalid, "email"),
        ({"name": " "}, Invalid, "name"),
        ({"username": "all"}, Invalid, "username"),
        ({"username": "ada"}, Conflict, "username"),
    ],
)
def test_what_cannot_be_used_is_refused_by_field_and_uses_nothing(invite, changed, error, field):
    the_site()
    before = len(everyone())
    with pytest.raises(error) as refused:
        accept_invite(invite.code, **(GRACE | changed))

    assert refused.value.field == field
    assert (len(everyone()), invite.uses) == (before, 0)


def test_an_address_with_an_account_is_told_to_sign_in(invite, alice):
    with pytest.raises(Conflict, match="Sign in instead") as refused:
        accept_invite(invite.code, **(GRACE | {"email": alice.email.upper()}))

    assert refused.value.field == "email"


def test_an_address_makes_only_so_many_accounts_in_a_while(open_to_all, limits_on, monkeypatch):
    monkeypatch.setattr(module, "refuse_weak", lambda *args, **kwargs: None)
    for number in range(20):
        sign_up(**(GRACE | {"email": f"grace{number}@example.org"}), address="192.0.2.7")

    with pytest.raises(RateLimited):
        sign_up(**GRACE, address="192.0.2.7")
    sign_up(**GRACE, address="192.0.2.8")


def test_no_transaction_is_open_while_a_password_is_hashed(invite, monkeypatch):
    during = []
    for name in ("_hash", "_score"):
        original = getattr(passwords, name)
        monkeypatch.setattr(
            passwords, name, lambda *args, fn=original: during.append(db.session().in_transaction()) or fn(*args)
        )
    accept_invite(invite.code, **GRACE)

    assert during == [False, False]
