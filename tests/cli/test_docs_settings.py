"""docs/configuration.md and .env.example say what config.py says. WRITE_DOCS=1 writes them anew."""

import os
import re
from dataclasses import fields
from pathlib import Path

from dotenv import dotenv_values

import config

ROOT = Path(__file__).parents[2]
TABLE = re.compile(r"(\| --- \| --- \| --- \|\n).*?(<!-- end of the table -->)", re.DOTALL)


def settings():
    return [(f.metadata["env"], f.metadata["default"], f.metadata["meaning"]) for f in fields(config.Settings)]


def table():
    return "".join(
        f"| `{name}` | {f'`{default}`' if default else ''} | {meaning} |\n" for name, default, meaning in settings()
    )


def sample():
    head = (
        "# Copy this to .env and take the # away from what you change; the values are the defaults.\n"
        "# docs/configuration.md says more.\n"
    )
    return head + "".join(f"\n# {meaning}\n#{name}={default}\n" for name, default, meaning in settings())


def kept(path, wanted):
    if os.environ.get("WRITE_DOCS") == "1":
        path.write_text(wanted)
    return path.read_text()


def test_the_page_lists_every_setting_as_it_is():
    page = ROOT / "docs/configuration.md"
    wanted = TABLE.sub(lambda found: found[1] + table() + found[2], page.read_text())

    assert kept(page, wanted) == wanted


def test_the_sample_lists_every_setting_as_it_is():
    assert kept(ROOT / ".env.example", sample()) == sample()


def test_the_sample_with_everything_taken_in_changes_nothing(tmp_path):
    mine = tmp_path / ".env"
    mine.write_text(re.sub(r"^#(?=[A-Z_]+=)", "", sample(), flags=re.MULTILINE))
    own = {"DATA_DIR": str(tmp_path), "SECRET_KEY": "a key for tests, long enough for the check"}

    assert config.load({**dotenv_values(mine), **own}) == config.load(own)
