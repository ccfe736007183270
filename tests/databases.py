"""What the tests keep their data in: SQLite, or with TEST_DATABASE=postgresql a PostgreSQL that they start themselves.

A database belongs to a folder, as that of SQLite does by nature. Whoever is given the same folder is on the same one,
in this process or another, and where a founded folder is copied to, the database is a copy as well.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.system.postgresql import shared

ON_POSTGRESQL = os.environ.get("TEST_DATABASE", "sqlite") == "postgresql"
ADDRESS, TEMPLATE = "database.txt", "template.txt"  # in a folder: where its database is, or whose copies are wanted

_beside = ThreadPoolExecutor(1)
_next = {}  # {template: the copy that is made while a test still runs on the one before}


def environ_of(folder):
    """The settings that lead to the folder's database. A new one is empty, or a copy of what was founded."""
    if not ON_POSTGRESQL:
        return {}
    address, template = Path(folder, ADDRESS), Path(folder, TEMPLATE)
    if not address.exists():
        address.parent.mkdir(parents=True, exist_ok=True)
        address.write_text(_copy(template.read_text()) if template.exists() else shared().database())
    return {"DATABASE_URL": address.read_text()}


def found(folder):
    """From here on copies of this folder begin with what its database holds. Nobody may be connected to it."""
    if ON_POSTGRESQL:
        Path(folder, TEMPLATE).write_text(Path(folder, ADDRESS).read_text().rpartition("/")[2])
        Path(folder, ADDRESS).unlink()


def drop(folder):
    """The folder's database is no longer needed. Whoever is still connected to it is thrown out."""
    if ON_POSTGRESQL:
        _beside.submit(shared().drop, Path(folder, ADDRESS).read_text())


def _copy(template):
    make = shared().database
    ready = _next.pop(template, None) or _beside.submit(make, template)
    _next[template] = _beside.submit(make, template)
    return ready.result()
