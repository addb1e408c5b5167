"""The store's database: SQLite in a private file, or PostgreSQL. Tables, connection, transaction.

Every transaction holds the whole store: ``BEGIN IMMEDIATE`` in SQLite, an advisory lock in
PostgreSQL. They are short, and so two schedulers, or a scheduler and a command, can never act
on the same state.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from orchestrator.errors import StoreError

STORE_VARIABLE = "RANKFALL_STORE"
SCHEMA_VERSION = 1
_LOCK_KEY = 0x72616E6B66616C6C  # "rankfall"
_WAIT_SECONDS = 30
_DIALECTS = ("sqlite", "postgresql")


class UtcDateTime(sa.TypeDecorator[datetime]):
    """A moment: stored in UTC without offset, handed out in UTC with it."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


metadata = sa.MetaData()

schedules = sa.Table(
    "rankfall_schedules",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("job_prefix", sa.String(200), unique=True, nullable=False),
    sa.Column("request", sa.Text, nullable=False),
    sa.Column("cron", sa.String(200)),
    sa.Column("zone", sa.String(100)),
    sa.Column("moment", UtcDateTime),
    sa.Column("overlap", sa.String(20), nullable=False),
    sa.Column("misfire", sa.String(20), nullable=False),
    sa.Column("until", UtcDateTime),
    sa.Column("alert_decades", sa.Float),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("is_paused", sa.Boolean, nullable=False),
    sa.Column("next_fire", UtcDateTime),
)

firings = sa.Table(
    "rankfall_firings",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("schedule", sa.String(64), nullable=False),
    sa.Column("fire_time", UtcDateTime, nullable=False),
    sa.Column("job_id", sa.String(220), unique=True, nullable=False),
    sa.Column("request", sa.Text, nullable=False),
    sa.Column("overlap", sa.String(20), nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("alert_decades", sa.Float),
    sa.Column("is_by_hand", sa.Boolean, nullable=False),
    sa.Column("state", sa.String(20), nullable=False, index=True),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("submitted_at", UtcDateTime),
    sa.Column("stop_asked_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime, index=True),
    sa.Column("trial_hours", sa.Float),
    sa.Column("boundaries", sa.Text, nullable=False),
    sa.Column("moves", sa.Text, nullable=False),
    sa.Column("has_moved", sa.Boolean),
    sa.Column("is_alerted", sa.Boolean, nullable=False),
    sa.UniqueConstraint("schedule", "fire_time"),
)

queue = sa.Table(
    "rankfall_queue",
    metadata,
    sa.Column("schema_version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("most_studies", sa.Integer, nullable=False),
    sa.Column("daily_trial_hours", sa.Float),
)


def default_url(environment: Mapping[str, str] = os.environ) -> str:
    """Return the URL of ``RANKFALL_STORE``, or of a file in the user's data folder."""
    if named := environment.get(STORE_VARIABLE, "").strip():
        return named
    return f"sqlite:///{data_folder(environment) / 'scheduler.db'}"


def data_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where this user's service keeps its state: ``$XDG_DATA_HOME/rankfall``."""
    base = environment.get("XDG_DATA_HOME", "")
    return (Path(base) if base else Path.home() / ".local" / "share") / "rankfall"


def open_engine(url: str) -> sa.Engine:
    """Connect to a store, and make its tables where there are none.

    Raises:
        StoreError: If the URL is wrong, the database cannot be reached, or another version of
            Rankfall made the tables.
    """
    try:
        parsed = sa.make_url(url)
        dialect = parsed.get_backend_name()
        if dialect not in _DIALECTS:
            raise StoreError(f"store {redact(url)}: expected sqlite:/// or postgresql://")
        engine = _open_sqlite(parsed) if dialect == "sqlite" else sa.create_engine(parsed)
    except (ArgumentError, NoSuchModuleError) as error:
        raise StoreError(
            f"store {redact(url)!r} is no database URL: expected e.g. sqlite:////home/me/x.db or "
            "postgresql://user:password@host/name"
        ) from error
    except ImportError as error:
        raise StoreError(
            f"store {redact(url)}: its driver is missing ({error.name}): pip install 'rankfall"
            "[postgres]'"
        ) from error
    _prepare(engine)
    return engine


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Hold the store for one transaction: all of it happens, or nothing.

    Raises:
        StoreError: If the database cannot be reached, or is held for longer than 30 s.
    """
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_KEY)))
            yield connection
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0] if error.orig else type(error).__name__
        raise StoreError(
            f"the store {engine.url.render_as_string(hide_password=True)} cannot be used: {reason}"
        ) from error


def redact(url: str) -> str:
    """Return a URL without its password, whether or not it is well formed."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}://***@{rest.rpartition('@')[2]}" if separator and "@" in rest else url


def _open_sqlite(url: sa.URL) -> sa.Engine:
    path = Path(url.database or "")
    if not path.is_absolute():
        raise StoreError(f"store {url}: expected the absolute path of a file (four slashes)")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # What is submitted may name what others need not see.
        path.touch(mode=0o600)
    except OSError as error:
        raise StoreError(f"store {path}: cannot be written ({error.strerror})") from error
    engine = sa.create_engine(url, connect_args={"timeout": _WAIT_SECONDS})

    @sa.event.listens_for(engine, "connect")
    def keep_hands_off(connection: Any, _record: object) -> None:
        # The driver's own idea of transactions begins them too late.
        connection.isolation_level = None

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _prepare(engine: sa.Engine) -> None:
    with transaction(engine) as connection:
        metadata.create_all(connection)
        found = connection.scalar(sa.select(queue.c.schema_version))
        if found is None:
            connection.execute(queue.insert().values(schema_version=SCHEMA_VERSION, most_studies=1))
        elif found != SCHEMA_VERSION:
            raise StoreError(
                f"another version of Rankfall made the store {redact(str(engine.url))} (schema "
                f"{found}, this one has {SCHEMA_VERSION}): use that version, or another store"
            )
