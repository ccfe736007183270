import shutil

import pytest

from tests.conftest import settings_for
from tests.policies.world import World


@pytest.fixture(scope="module")
def world(founded, tmp_path_factory):
    """The community of tests/policies/world.py. Whoever changes it puts it back."""
    folder = tmp_path_factory.mktemp("world") / "data"
    shutil.copytree(founded, folder)
    world = World(settings_for(folder))
    yield world
    world.close()
