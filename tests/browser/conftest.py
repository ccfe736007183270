"""People's browsers: Chromium windows on a real server process, and an ear for whatever goes wrong in them.

A test that ends with a console error, a report of the content security policy, an uncaught exception or a failed
request fails, unless it said before that it expects just that: `window.expects(r"…")`.
"""

import itertools
import shutil
from pathlib import Path

import pytest

from chat.rooms.actions import add_member, create_room
from tests.browser.window import Room, Window
from tests.conftest import FIGURES
from tests.factories import person
from tests.system.server import Server

CHROMIUM = Path("/usr/bin/chromium")
QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
numbers = itertools.count(1)


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed; install it with: apt-get install chromium")
    return {**browser_type_launch_args, "executable_path": str(CHROMIUM), "args": QUIET}


@pytest.fixture(scope="module")
def server(founded, tmp_path_factory, request):
    """A running Parley with the cast in it, for all tests of a module. `SETTINGS` in the module are its environment."""
    folder = tmp_path_factory.mktemp(request.module.__name__.rpartition(".")[2])
    shutil.copytree(founded, folder / "data")
    server = Server(folder / "data", **getattr(request.module, "SETTINGS", {})).start()
    yield server
    note_lag(request.module.__name__, server)
    server.close()


def note_lag(name, server):
    """What a server says about its event loop stands at the end of the report."""
    metrics = server.metrics()
    alarms, worst, busy, longest = (
        metrics[f"parley_loop_{what}"]
        for what in ("lag_alarms_total", "lag_worst_seconds", "busy_alarms_total", "busy_worst_seconds")
    )
    FIGURES.append(
        f"{name}: the event loop was over 50 ms late {alarms:.0f} times, at worst by {worst * 1000:.0f} ms; "
        f"it used the processor for over 50 ms {busy:.0f} times, at most for {longest * 1000:.0f} ms"
    )


@pytest.fixture
def figure():
    """figure(words) → the words stand at the end of the report."""
    return FIGURES.append


@pytest.fixture
def open_window(browser, server):
    """open_window("alice", room) → a Window of a browser in which alice is signed in. None: nobody is.

    `beside=window` opens a second tab of the same browser. Other keywords are those of a browser context.
    """
    windows, contexts = [], []

    def open_window(username=None, place=None, *, beside=None, at=server, **options):
        context = beside.context if beside else browser.new_context(base_url=at.url, **options)
        if not beside:
            contexts.append(context)
            if username:
                name, _, value = at.cookie(username).partition("=")
                context.add_cookies([{"name": name, "value": value, "url": at.url, "httpOnly": True}])
        window = Window(context.new_page(), username or (beside and beside.username), at)
        windows.append(window)
        if options.get("java_script_enabled") is False:
            window.expects(r"^failed: GET \S+\.js csp$")  # how Chromium says that it ran no script
        if place is not None:
            window.visit(place)
        return window

    yield open_window
    troubles = [f"{window.username}: {trouble}" for window in windows for trouble in window.troubles]
    for context in contexts:
        context.close()
    assert not troubles, "What the browsers complained about:\n" + "\n".join(troubles)


@pytest.fixture
def make_room(server):
    """make_room("alice", "bob", …) → a Room of its own for this test: the first owns it, the others are in it."""

    def make_room(owner, *others, name=None, kind="public", topic="", at=server):
        name = name or f"berth-{next(numbers)}"
        with at.app.app_context():
            room = create_room(person(owner), name, kind=kind, topic=topic)
            for other in others:
                add_member(person(owner), room, person(other))
            return Room(at, room.id, room.name)

    return make_room


@pytest.fixture
def room(make_room):
    """A public room of alice's with bob in it."""
    return make_room("alice", "bob")
