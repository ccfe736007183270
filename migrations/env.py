import fcntl
import logging
from contextlib import contextmanager
from logging.config import fileConfig

from flask import current_app
from sqlalchemy import text

from alembic import context

# this is the Alembic Config object, which provides
# access to the values within the .ini file in use.
config = context.config

# Interpret the config file for Python logging.
# This line sets up loggers basically.
fileConfig(config.config_file_name, disable_existing_loggers=False)
logger = logging.getLogger("alembic.env")


def get_engine():
    return current_app.extensions["migrate"].db.engine


def get_engine_url():
    try:
        return get_engine().url.render_as_string(hide_password=False).replace("%", "%%")
    except AttributeError:
        return str(get_engine().url).replace("%", "%%")


# add your model's MetaData object here
# for 'autogenerate' support
# from myapp import mymodel
# target_metadata = mymodel.Base.metadata
config.set_main_option("sqlalchemy.url", get_engine_url())
target_db = current_app.extensions["migrate"].db

# other values from the config, defined by the needs of env.py,
# can be acquired:
# my_important_option = config.get_main_option("my_important_option")
# ... etc.


def get_metadata():
    if hasattr(target_db, "metadatas"):
        return target_db.metadatas[None]
    return target_db.metadata


def run_migrations_offline():
    """Run migrations in 'offline' mode.

    This configures the context with just a URL
    and not an Engine, though an Engine is acceptable
    here as well.  By skipping the Engine creation
    we don't even need a DBAPI to be available.

    Calls to context.execute() here emit the given string to the
    script output.

    """
    url = config.get_main_option("sqlalchemy.url")
    context.configure(url=url, target_metadata=get_metadata(), literal_binds=True)

    with context.begin_transaction():
        context.run_migrations()


ONE_AT_A_TIME = 0x5061726C  # the number of the advisory lock: "Parl"


@contextmanager
def alone_on_this_machine():
    """One process at a time changes the tables; the others wait, and then find them changed. Several may start together.
    Taken before the database is opened: SQLite refuses whoever opens it while it becomes a write-ahead one."""
    folder = current_app.config["PARLEY"].data_dir
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "migrating", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def alone(connection):
    """The same between machines, on PostgreSQL. The connection loses its timeouts, as changing a large table may take
    longer than any request."""
    if connection.dialect.name == "sqlite":
        with unchecked(connection):
            yield
        return
    connection.execute(text("SET statement_timeout = 0"))
    connection.execute(text("SET lock_timeout = 0"))
    connection.execute(text(f"SELECT pg_advisory_lock({ONE_AT_A_TIME})"))
    connection.commit()  # the lock is the session's; the migration begins a transaction of its own
    try:
        yield
    finally:
        connection.invalidate()  # ends the session, its lock and its settings


@contextmanager
def unchecked(connection):
    """SQLite changes some things of a table by making it anew, and foreign keys would refuse that: they are looked at
    when all is done. The connection is not used again."""
    connection.exec_driver_sql("SELECT 1").close()
    driver = connection.connection.driver_connection
    connection.rollback()  # the setting counts only outside of a transaction
    driver.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
        broken = driver.execute("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise RuntimeError(f"Rows point at rows that are not there: {broken[:5]}. Go back to your backup.")
    finally:
        connection.invalidate()


def run_migrations_online():
    """Run migrations in 'online' mode.

    In this scenario we need to create an Engine
    and associate a connection with the context.

    """

    # this callback is used to prevent an auto-migration from being generated
    # when there are no changes to the schema
    # reference: http://alembic.zzzcomputing.com/en/latest/cookbook.html
    def process_revision_directives(context, revision, directives):
        if getattr(config.cmd_opts, "autogenerate", False):
            script = directives[0]
            if script.upgrade_ops.is_empty():
                directives[:] = []
                logger.info("No changes in schema detected.")

    conf_args = current_app.extensions["migrate"].configure_args
    if conf_args.get("process_revision_directives") is None:
        conf_args["process_revision_directives"] = process_revision_directives

    connectable = get_engine()

    with alone_on_this_machine(), connectable.connect() as connection, alone(connection):
        context.configure(connection=connection, target_metadata=get_metadata(), **conf_args)

        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    run_migrations_offline()
else:
    run_migrations_online()
