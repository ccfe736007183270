"""The cast, an application of their own for each test, and clients for them.

ada runs the community, alice owns #general, bob is in it, carol is outside it, robot will be a bot once there are bots.
"""

import gc
import os
import shutil
from itertools import compress

import pytest
from flask_migrate import upgrade
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.util import LRUCache
from werkzeug.routing import Rule

import config
from chat import create_app
from chat.accounts.actions.sessions import begin_session
from chat.accounts.signed_in import cookie_name
from chat.core.db import db
from tests import databases, factories
from tests.assertions import LiveClient
from tests.mailbox import Mailbox

BASE_URL = "http://localhost:5000"
FIGURES = []  # what tests measured, in words, for the end of the report

# Databases of tests in memory where there is room: most of their time would be waiting for a disk to have written.
if os.path.isdir("/dev/shm") and shutil.disk_usage("/dev/shm").free > 2 * 1024**3:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", "/dev/shm")


_compile, _compiled = Rule.compile, {}


def _compile_once(rule):
    """What matches and builds an address is compiled for every rule of every application. Each test has an application
    of its own, and compiling those of all rules took longer than most tests."""
    about = rule.rule, rule.subdomain, rule.merge_slashes, rule.map.host_matching, repr(rule.defaults)
    if about not in _compiled:
        _compile(rule)
        _compiled[about] = [getattr(rule, name) for name in ("_parts", "_trace", "_converters", "arguments")]
        _compiled[about] += [rule._build.__func__, rule._build_unknown.__func__]
    rule._parts, rule._trace, rule._converters, rule.arguments, build, build_unknown = _compiled[about]
    rule._build, rule._build_unknown = build.__get__(rule, None), build_unknown.__get__(rule, None)


Rule.compile = _compile_once

# The same of statements: one engine finds in the cache what another has compiled, since their dialects are alike.
DefaultDialect.__eq__ = lambda self, other: type(self) is type(other)
DefaultDialect.__hash__ = lambda self: hash(type(self))
_statements = LRUCache(2000)


def pytest_collection_modifyitems(config, items):
    """Slow things last: a mistake in a unit test should show in seconds. On PostgreSQL those are left out that keep
    nothing anywhere, and what is about SQLite's file, which is no gap that somebody should fill there."""
    if databases.ON_POSTGRESQL:
        twice = [keeps_something(item) and not item.get_closest_marker("sqlite") for item in items]
        config.hook.pytest_deselected(items=[item for item, again in zip(items, twice, strict=True) if not again])
        items[:] = list(compress(items, twice))
    items.sort(key=lambda item: ("browser" in item.keywords) * 2 + ("system" in item.nodeid))


def keeps_something(item):
    """Whether the test has a folder of its own, as every database does."""
    return "tmp_path_factory" in item.fixturenames


def pytest_collection_finish():
    """What was imported stays: looking through it again and again for what nobody holds any more took a fifth of the
    time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


def pytest_runtest_logreport(report):
    """A failure is told when it happens, too: a run that is cut off shows what went wrong in it."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        crash = getattr(report.longrepr, "reprcrash", None)
        reason = (crash.message if crash else str(report.longrepr)).partition("\n")[0]
        print(f"\nFAILED {report.nodeid} ({report.when}): {reason}", flush=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """REQUIRE_ALL=1 turns a skip into a failure: a service that is missing would hide a broken feature."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("REQUIRE_ALL") == "1":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and REQUIRE_ALL=1 allows no skip: {report.longrepr}"
    return report


def pytest_sessionfinish(session):
    """Where several processes run the tests, each hands over its figures."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["figures"] = FIGURES


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    FIGURES.extend(getattr(node, "workeroutput", {}).get("figures", ()))


def pytest_terminal_summary(terminalreporter):
    for words in FIGURES:
        terminalreporter.write_line(words)


def settings_for(folder, **environ):
    """Settings of a test's own: everything below `folder`, fast password hashes, no limits."""
    return config.load(
        {
            "DATA_DIR": str(folder),
            "SECRET_KEY": "a key for tests, long enough for the check",
            "BCRYPT_COST": "4",
            "RATE_LIMITS": "off",
            "BASE_URL": BASE_URL,
            **({} if "DATABASE_URL" in environ else databases.environ_of(folder)),
            **environ,
        }
    )


@pytest.fixture(scope="session")
def founded(tmp_path_factory):
    """A folder with a database that has the cast in it, made once and copied for each test."""
    folder = tmp_path_factory.mktemp("founded")
    app = create_app(settings_for(folder), spawn=at_once)
    with app.app_context():
        upgrade(directory="migrations")
        factories.found()
        db.session.remove()
        db.engine.dispose()
    databases.found(folder)
    return folder


def at_once(function, *args):
    """In tests what would run beside the caller runs at once, so that nothing has to be waited for."""
    function(*args)


@pytest.fixture
def settings(founded, tmp_path):
    shutil.copytree(founded, tmp_path / "data")
    yield settings_for(tmp_path / "data")
    databases.drop(tmp_path / "data")


@pytest.fixture
def app(settings):
    """The application, its context pushed. Nothing polls: call `app.extensions["live"].pump.poll()`."""
    app = create_app(settings, spawn=at_once)
    app.testing = True
    with app.app_context():
        db.engine._compiled_cache = _statements
        app.extensions["live"].pump.begin_now()
        db.session.rollback()
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def limits_on(app):
    """Switches the rate limits on, with their default values. No time passes for them: what is let in again after a
    second would be there on a slow machine and not on a fast one."""
    object.__setattr__(app.config["PARLEY"], "rate_limits", True)
    app.extensions["limiter"].buckets.monotonic = lambda: 100.0


@pytest.fixture
def mailbox(app):
    """A mail server that this application uses. `run_due()` sends what waits; then see `mailbox.letters`."""
    mailbox = Mailbox()
    for name, value in (("smtp_url", mailbox.url), ("mail_from", "chat@tidewater.example")):
        object.__setattr__(app.config["PARLEY"], name, value)
    yield mailbox
    mailbox.close()


@pytest.fixture
def csrf_off(app):
    app.config["WTF_CSRF_ENABLED"] = False


@pytest.fixture
def client(app, csrf_off):
    """A browser in which nobody is signed in."""
    return app.test_client()


@pytest.fixture
def sign_in(app):
    """sign_in(user) → a browser in which that person is signed in. CSRF is off unless `csrf=True`."""

    def sign_in(user, *, csrf=False):
        app.config["WTF_CSRF_ENABLED"] = csrf
        browser = app.test_client()
        token = begin_session(user, address="127.0.0.1", user_agent="Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")
        browser.set_cookie(cookie_name(), token)
        return browser

    return sign_in


@pytest.fixture
def live(app):
    """live(user) → a connected LiveClient; live(user, room) also says that the room is on its screen."""
    return lambda user, room=None: LiveClient(app, user, room)


def _person(name):
    @pytest.fixture(name=name)
    def person(app):
        return factories.person(name)

    return person


ada, alice, bob, carol, robot = (_person(name) for name in ("ada", "alice", "bob", "carol", "robot"))


@pytest.fixture
def general(app):
    return factories.room("general")


@pytest.fixture
def secret(app, alice, bob):
    """A private room of alice's with bob in it."""
    from chat.rooms.actions import add_member, create_room

    room = create_room(alice, "secret", kind="private")
    add_member(alice, room, bob)
    return room
