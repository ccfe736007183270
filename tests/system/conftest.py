import shutil

import pytest

from tests.system.server import Server


@pytest.fixture
def server(founded, tmp_path):
    """A running Parley with the cast in it."""
    shutil.copytree(founded, tmp_path / "data")
    server = Server(tmp_path / "data").start()
    yield server
    server.close()
