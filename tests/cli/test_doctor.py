import os
import socket

import pytest

from chat.cli import doctor
from chat.core.db import db


@pytest.fixture
def examine(app, monkeypatch):
    """examine(**settings) → the doctor's exit code and what it says."""
    monkeypatch.setattr(doctor.socket.socket, "connect_ex", lambda self, address: 1)  # nothing answers on any port

    def examine(**settings):
        for name, value in settings.items():
            object.__setattr__(app.config["PARLEY"], name, value)
        db.session.rollback()
        result = app.test_cli_runner().invoke(args=["doctor"])
        return result.exit_code, result.output

    return examine


def troubles(output):
    return [line for line in output.splitlines() if line.startswith("✗")]


def test_all_is_well(examine):
    code, output = examine()

    assert code == 0, output
    assert troubles(output) == []
    assert len(output.splitlines()) == len(doctor.CHECKS)


def test_tables_that_are_not_up_to_date(examine):
    with db.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")

    code, output = examine()
    assert code == 1
    assert "at 0000, newest is" in troubles(output)[0]
    assert "flask --app app db upgrade" in output


def test_nobody_has_set_it_up(examine):
    with db.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM site")

    code, output = examine()
    assert code == 1
    assert "Open http://localhost:5000/setup" in output


def test_a_key_that_others_can_read(examine, app):
    key = app.config["PARLEY"].data_dir / "secret_key"
    key.write_text("x")
    key.chmod(0o644)

    code, output = examine()
    assert code == 1
    assert f"Run: chmod 600 {key}" in output
    key.chmod(0o600)
    assert examine()[0] == 0


def test_a_disk_that_is_nearly_full(examine, monkeypatch):
    real = os.statvfs

    def full(path):
        found = list(real(path))
        found[4] = found[2] // 50  # f_bavail
        return os.statvfs_result(found)

    monkeypatch.setattr(doctor.os, "statvfs", full)
    code, output = examine()
    assert code == 1
    assert "2% of the disk is free" in output


def test_a_folder_that_cannot_be_written(examine, monkeypatch):
    monkeypatch.setattr(doctor.os, "access", lambda *_: False)

    code, output = examine()
    assert code == 1
    assert "cannot be written by this user" in output


def test_an_address_that_nobody_else_can_open(examine):
    code, output = examine(host="0.0.0.0")
    assert code == 1
    assert "Set BASE_URL to the address people open" in output
    assert examine(base_url="https://chat.example.org")[0] == 0


def test_a_check_that_breaks_is_a_trouble_of_its_own(examine, monkeypatch):
    def broken(settings):
        raise RuntimeError("the database is on fire\nand more")

    monkeypatch.setitem(doctor.CHECKS, "the database answers", broken)
    code, output = examine()
    assert code == 1
    assert troubles(output) == ["✗ the database answers: RuntimeError: the database is on fire"]


def test_whatever_answers_on_the_port_is_mentioned(app):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        object.__setattr__(app.config["PARLEY"], "port", listener.getsockname()[1])
        result = app.test_cli_runner().invoke(args=["doctor"])

    assert result.exit_code == 0
    assert "something answers on port" in result.output
