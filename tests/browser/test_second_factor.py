"""Two steps of signing in, as people take them in a browser: passkeys of Chromium's own virtual authenticator."""

import re
import time

import pyotp
import pytest
from playwright.sync_api import expect

from chat.accounts.actions import begin_session, make_recovery_codes, reset_second_factors
from chat.accounts.actions.confirm import LASTS
from chat.accounts.models import Passkey, Session
from chat.accounts.queries import codes_left, sessions_of
from chat.core.transaction import transaction
from tests.factories import PASSWORD, person

CODES = re.compile(r"[0-9a-z]{5}-[0-9a-z]{5}")


@pytest.fixture(autouse=True)
def nobody_has_one(server):
    """The server is the module's: what a test set up goes before the next."""
    yield
    with server.app.app_context():
        for name in ("alice", "bob", "carol"):
            reset_second_factors(person("ada"), person(name))


@pytest.fixture
def plug_in():
    """plug_in(window) → an authenticator in that window's browser, which says yes to everything."""

    def plug_in(window, *, verifies=True, presence=True):
        session = window.context.new_cdp_session(window.page)
        session.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
            "isUserVerified": verifies, "automaticPresenceSimulation": presence,
        }  # fmt: skip
        id = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]
        return Device(session, id)

    return plug_in


class Device:
    def __init__(self, session, id):
        self.session, self.id = session, id

    def credentials(self):
        return self.session.send("WebAuthn.getCredentials", {"authenticatorId": self.id})["credentials"]


def add_passkey(window, name):
    window.visit("/settings/second-factor")
    window.page.get_by_label("Name", exact=True).fill(name)
    window.button("Add a passkey").click()
    expect(window.find("h1")).to_have_text("Keep these recovery codes")
    codes = CODES.findall(window.find(".codes").inner_text())
    window.link("I have kept them").click()
    expect(window.find(".item__title", has_text=name)).to_be_visible()
    return codes


def sign_out(window):
    window.context.clear_cookies()
    window.visit("/login")


def give_password(window, name):
    window.page.get_by_label("E-mail or user name").fill(name)
    window.page.get_by_label("Password", exact=True).fill(PASSWORD)
    window.button("Sign in").click()


def is_in(window):
    expect(window.find("#sidebar")).to_be_attached()


def test_a_passkey_signs_in_alone_and_after_the_password(open_window, plug_in):
    window = open_window("alice")
    device = plug_in(window)
    assert len(add_passkey(window, "This laptop")) == 10
    [made] = device.credentials()
    assert (made["rpId"], made["isResidentCredential"]) == ("localhost", True)

    sign_out(window)
    window.button("Use a passkey instead").click()
    is_in(window)

    sign_out(window)
    give_password(window, "alice")
    expect(window.find("h1")).to_have_text("One more step")
    window.button("Use a passkey").click()
    is_in(window)
    assert device.credentials()[0]["signCount"] > made["signCount"]


def test_one_device_makes_no_second_passkey_for_the_same_person(open_window, plug_in, server):
    window = open_window("alice")
    plug_in(window)
    add_passkey(window, "This laptop")
    window.page.get_by_label("Name", exact=True).fill("Again")
    window.button("Add a passkey").click()

    expect(window.find("[data-passkey-target=trouble]")).to_have_text("This device has a passkey here already.")
    with server.app.app_context():
        assert Passkey.query.count() == 1


def test_without_a_passkey_the_page_says_so_and_the_password_still_works(open_window, plug_in):
    window = open_window()
    plug_in(window)
    window.visit("/login")
    window.button("Use a passkey instead").click()
    expect(window.find("[data-passkey-target=trouble]")).to_contain_text("No passkey was used")

    give_password(window, "bob")
    is_in(window)


def test_a_passkey_whose_count_goes_back_is_refused(open_window, plug_in, server):
    window = open_window("bob")
    plug_in(window)
    add_passkey(window, "Copied key")
    with server.app.app_context(), transaction():
        Passkey.query.one().sign_count = 1000
    sign_out(window)
    window.button("Use a passkey instead").click()

    expect(window.page.get_by_text("seems to have been copied")).to_be_visible()
    window.visit("/people")
    expect(window.find("h1")).to_contain_text("Sign in to")


def test_an_authenticator_app_and_codes_on_paper(open_window, server):
    window = open_window("carol")
    window.visit("/settings/second-factor/app")
    app = pyotp.TOTP(window.find(".secret").inner_text().replace(" ", ""))
    expect(window.find(".qr svg")).to_be_visible()
    moment = time.time()
    window.page.get_by_label("Code", exact=True).fill(app.at(moment))
    window.button("Turn on").click()
    codes = CODES.findall(window.find(".codes").inner_text())
    with window.page.expect_download() as saved:
        window.button("Save as text").click()
    assert set(CODES.findall(saved.value.path().read_text())) == set(codes)

    sign_out(window)
    give_password(window, "carol")
    window.expects("status of 422")
    window.page.get_by_label("Code", exact=True).fill(app.at(moment))
    window.button("Continue").click()
    expect(window.find(".field__error").last).to_contain_text("used before")
    window.page.get_by_label("Code", exact=True).fill(app.at(moment + 30))
    window.button("Continue").click()
    is_in(window)

    sign_out(window)
    give_password(window, "carol")
    window.page.get_by_label("Code", exact=True).fill(codes[0])
    window.button("Continue").click()
    is_in(window)
    with server.app.app_context():
        assert codes_left(person("carol")) == 9


@pytest.mark.parametrize("script", [True, False])
def test_confirming_leads_back_also_without_script(open_window, server, script):
    window = open_window("bob", java_script_enabled=script)
    with server.app.app_context(), transaction():
        for session in Session.query.filter_by(user_id=person("bob").id):
            session.confirmed_at -= LASTS
    window.visit("/settings/second-factor")
    expect(window.find("h1")).to_have_text("Confirm that it is you")
    window.page.get_by_label("Password", exact=True).fill(PASSWORD)
    window.button("Confirm").click()

    expect(window.page).to_have_url(re.compile("/settings/second-factor$"))
    with server.app.app_context():
        assert len(sessions_of(person("bob"))) >= 1


def test_a_forgotten_password_without_script(open_window, server):
    with server.app.app_context():
        code, *_ = make_recovery_codes(person("carol"))
        begin_session(person("carol"))
    window = open_window(java_script_enabled=False).visit("/recover")
    window.page.get_by_label("E-mail or user name").fill("carol")
    window.page.get_by_label("Recovery code").fill(code)
    window.page.get_by_label("New password").fill(PASSWORD)
    window.button("Set the password").click()
    give_password(window, "carol")

    is_in(window)
