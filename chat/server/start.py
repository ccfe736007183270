"""`make run`: check the settings, prepare what is missing, and become gunicorn."""

import os
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main():
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    import config

    try:
        settings = config.load()
    except config.ConfigError as error:
        sys.exit("Parley cannot start:\n  " + "\n  ".join(error.problems))
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    if settings.auto_migrate and not up_to_date(settings):
        migrate()
    print(f"Parley is on {settings.base_url}", flush=True)
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", "app:app"])  # noqa: S606 - itself


def up_to_date(settings):
    """Whether SQLite's tables are those of the newest migration. Looks without loading the application: a warm start
    should not pay for what it does not need. Another database is always asked through the migrations themselves."""
    import sqlite3

    path = settings.database_url.removeprefix("sqlite:///")
    if path == settings.database_url or not Path(path).exists():
        return False
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            at = [row[0] for row in connection.execute("SELECT version_num FROM alembic_version")]
    except sqlite3.Error:
        return False
    versions = {p.stem.partition("_")[0] for p in (ROOT / "migrations/versions").glob("*.py")}
    return len(at) == 1 and at[0] == max(versions)


def migrate():
    """Bring the database up to date, in this process, before any server runs."""
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
    from flask_migrate import upgrade

    from chat import create_app

    app = create_app()
    with app.app_context():
        upgrade(directory=str(ROOT / "migrations"))


if __name__ == "__main__":
    main()
