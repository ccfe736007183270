"""docs/deployment.md: every file, setting, command and figure it names is there, and its backup can be restored."""

import os
import re
import shlex
import sqlite3
import subprocess
from dataclasses import fields

import psycopg
import pytest
from flask_migrate import upgrade

import config
from chat import create_app
from chat.core.db import db
from chat.site.queries import the_site
from tests import factories
from tests.conftest import settings_for
from tests.factories import say
from tests.system.postgresql import PostgreSQL
from tests.system.server import ROOT

PAGE = (ROOT / "docs/deployment.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
MARKED = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL))
SETTINGS = {f.metadata["env"] for f in fields(config.Settings)}
# Names in capitals that are no settings of Parley: those of the proxies, and of the page's own examples.
OTHERS = {"BACKUP", "MAINPID", "PARLEY_SITE", "PARLEY", "PARLEY_LIVE", "PARLEY_A", "PARLEY_B", "PARLEY_LIVE_A",
          "PARLEY_LIVE_B", "PARLEY_CERTIFICATE", "PARLEY_HOST", "POSTGRES_PASSWORD"}  # fmt: skip


def files_named():
    """Paths in backticks and in commands that lead into the project."""
    words = [word for text in [*MARKED, *BLOCKS] for word in re.split(r"[\s=]", text)]
    known = re.compile(r"(deploy|docs|chat)/[\w./-]+|(requirements[\w-]*\.txt|compose\.yaml|Dockerfile|Procfile)")
    return sorted({word for word in words if known.fullmatch(word)})


@pytest.mark.parametrize("path", files_named())
def test_every_file_exists(path):
    assert (ROOT / path).exists()


def test_files_are_found_at_all():
    assert {"deploy/Caddyfile", "deploy/parley.service", "deploy/kubernetes", "requirements.txt"} <= set(files_named())


def test_every_setting_is_one():
    assigned = {name for block in BLOCKS for name in re.findall(r"\b([A-Z][A-Z_]+)=", block)}
    used = {name for block in BLOCKS for name in re.findall(r"\$([A-Z][A-Z_]+)", block)}
    marked = {word.partition("=")[0] for word in MARKED if re.fullmatch(r"[A-Z][A-Z_]{3,}(=\S+)?", word)}

    assert (assigned | used | marked) - OTHERS <= SETTINGS
    assert "PARLEY_ROLE" in marked and "MESSAGE_QUEUE_URL" in assigned


def test_the_settings_of_its_examples_are_taken(tmp_path):
    for block in BLOCKS:
        given = dict(re.findall(r"^([A-Z_]+)=(\S+)$", block, re.MULTILINE))
        if given and not set(given) & OTHERS:
            config.load({"DATA_DIR": str(tmp_path), **given})


def test_every_name_of_a_proxy_is_in_its_file():
    caddy, haproxy = ((ROOT / "deploy" / name).read_text() for name in ("Caddyfile", "haproxy.cfg"))
    for name in OTHERS - {"BACKUP", "MAINPID", "POSTGRES_PASSWORD"}:
        assert f"{{${name}:" in caddy or f'"${{{name}-' in haproxy, name


def test_every_command_of_flask_and_make_exists(app):
    commands = {
        f"{name} {sub}".strip()
        for name, command in app.cli.commands.items()
        for sub in (getattr(command, "commands", None) or [""])
    }
    named = re.findall(r"flask --app app ([a-z]+(?: [a-z]+)?)(?=[`\n])", PAGE)
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert len(named) >= 3 and set(named) <= commands
    assert set(re.findall(r"`?make ([a-z-]+)", PAGE)) <= set(targets)


def test_every_figure_is_measured():
    """Counters are called …_total on the page, and sums …_sum, as they are in the answer."""
    source = (ROOT / "chat/ops/views.py").read_text()
    named = {name for name in MARKED if re.fullmatch(r"parley_[a-z_]+", name)} - {"parley_live"}

    assert len(named) > 8
    for name in named:
        assert f'"{re.sub("_(total|sum)$", "", name)}"' in source, name


def test_commands_are_shell():
    for block in BLOCKS:
        checked = subprocess.run(["sh", "-n"], input=block, text=True, capture_output=True, check=False)
        assert checked.returncode == 0, block + checked.stderr
        for line in block.replace("\\\n", "").splitlines():
            assert shlex.split(line, comments=True), line


def test_a_backup_is_made_while_parley_runs_and_restored(app, tmp_path, alice, general):
    """The page's own commands, in its order."""
    [backup, restore] = [block for block in BLOCKS if "sqlite3" in block]
    data, copy = app.config["PARLEY"].data_dir, tmp_path / "backup"
    copy.mkdir()
    for name in ("secret_key", "password_key"):
        (data / name).write_text(name)
    (data / "uploads/avatars").mkdir(parents=True)
    (data / "uploads/avatars/a.webp").write_bytes(b"picture")
    environ = os.environ | {"DATA_DIR": str(data), "BACKUP": str(copy)}

    say(alice, general, "in the backup")
    subprocess.run(["sh", "-e", "-c", backup], env=environ, check=True)
    say(alice, general, "after it")
    db.session.remove()
    db.engine.dispose()
    epoch = ask(data, "SELECT epoch FROM site")
    (data / "uploads/avatars/a.webp").unlink()
    subprocess.run(["sh", "-e", "-c", restore], env=environ, check=True)

    texts = ask(data, "SELECT text FROM messages")
    assert ("in the backup",) in texts and ("after it",) not in texts
    assert ask(data, "SELECT epoch FROM site") != epoch
    assert ask(data, "SELECT count(*) FROM sessions") == [(0,)]
    assert ask(data, "PRAGMA integrity_check") == [("ok",)]
    assert (data / "uploads/avatars/a.webp").read_bytes() == b"picture"
    assert (data / "password_key").read_text() == "password_key"


@pytest.mark.services
def test_the_same_with_postgresql(tmp_path):
    cluster = PostgreSQL()
    try:
        url = cluster.database()
        app = create_app(settings_for(tmp_path, DATABASE_URL=url))
        with app.app_context():
            upgrade(directory="migrations")
            factories.found()
            say(factories.person("alice"), factories.room("general"), "in the backup")
            epoch = the_site().epoch
        environ = os.environ | {"DATABASE_URL": url, "BACKUP": str(tmp_path)}
        [backup], [restore] = ([block for block in BLOCKS if word in block] for word in ("pg_dump", "pg_restore"))

        subprocess.run(["sh", "-e", "-c", backup], env=environ, check=True)
        with app.app_context():
            say(factories.person("alice"), factories.room("general"), "after it")
            db.session.remove()
            db.engine.dispose()
        subprocess.run(["sh", "-e", "-c", restore], env=environ, check=True, stdout=subprocess.DEVNULL)

        with psycopg.connect(url) as database:
            texts = database.execute("SELECT text FROM messages").fetchall()
            assert ("in the backup",) in texts and ("after it",) not in texts
            assert database.execute("SELECT epoch FROM site").fetchone() != (epoch,)
    finally:
        cluster.stop()


def ask(folder, question):
    with sqlite3.connect(folder / "parley.db") as database:
        return database.execute(question).fetchall()
