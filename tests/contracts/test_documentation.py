"""What people can call, they can read about. Settings and wire events have tests of their own, in tests/cli."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def pages():
    return [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *ROOT.glob("CONTRIBUTING.md")]


def written():
    return "\n".join(path.read_text() for path in pages() if path.exists())


def test_every_command_is_written_about(app):
    text = written()
    commands = []
    for name, command in app.cli.commands.items():
        commands += [f"{name} {sub}" for sub in command.commands] if hasattr(command, "commands") else [name]
    named = ("people", "mail", "seed", "flood", "doctor", "config", "secrets")
    ours = [name for name in commands if name.split()[0] in named]

    assert len(ours) >= 7
    assert not [name for name in ours if not re.search(rf"\b{name}\b", text)]


def test_every_make_target_is_written_about():
    """The everyday ones in the README; `make help` has them all, each with what it does."""
    makefile, text = (ROOT / "Makefile").read_text(), written()
    explained = set(re.findall(r"^([a-z-]+):.*## \S", makefile, re.MULTILINE))
    [phony] = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)

    assert set(phony.split()) == explained
    assert not [name for name in ("run", "dev", "test", "lint", "help") if f"make {name}" not in text]


@pytest.mark.parametrize(
    "name", ["LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs/protocol.md"]
)
def test_the_pages_that_people_look_for_are_there(name):
    assert (ROOT / name).stat().st_size > 100


def test_every_limit_is_a_setting_and_every_setting_limits_something(app):
    source = "\n".join(path.read_text() for path in (ROOT / "chat").rglob("*.py"))
    used = set(re.findall(r"limiter\.(?:take|check|give_back)\(\s*\"(\w+)\"", source))
    settings = {name.removeprefix("limit_") for name in vars(app.config["PARLEY"]) if name.startswith("limit_")}

    assert used <= settings
    assert not [name for name in settings if f'"{name}"' not in source]
