import pytest

from chat.core.transaction import transaction
from tests import factories
from tests.accounts.factors import Clock


@pytest.fixture
def password(app):
    """What everybody in the cast signs in with."""
    return factories.PASSWORD


@pytest.fixture
def change(app):
    """Change what no action changes yet: `change(alice, deactivated_at=now())`."""

    def change(thing, **values):
        with transaction():
            for name, value in values.items():
                setattr(thing, name, value)
        return thing

    return change


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is told to go on."""
    clock = Clock()
    for module in ("totp", "passkeys", "coming_in", "actions.factors", "actions.passkeys", "actions.confirm",
                   "actions.sessions", "queries"):  # fmt: skip
        monkeypatch.setattr(f"chat.accounts.{module}.now", clock.now, raising=True)
    return clock
