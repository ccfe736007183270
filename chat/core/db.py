"""The database handle, its naming convention, UTC times, and how transactions begin on each engine.

SQLite: the driver's own transaction handling is switched off. A read transaction begins with BEGIN and sees one
snapshot (WAL); a write transaction begins with BEGIN IMMEDIATE under `write_lock`, so that no two green threads of a
process ever wait for each other inside SQLite, where waiting would stop the whole process.
"""

import random
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import orjson
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import DateTime, MetaData, TypeDecorator, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, registry

from chat.core.errors import Busy
from chat.core.prepared import hide_values
from chat.core.write_lock import WriteLock


class UTCDateTime(TypeDecorator):
    """An aware datetime in UTC on every engine. Refuses naive ones, which mean nothing."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect):
        """For SQLite at once the text that SQLAlchemy makes of it in three steps: every message stores times."""
        return _text_of if dialect.name == "sqlite" else super().bind_processor(dialect)

    def process_bind_param(self, value, dialect):
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; use chat.core.clock.now()")
        return value.astimezone(UTC)

    def process_result_value(self, value, dialect):
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _text_of(value):
    if value is None:
        return None
    if value.tzinfo is not UTC:
        value = UTCDateTime.process_bind_param(None, value, None)
    return value.replace(tzinfo=None).isoformat(" ", "microseconds")


class Base(DeclarativeBase):
    registry = registry(
        metadata=MetaData(
            naming_convention={
                "ix": "ix_%(table_name)s_%(column_0_N_name)s",
                "uq": "uq_%(table_name)s_%(column_0_N_name)s",
                "ck": "ck_%(table_name)s_%(constraint_name)s",
                "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
                "pk": "pk_%(table_name)s",
            }
        ),
        type_annotation_map={datetime: UTCDateTime},
    )


db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})

write_lock = WriteLock(lambda: db.engine.url.database)


def engine_options(url):
    """SQLAlchemy's options for this database address."""
    options = {
        "hide_parameters": True,  # a logged error must not hold what people wrote
        "pool_timeout": 5,  # seconds until whoever finds all connections taken is told that the server is busy
        "json_serializer": lambda value: orjson.dumps(value).decode(),
    }
    if url.startswith("sqlite"):
        return options | {"pool_size": 20, "max_overflow": 40, "connect_args": {"timeout": 0}}
    return options | {
        "pool_size": 10,
        "max_overflow": 10,
        "pool_pre_ping": True,
        "connect_args": {
            "connect_timeout": 5,
            # Where packets are lost nobody says that a connection is dead, and what waits for it waits for minutes.
            "tcp_user_timeout": 10_000,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 2,
            "options": "-c statement_timeout=5000 -c lock_timeout=2000 -c idle_in_transaction_session_timeout=10000",
        },
    }


def prepare(engine):
    """Attach what each new connection and each transaction of `engine` needs. Once per engine."""
    if engine.dialect.name != "sqlite":

        @event.listens_for(engine, "handle_error")
        def on_error(context):
            said, ours = str(context.original_exception), context.sqlalchemy_exception
            hide_values(context.original_exception)
            if ours is not None:
                ours.args = (ours.args[0].replace(said, str(context.original_exception)),)

        return

    @event.listens_for(engine, "connect")
    def on_connect(connection, _):
        connection.isolation_level = None  # the driver emits no BEGIN of its own
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "trusted_schema=OFF",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def on_begin(connection):
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def is_sqlite():
    return db.engine.dialect.name == "sqlite"


def begin_write():
    """End any read transaction of this session, forget what it read, and begin to write.

    What is read from here on is fresh: objects loaded before are read again when touched. Raises Busy when another
    process keeps SQLite's lock for 2 seconds.
    """
    db.session.rollback()
    db.session.expire_all()
    patiently(lambda: db.session.connection(execution_options={"writes": True}), afterwards=db.session.rollback)


def patiently(begin, *, afterwards=lambda: None):
    """Call `begin()` until no other process holds SQLite's lock; after a failure, `afterwards()`. Busy after 2 seconds.

    The wait is a sleep, since waiting inside SQLite would stop the process.
    """
    deadline = time.monotonic() + 2
    while True:
        try:
            return begin()
        except OperationalError as error:
            afterwards()
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise Busy from error
            time.sleep(random.uniform(0.002, 0.02))  # noqa: S311 - only so that two who wait do not meet again


@contextmanager
def snapshot():
    """Everything read inside comes from one moment. Read only; begins afresh, so call it before reading anything.

    PostgreSQL: REPEATABLE READ, read only. SQLite: any read transaction already is a snapshot.
    """
    db.session.rollback()
    db.session.expire_all()
    options = {} if is_sqlite() else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    db.session.connection(execution_options=options)
    try:
        yield
    finally:
        db.session.rollback()
