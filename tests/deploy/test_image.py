"""The Dockerfile's steps and its CMD, without a container. It reads as one walk: build, start, stop, start again."""

import signal
import stat

import pytest

from tests.deploy.image import Image, instructions
from tests.system.server import ROOT, free_port, wait_until

DOCKERFILE = instructions((ROOT / "Dockerfile").read_text())


@pytest.fixture(scope="module")
def image():
    image = Image()
    yield image.build()
    image.remove()


@pytest.mark.slow
def test_it_builds_starts_keeps_what_it_knows_in_one_volume_and_stops(image):
    port = str(free_port())
    data = image.folder / "data"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700 and not list(data.iterdir())
    assert not image.healthy(PORT=port)

    kept = {}
    for _ in ("the first start", "and another one"):
        with open(image.top / "log", "wb") as log:
            process = image.start(log, PORT=port)
        try:
            wait_until(lambda: image.healthy(PORT=port), seconds=60, what=lambda: (image.top / "log").read_text())
            assert process.poll() is None, (image.top / "log").read_text()
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(20)
        assert code == 0, (image.top / "log").read_text()
        assert "Traceback" not in (image.top / "log").read_text()
        key = (data / "secret_key").read_text()
        assert kept.setdefault("key", key) == key and (data / "parley.db").exists()
    assert not image.healthy(PORT=port)


def test_bytecode_is_in_the_image_and_tests_are_not(image):
    program = image.folder / "parley"

    assert list((program / "chat").glob("__pycache__/*.pyc"))
    names = "__pycache__ LICENSE app.py chat config.py gunicorn.conf.py migrations static templates"
    assert {path.name for path in program.iterdir()} == set(names.split())


def test_only_what_is_copied_is_sent_to_the_builder():
    copied = {
        source
        for name, rest in DOCKERFILE
        if name == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]

    assert lines[0] == "*"
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == copied
