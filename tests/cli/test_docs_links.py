"""Links in the docs lead somewhere, and what README lists is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, heading = target.partition("#")
        if path.startswith(("https:", "http:")):
            continue
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.+)$", found.read_text(), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, target


def test_the_tree_is_the_one_there_is():
    tree = re.search(r"```\napp\.py.*?```", README, re.DOTALL)[0]
    for indent, name in re.findall(r"^( *)([\w./]+) {2,}\S", tree, re.MULTILINE):
        assert (ROOT / ("chat" if indent else "") / name).exists(), name
    folders = {path.name for path in (ROOT / "chat").iterdir() if (path / "__init__.py").exists()}
    assert folders <= set(re.findall(r"^  (\w+)/", tree, re.MULTILINE))


def test_every_command_is_listed(app):
    listed = re.findall(r"`flask --app app ([\w ]+)`", README)

    for name, command in app.cli.commands.items():
        inside = [f"{name} {sub}" for sub in getattr(command, "commands", ())]
        assert name in ("db", "openapi") or set(inside or [name]) <= set(listed), name


def test_every_target_of_make_that_readme_names_exists():
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert set(re.findall(r"`make ([a-z-]+)`", README)) <= set(targets)
