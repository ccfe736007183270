import pytest

from chat import create_app
from chat.accounts.actions import create_invite
from tests.accounts.oidc.provider import SECRET, Provider, there_and_back, where_to
from tests.conftest import BASE_URL, at_once, settings_for

CALLBACK = f"{BASE_URL}/login/with/oidc/callback"


@pytest.fixture(scope="session")
def running_provider():
    provider = Provider(CALLBACK)
    yield provider
    provider.close()


@pytest.fixture
def provider(running_provider):
    """The provider, as it should be, with Grace at the keyboard."""
    running_provider.be()
    running_provider.asked()
    return running_provider


@pytest.fixture
def more_settings():
    """What a module sets besides."""
    return {}


@pytest.fixture
def settings(settings, provider, more_settings):
    return settings_for(
        settings.data_dir, OIDC_ISSUER=provider.issuer, OIDC_CLIENT_ID="parley", OIDC_CLIENT_SECRET=SECRET,
        OIDC_NAME="Tidewater ID", **more_settings,
    )  # fmt: skip


@pytest.fixture
def another_app(settings):
    """Another process on the same database, which has heard nothing of any provider yet."""
    return create_app(settings, spawn=at_once)


@pytest.fixture
def leave(client):
    """leave(next=…) → where the browser is sent."""

    def leave(browser=client, *, at="/login/with/oidc", **form):
        answer = browser.post(at, data=form)
        assert answer.status_code == 200, answer.text
        return where_to(answer)

    return leave


@pytest.fixture
def come_back(leave):
    """come_back(next=…) → the address with the code that the provider sends the browser back to."""
    return lambda *args, **form: there_and_back(leave(*args, **form), BASE_URL)


@pytest.fixture
def sign_in_there(client, come_back):
    """sign_in_there(next=…) → our answer to somebody who went to the provider and came back."""
    return lambda **form: client.get(come_back(**form))


@pytest.fixture
def invite(alice):
    return create_invite(alice, max_uses=2)
