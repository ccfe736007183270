"""Signing in through a provider in a browser: the policy of our pages lets nothing through that this does not need."""

import pytest
from playwright.sync_api import expect

from chat.accounts.actions.invites import create_invite
from tests.accounts.oidc.provider import SECRET, Provider
from tests.browser.test_accessibility import AXE, check
from tests.factories import PASSWORD, person
from tests.system.ports import free_port

PORT = free_port()
SETTINGS = {
    "OIDC_ISSUER": f"http://127.0.0.1:{PORT}", "OIDC_CLIENT_ID": "parley", "OIDC_CLIENT_SECRET": SECRET,
    "OIDC_NAME": "Tidewater ID",
}  # fmt: skip
CAROL = {"sub": "carol-1", "email": "carol@example.org", "email_verified": True, "name": "Carol"}
ALICE = {"sub": "alice-1", "email": "alice@example.org", "email_verified": True, "name": "Alice"}
HENRI = {"sub": "henri-1", "email": "henri@example.org", "email_verified": True, "name": "Henri Becquerel"}


@pytest.fixture(scope="module")
def provider(server):
    provider = Provider(f"{server.url}/login/with/oidc/callback", port=PORT)
    yield provider
    provider.close()


@pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without"])
def test_somebody_comes_by_an_invite_leaves_and_returns(open_window, provider, server, script):
    provider.be({**HENRI, "sub": f"henri-{script}", "email": f"henri-{script}@example.org"})
    with server.app.app_context():
        invite = create_invite(person("alice")).path
    window = open_window(None, invite, java_script_enabled=script)
    window.button("Continue with Tidewater ID").click()
    expect(window.page).to_have_url(server.url + "/")
    expect(window.find("body")).to_contain_text("general")

    window.context.clear_cookies()
    window.visit("/login?next=/people").button("Continue with Tidewater ID").click()
    expect(window.page).to_have_url(f"{server.url}/people")
    expect(window.find("main, .page").first).to_contain_text("Henri Becquerel")


def test_an_account_is_connected_by_its_password(open_window, provider, server):
    provider.be(ALICE)
    window = open_window(None, "/login")
    window.button("Continue with Tidewater ID").click()
    expect(window.page.get_by_role("heading")).to_have_text("You have an account already")
    window.page.get_by_label("Password", exact=True).fill(PASSWORD)
    window.button("This is me").click()
    expect(window.page).to_have_url(server.url + "/")

    window.visit("/settings/security")
    window.button("Disconnect Tidewater ID").click()
    window.dialog.get_by_role("button", name="Disconnect").click()
    expect(window.button("Connect Tidewater ID")).to_be_visible()


def test_who_is_signed_in_connects_it(open_window, provider, server):
    provider.be(CAROL)
    window = open_window("carol", "/settings/security")
    window.button("Connect Tidewater ID").click()
    expect(window.page).to_have_url(f"{server.url}/settings/security")
    expect(window.button("Disconnect Tidewater ID")).to_be_visible()
    expect(window.find(".toasts")).to_contain_text("Tidewater ID signs you in from now on.")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_on_the_way_pass_axe(open_window, provider, theme):
    assert AXE.exists()
    provider.be({**ALICE, "sub": f"alice-{theme}"})
    window = open_window(None, "/login", color_scheme=theme, bypass_csp=True)
    check(window, what="the sign-in page with a provider")
    window.button("Continue with Tidewater ID").click()
    expect(window.page.get_by_role("heading")).to_have_text("You have an account already")
    check(window, what="the question whether it is you")
