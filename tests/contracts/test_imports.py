"""Imports run one way, along the list in the design; only a few files know which async library runs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ORDER = [
    "core", "streams", "site", "accounts", "rooms", "attachments", "messages", "search", "notifications",
    "integrations", "fanout", "realtime", "admin", "transfer", "ops", "api", "cli", "server", "wiring", "__init__",
]  # fmt: skip
ASYNC = {"eventlet", "gevent", "greenlet"}


def files():
    return sorted((ROOT / "chat").rglob("*.py"))


def part(path):
    """The part of Parley a file belongs to: "rooms", "wiring", "__init__" …"""
    return path.relative_to(ROOT / "chat").parts[0].removesuffix(".py")


def imported(path):
    """The full names of everything a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from ([f"chat.{alias.name}" for alias in node.names] if node.module == "chat" else [node.module])


def test_every_part_has_its_place_in_the_list():
    assert {part(path) for path in files()} <= set(ORDER)


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    # The table of contents hands out the version, and commands say which async mode runs.
    spared = {("cli", "server"), ("ops", "server")}
    for name in imported(path):
        if name.startswith("chat."):
            other = name.split(".")[1]
            if other in ORDER and (part(path), other) not in spared:
                assert ORDER.index(other) <= ORDER.index(part(path)), f"{part(path)} imports {name}"


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_a_few_files_know_which_async_library_runs(path):
    name = path.relative_to(ROOT / "chat").as_posix()
    if not name.startswith(("server/", "fanout/")) and name != "core/blocking.py":
        assert not {module.split(".")[0] for module in imported(path)} & ASYNC


def test_the_fan_out_knows_sockets_and_nothing_of_chat():
    for path in files():
        if part(path) == "fanout":
            roots = {name.split(".")[0] for name in imported(path)}
            assert not roots & {"flask", "sqlalchemy", "flask_sqlalchemy", "flask_socketio"}
            assert not any(name.startswith("chat.") and not name.startswith("chat.fanout") for name in imported(path))


def test_the_core_knows_nothing_of_chat():
    for path in files():
        if part(path) == "core":
            assert all(name.startswith("chat.core") for name in imported(path) if name.startswith("chat.")), path


def test_entry_points_write_no_queries_of_their_own():
    """`select` and the session's queries stand in queries.py and the log, so that rules cannot be bypassed."""
    for path in files():
        entry = path.name in ("views.py", "policy.py", "presenter.py", "forms.py") or path.name.endswith("_views.py")
        if entry or path.parent.name == "namespaces":
            names = {alias.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)
                     and node.module == "sqlalchemy" for alias in node.names}  # fmt: skip
            assert not names & {"select", "update", "delete", "insert"}, path


@pytest.mark.parametrize("module", ["chat", "chat.server.worker", "chat.fanout"])
def test_the_master_process_imports_no_flask(module):
    """Green threads are patched in after the fork; what was imported before would keep the real ones."""
    code = f"import sys, {module}; print([m for m in ('flask', 'sqlalchemy', 'flask_socketio') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_application_chooses_no_async_library():
    code = "import sys, chat; chat.create_app; import chat.realtime.live, chat.messages.views, chat.core.blocking\n"
    code += "print([m for m in ('eventlet', 'gevent') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_modules_are_named_for_what_they_are():
    vague = {"utils", "util", "helpers", "helper", "manager", "managers", "service", "services", "common", "misc"}
    everywhere = [*files(), *(ROOT / "tests").rglob("*.py"), *(ROOT / "static/js").rglob("*.js")]
    assert not [path for path in everywhere if path.stem in vague or path.parent.name in vague]
