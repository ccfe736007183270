import json

import pytest

from chat.accounts import passkeys
from chat.accounts.actions import (
    admit_by_passkey,
    admit_by_passkey_alone,
    check_passkey,
    register_passkey,
    remove_passkey,
    rename_passkey,
    sign_in,
)
from chat.accounts.passkeys import ask_for_known, ask_for_new, take_challenge
from chat.accounts.queries import passkey_for, passkeys_of, sessions_of
from chat.accounts.signed_in import session_for
from chat.admin.models import AuditEntry
from chat.core.db import db
from chat.core.errors import Conflict, Forbidden, Invalid, NotFound
from chat.site.queries import the_site
from tests.accounts.authenticator import Authenticator


@pytest.fixture
def browser(app, clock):
    """A browser with a Flask session of its own, asked by the functions that the pages call."""
    with app.test_request_context():
        yield Browser(clock)


class Browser:
    def __init__(self, clock):
        self.clock = clock

    def asked(self, known=(), *, purpose="test", verified=True):
        self.clock.wait(1)
        return json.loads(ask_for_known(known, purpose=purpose, verified=verified))

    def shown(self, device, *, user_id=None, verified=True):
        """What check_passkey says to an honest answer."""
        answer = device.get(self.asked(), verified=verified)
        return check_passkey(answer, take_challenge("test"), user_id=user_id, verified=verified)

    def new(self, user, device=None, *, name="Key"):
        device = device or Authenticator()
        answer = device.create(json.loads(ask_for_new(user, passkeys_of(user), purpose="new")))
        register_passkey(user, answer, take_challenge("new"), name=name)
        return device


def test_a_passkey_lets_its_owner_in_alone(alice, browser):
    device = browser.new(alice)
    session = session_for(admit_by_passkey_alone(browser.shown(device)))

    assert session.user == alice
    assert session.second_factor_at


def test_or_after_the_password(alice, browser, password):
    device, waiting = browser.new(alice), sign_in("alice", password)
    assert waiting.token is None

    shown = browser.shown(device, user_id=alice.id, verified=False)
    assert session_for(admit_by_passkey(waiting.user_id, waiting.mark, shown)).second_factor_at


def test_a_synced_passkey_that_never_counts_works_again_and_again(alice, browser):
    device = browser.new(alice, Authenticator(counts=False))

    for _ in range(3):
        assert admit_by_passkey_alone(browser.shown(device))


def refused(answer, challenge, **more):
    with pytest.raises(Invalid) as error:
        check_passkey(answer, challenge, verified=True, **more)
    return error.value.message


def test_alone_it_has_to_say_that_its_owner_was_there(alice, browser):
    device = browser.new(alice)
    answer = device.get(browser.asked(), verified=False)

    assert refused(answer, take_challenge("test"))


def test_of_a_page_elsewhere_it_is_refused(alice, browser):
    device = browser.new(alice)
    for origin in ("https://evil.example", "http://localhost:5001", "http://localhost.evil.example", "null"):
        device.origin = origin
        assert refused(device.get(browser.asked()), take_challenge("test"))


def test_for_another_host_it_is_refused(alice, browser):
    device = browser.new(alice)
    device.host = "evil.example"

    assert refused(device.get(browser.asked()), take_challenge("test"))


def test_registering_from_a_page_elsewhere_is_refused(alice, browser):
    with pytest.raises(Invalid):
        browser.new(alice, Authenticator(origin="https://evil.example"))
    assert passkeys_of(alice) == []


def test_somebody_elses_is_refused_in_the_words_for_an_unknown_one(alice, bob, browser):
    device = browser.new(bob)
    hers = refused(device.get(browser.asked()), take_challenge("test"), user_id=alice.id)
    unknown = refused(Authenticator().get(browser.asked()), take_challenge("test"), user_id=alice.id)

    assert hers == unknown == passkeys.REFUSED


def test_a_forged_signature_is_refused(alice, browser):
    device, forger = browser.new(alice), Authenticator()
    forger.id = device.id

    assert refused(forger.get(browser.asked()), take_challenge("test"))


def test_the_answer_to_another_challenge_is_refused(alice, browser):
    device = browser.new(alice)
    answer = device.get(browser.asked())
    browser.asked()

    assert refused(answer, take_challenge("test"))


def test_a_challenge_is_gone_once_it_was_taken(browser):
    browser.asked()
    take_challenge("test")

    with pytest.raises(Invalid):
        take_challenge("test")


def test_it_is_good_for_one_purpose(browser):
    browser.asked(purpose="confirm:1")

    with pytest.raises(Invalid):
        take_challenge("confirm:2")


def test_it_lasts_for_five_minutes(browser, clock):
    browser.asked()
    clock.wait(299)
    assert take_challenge("test")
    browser.asked()
    clock.wait(300)
    with pytest.raises(Invalid):
        take_challenge("test")


@pytest.mark.parametrize("counts", [True, False])
def test_an_answer_works_once_also_with_the_cookie_of_its_challenge(alice, browser, counts):
    device = browser.new(alice, Authenticator(counts=counts))
    answer = device.get(browser.asked())
    challenge = take_challenge("test")  # as often as somebody likes to bring that cookie back
    admit_by_passkey_alone(check_passkey(answer, challenge, verified=True))

    with pytest.raises(Invalid):
        admit_by_passkey_alone(check_passkey(answer, challenge, verified=True))
    assert len(sessions_of(alice)) == 1


def test_two_at_once_with_one_answer_begin_one_session(alice, browser):
    device = browser.new(alice)
    answer, challenge = device.get(browser.asked()), take_challenge("test")
    first, second = (check_passkey(answer, challenge, verified=True) for _ in range(2))
    admit_by_passkey_alone(first)

    with pytest.raises(Invalid):
        admit_by_passkey_alone(second)
    assert len(sessions_of(alice)) == 1


def test_a_count_that_does_not_go_up_is_refused_and_written_down(alice, browser):
    device = browser.new(alice)
    admit_by_passkey_alone(browser.shown(device))
    copy = device
    copy.counter = iter([1])

    with pytest.raises(Invalid) as error:
        admit_by_passkey_alone(browser.shown(copy))
    assert "copied" in error.value.message
    assert len(sessions_of(alice)) == 1
    last = db.session.query(AuditEntry).order_by(AuditEntry.seq.desc()).first()
    assert (last.verb, last.subject_id) == ("passkey_copied", alice.id)


def test_a_removed_one_lets_nobody_in(alice, browser):
    device = browser.new(alice)
    shown = browser.shown(device)
    remove_passkey(alice, passkeys_of(alice)[0])

    with pytest.raises(Invalid):
        admit_by_passkey_alone(shown)
    with pytest.raises(Invalid):
        browser.shown(device)


def test_one_passkey_belongs_to_one_person(alice, bob, browser):
    device = browser.new(alice)

    with pytest.raises(Conflict):
        browser.new(bob, device)


def test_a_name_is_needed_and_may_change(alice, bob, browser):
    browser.new(alice, name="Phone")
    [passkey] = passkeys_of(alice)
    rename_passkey(alice, passkey, "  Old phone ")
    assert passkey.name == "Old phone"

    with pytest.raises(Invalid):
        rename_passkey(alice, passkey, " ")
    for action in (lambda: rename_passkey(bob, passkey, "Mine"), lambda: remove_passkey(bob, passkey)):
        with pytest.raises(Forbidden):
            action()
    with pytest.raises(NotFound):
        passkey_for(bob, passkey.id)


@pytest.mark.parametrize(
    "answer",
    ["", "{", "[]", "null", "1", "{}", '{"id": 1, "response": {}}', '{"id": "x", "response": []}',
     '{"id": "x", "response": {}}', "[" * 9000, '{"id": "\\u0000", "response": {}}', "x" * 30_000],
)  # fmt: skip
def test_nonsense_is_refused(alice, browser, answer):
    device = browser.new(alice)
    browser.asked()
    assert refused(answer, take_challenge("test"))
    with pytest.raises(Invalid):
        register_passkey(alice, answer, passkeys.Challenge(b"x", browser.clock.now()), name="Key")
    real = json.loads(device.get(browser.asked()))
    for part in real["response"]:
        for value in ("", "AAAA", 7, None, [], "%%%", "=" * 99):
            spoilt = {**real, "response": {**real["response"], part: value}}
            assert refused(json.dumps(spoilt), passkeys.Challenge(b"x", browser.clock.now()))


def test_passkeys_need_a_name_and_https_or_localhost(app):
    def possible(url):
        object.__setattr__(app.config["PARLEY"], "base_url", url)
        return passkeys.are_possible()

    assert possible("https://chat.example.org")
    assert possible("http://localhost:5000")
    assert not possible("http://chat.example.org")
    assert not possible("https://192.0.2.7")
    assert not possible("http://127.0.0.1:5000")
    assert not possible("https://[2001:db8::1]")


def test_pages_of_other_hosts_are_no_origins_even_if_they_may_open_the_websocket(app):
    settings = app.config["PARLEY"]
    object.__setattr__(settings, "base_url", "https://chat.example.org")
    object.__setattr__(settings, "allowed_origins", ("https://example.org", "https://m.chat.example.org"))

    assert passkeys.origins() == ["https://chat.example.org", "https://m.chat.example.org"]


def test_where_people_come_in_through_a_provider_alone_a_passkey_is_not_enough(alice, ada, browser, change):
    hers, owners = browser.new(alice), browser.new(ada)
    change(the_site(), settings={**the_site().settings, "password_sign_in": False})
    with pytest.raises(Forbidden):
        admit_by_passkey_alone(browser.shown(hers))
    assert sessions_of(alice) == []

    assert admit_by_passkey_alone(browser.shown(owners))
