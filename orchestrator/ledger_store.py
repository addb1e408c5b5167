"""Where a ledger lies: in its journal file, or in PostgreSQL, to which a line in that file points.

Whatever opens a ledger names a file in the study's folder. Where that holds a pointer instead of
a journal, the Optuna study is in the database, in a schema of its own: Optuna and MLflow call a
table of theirs alike. Each folder has a name of its own there, so that two folders
never write one ledger; the folder's lock keeps it to one process as ever.
"""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import optuna
import sqlalchemy as sa
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from orchestrator.errors import LedgerError
from orchestrator.journal import open_journal
from trainer.durable import write_durably

SCHEMA = "rankfall_ledger"
_MARK = b'{"ledger":'
_LOCK_KEY = 0x6C6564676572  # "ledger"


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where a ledger lies in PostgreSQL: the database, without a password, and its name there."""

    url: str
    name: str


class OpenedStore(NamedTuple):
    """A storage, the names of those of its studies that are this ledger's, and its own name."""

    storage: BaseStorage
    names: list[str]
    own_name: str | None


def open_store(path: Path) -> OpenedStore:
    """Open the journal at a path, or the database that it points to.

    Raises:
        LedgerError: If it is no journal of Optuna's, or the database cannot be used.
    """
    pointer = read_pointer(path)
    if pointer is None:
        storage = open_journal(path)
        return OpenedStore(storage, optuna.get_all_study_names(storage), None)
    with reaching(pointer.url):
        database = _open_database(pointer.url)
        names = [name for name in optuna.get_all_study_names(database) if name == pointer.name]
    return OpenedStore(database, names, pointer.name)


def read_pointer(path: Path) -> Pointer | None:
    """Return where a file points; None if it is a journal, or not there."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        if file.read(len(_MARK)) != _MARK:
            return None
    content = json.loads(path.read_text())
    return Pointer(content["ledger"], content["study"])


def point_to(path: Path, url: str, study: str) -> None:
    """Let a new ledger be kept in PostgreSQL; one that is kept there already is left alone.

    Raises:
        LedgerError: If the URL is no PostgreSQL database's, holds a password, or cannot be
            reached; or if the study has a ledger elsewhere.
    """
    url = require_database(url)
    found = read_pointer(path)
    if found is None and path.exists():
        raise LedgerError(f"{path}: the study has its ledger here: leave --ledger out")
    if found is not None:
        if found.url != url:
            raise LedgerError(f"{path}: the ledger lies in {found.url}: leave --ledger out")
        return
    with reaching(url):
        _open_database(url)
    content = {"ledger": url, "study": f"{study}-{uuid.uuid4().hex[:12]}"}
    write_durably(path, (json.dumps(content) + "\n").encode())


def require_database(url: str) -> str:
    """Return the URL of a PostgreSQL database.

    Raises:
        LedgerError: If it is something else, or holds a password.
    """
    try:
        parsed = sa.make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, NoSuchModuleError):
        parsed, backend = None, ""
    if parsed is None or backend != "postgresql":
        raise LedgerError("--ledger: expected postgresql://user@host/database")
    if parsed.password is not None:
        raise LedgerError(
            "--ledger holds a password, which would lie in the study's folder: write it to "
            "~/.pgpass or PGPASSWORD, where the study runs, and leave it out"
        )
    return url


@contextmanager
def reaching(url: str = "its database") -> Iterator[None]:
    """Turn what a ledger's database lets out into one line.

    Raises:
        LedgerError: If it cannot be used.
    """
    try:
        yield
    except ImportError as error:
        raise LedgerError(
            f"ledger {url}: its driver is missing ({error.name}): pip install 'rankfall[postgres]'"
        ) from error
    except (SQLAlchemyError, StorageInternalError, RuntimeError) as error:
        cause = getattr(error, "orig", None) or getattr(error.__cause__, "orig", None) or error
        reason = str(cause).strip().splitlines()[0]
        raise LedgerError(
            f"the ledger in {url} cannot be used ({reason}); what was trained is kept on disk: "
            "the same command goes on"
        ) from error


def copy_journal(path: Path, target: Path) -> None:
    """Write a ledger as a journal, wherever it lies: what an export holds.

    Raises:
        LedgerError: If it lies in a database that cannot be used.
    """
    pointer = read_pointer(path)
    if pointer is None:
        journal = path.read_bytes()
        # A running study may be in the middle of a line.
        write_durably(target, journal[: journal.rfind(b"\n") + 1])
        return
    with reaching(pointer.url):
        optuna.copy_study(
            from_study_name=pointer.name,
            from_storage=_open_database(pointer.url),
            to_storage=open_journal(target),
            to_study_name=pointer.name.rpartition("-")[0],
        )


def close_databases() -> None:
    """Close the connections of this process: at the end of a test."""
    for database in _DATABASES:
        database.engine.dispose()
    _DATABASES.clear()
    _open_database.cache_clear()


_DATABASES: list[RDBStorage] = []


@cache
def _open_database(url: str) -> RDBStorage:
    """Connect; the first one ever makes the tables, while others wait."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_lock(_LOCK_KEY)))
        connection.execute(sa.schema.CreateSchema(SCHEMA, if_not_exists=True))
        connection.commit()
        options = {"options": f"-csearch_path={SCHEMA}"}
        database = RDBStorage(url, engine_kwargs={"connect_args": options, "pool_pre_ping": True})
    _DATABASES.append(database)
    return database
