import pytest
from flask_migrate import upgrade

from chat import create_app
from chat.core.db import db
from tests.conftest import at_once, settings_for


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """An application of its own for a whole file of tests, with tables and nobody in them."""
    app = create_app(settings_for(tmp_path_factory.mktemp("empty")), spawn=at_once)
    app.testing = True
    with app.app_context():
        upgrade(directory="migrations")
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def nobody_here(app):
    """The tables are there, the cast is not."""
    db.drop_all()
    db.create_all()
    db.session.expunge_all()
