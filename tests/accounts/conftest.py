import pytest

from chat.core.transaction import transaction
from tests import factories


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
