"""What the tests keep their data in: SQLite, or with TEST_DATABASE=postgresql a PostgreSQL that they start themselves.

A database belongs to a folder, as that of SQLite does by nature. Whoever is given the same folder is on the same one,
and where a founded folder is copied to, the database is a copy as well.
"""

import os

from tests.system.postgresql import shared

ON_POSTGRESQL = os.environ.get("TEST_DATABASE", "sqlite") == "postgresql"
TEMPLATE = "template.txt"  # in a founded folder: the name of the database to copy

_of_folders = {}


def environ_of(folder):
    """The settings that lead to the folder's database. A new one is empty, or a copy of what was founded."""
    if not ON_POSTGRESQL:
        return {}
    if str(folder) not in _of_folders:
        template = folder / TEMPLATE
        _of_folders[str(folder)] = shared().database(template.read_text() if template.exists() else None)
    return {"DATABASE_URL": _of_folders[str(folder)]}


def found(folder):
    """From here on copies of this folder begin with what its database holds. Nobody may be connected to it."""
    if ON_POSTGRESQL:
        (folder / TEMPLATE).write_text(_of_folders.pop(str(folder)).rpartition("/")[2])


def drop(folder):
    """The folder's database is no longer needed. Whoever is still connected to it is thrown out."""
    if str(folder) in _of_folders:
        shared().drop(_of_folders.pop(str(folder)))
