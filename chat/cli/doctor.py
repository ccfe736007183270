import os
import socket
import sqlite3
import stat
import sys

import click
from flask import current_app
from sqlalchemy import text

from chat.core.db import db
from chat.site.queries import the_site


@click.command()
def doctor():
    """Look for what commonly goes wrong, and say what to do. Ends with 1 when something needs doing."""
    troubles = 0
    for name, check in CHECKS.items():
        try:
            trouble = check(current_app.config["PARLEY"])
        except Exception as error:
            trouble = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        troubles += bool(trouble)
        click.echo(f"{'✗' if trouble else '✓'} {name}{f': {trouble}' if trouble else ''}")
    sys.exit(1 if troubles else 0)


def _database(settings):
    db.session.execute(text("SELECT 1"))


def _migrations(settings):
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    with db.engine.connect() as connection:
        at = MigrationContext.configure(connection).get_current_revision()
    newest = ScriptDirectory("migrations").get_current_head()
    return None if at == newest else f"at {at or 'nothing'}, newest is {newest}. Run: flask --app app db upgrade"


def _community(settings):
    return None if the_site() else f"nobody has set it up. Open {settings.base_url}/setup, or: flask people create"


def _data_dir(settings):
    if not os.access(settings.data_dir, os.W_OK):
        return f"{settings.data_dir} cannot be written by this user. Change its owner, or DATA_DIR."
    free = os.statvfs(settings.data_dir)
    share = free.f_bavail / max(free.f_blocks, 1)
    return f"only {share:.0%} of the disk is free. Make room before the database cannot grow." if share < 0.05 else None


def _secret_key(settings):
    path = settings.data_dir / "secret_key"
    if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
        return f"others can read {path}. Run: chmod 600 {path}"
    return None


def _origin(settings):
    if settings.host not in ("127.0.0.1", "localhost", "::1") and settings.base_url.startswith("http://localhost"):
        return "HOST listens to the network but BASE_URL is localhost. Set BASE_URL to the address people open."
    return None


def _time(settings):
    return "Python's SQLite is older than 3.35. Use a newer one." if sqlite3.sqlite_version_info < (3, 35) else None


def _port(settings):
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", settings.port)) == 0:
            click.echo(f"  something answers on port {settings.port}: Parley itself, or a program in its way")


CHECKS = {
    "the database answers": _database,
    "its tables are up to date": _migrations,
    "there is a community": _community,
    "the data folder can be written and has room": _data_dir,
    "the secret key is kept secret": _secret_key,
    "people reach it under BASE_URL": _origin,
    "SQLite is new enough": _time,
    "the port": _port,
}
