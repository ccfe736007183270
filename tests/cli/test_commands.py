import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import config
from chat.cli.commands import masked

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(app):
    def run(*args):
        return app.test_cli_runner().invoke(args=args)

    return run


def test_every_setting_is_shown_as_it_is_in_force(run):
    result = run("config")

    assert result.exit_code == 0, result.output
    shown = {line[:24].strip(): line[24:] for line in result.output.splitlines()}
    assert list(shown) == [f.metadata["env"] for f in fields(config.Settings)]
    assert (shown["BCRYPT_COST"], shown["RATE_LIMITS"], shown["LIMIT_SEND"]) == ("4", "off", "20 + 5/s")


def test_secrets_are_masked(app, run):
    settings = app.config["PARLEY"]
    object.__setattr__(settings, "metrics_token", "collect-me-if-you-can")
    object.__setattr__(settings, "database_url", "postgresql+psycopg://parley:hunter2@db.example/parley")

    output = run("config").output
    assert settings.secret_key not in output
    assert "collect-me" not in output
    assert "hunter2" not in output
    assert "db.example/parley" in output


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:////data/parley.db", "sqlite:////data/parley.db"),
        ("postgresql+psycopg://u:p@h/d", "postgresql+psycopg://u:••••••••@h/d"),
        ("postgresql+psycopg://u:p@p:q@h/d", "postgresql+psycopg://u:••••••••@h/d"),
        ("postgresql+psycopg://u@h/d", "postgresql+psycopg://u@h/d"),
        ("postgresql+psycopg://h/d?user=u&password=p", "postgresql+psycopg://h/d?user=u&password=••••••••"),
        ("postgresql+psycopg://u:p@h/d?password=q&x=1", "postgresql+psycopg://u:••••••••@h/d?password=••••••••&x=1"),
    ],
)
def test_the_address_of_a_database_is_shown_without_its_password(url, shown):
    assert masked(url) == shown


def test_a_new_secret_is_long_enough_and_another_each_time(run):
    first, second = run("secrets", "new").output.strip(), run("secrets", "new").output.strip()

    assert len(first) >= 32 and first != second
    assert config.load({"SECRET_KEY": first}).secret_key == first


def flask(*args, **environ):
    """A command as people run it."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("WERKZEUG")} | environ
    command = [sys.executable, "-m", "flask", "--app", "app", *args]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


def test_a_wrong_setting_stops_a_command_with_the_remedy(tmp_path):
    result = flask("config", DATA_DIR=str(tmp_path), PORT="no", BCRYPT_COST="99")

    assert result.returncode != 0
    assert "PORT is 'no'; use a whole number from 1 to 65535" in result.stderr
    assert "BCRYPT_COST is 99" in result.stderr


def test_every_command_says_what_it_does(app, run):
    for name, command in app.cli.commands.items():
        assert command.get_short_help_str(), name
    assert run("--help").exit_code == 0
