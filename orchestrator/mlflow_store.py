"""Where MLflow keeps a results folder's runs; knows URIs and locks, imports no MLflow.

By default a SQLite file in the results folder, with artifacts beside it. The variable
``MLFLOW_TRACKING_URI`` wins; an http(s) server then decides about artifacts itself.
"""

import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from orchestrator.errors import TrackingError

URI_VARIABLE = "MLFLOW_TRACKING_URI"
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
SERVERS = ("http", "https")


@dataclass(frozen=True, slots=True)
class Store:
    """An MLflow tracking store.

    Attributes:
        uri: ``sqlite:///...``, another database's URL, or an http(s) server's address.
        artifact_root: Folder for the artifacts of a database store; unused with a server.

    Raises:
        TrackingError: If the URI is of a kind that MLflow 3 or Rankfall does not support.
    """

    uri: str
    artifact_root: Path | None

    def __post_init__(self) -> None:
        scheme = urlsplit(self.uri).scheme.split("+")[0]
        if scheme in SERVERS or (scheme in DATABASES and ":" in self.uri):
            return
        expected = ", ".join(f"{name}://" for name in (*DATABASES, *SERVERS))
        reason = "MLflow 3 has no file store any more" if scheme in ("", "file") else "unsupported"
        raise TrackingError(
            f"MLflow store {self.redacted!r}: {reason}; set {URI_VARIABLE} to a URI that starts "
            f"with one of {expected}, or unset it to use the results folder"
        )

    @property
    def is_server(self) -> bool:
        """Whether a tracking server stands between us and the runs."""
        return urlsplit(self.uri).scheme in SERVERS

    @property
    def sqlite_path(self) -> Path | None:
        """The database file; None for other stores."""
        prefix, found, path = self.uri.partition(":///")
        return Path(path) if found and prefix.split("+")[0] == "sqlite" and path else None

    @property
    def redacted(self) -> str:
        """The URI without user name and password, fit for messages."""
        parts = urlsplit(self.uri)
        if "@" not in parts.netloc:
            return self.uri
        return urlunsplit(parts._replace(netloc="***@" + parts.netloc.rpartition("@")[2]))

    def artifact_location(self, study: str) -> str | None:
        """Return where a study's artifacts go; None leaves it to the store."""
        if self.artifact_root is None or self.is_server:
            return None
        return (self.artifact_root.absolute() / study).as_uri()

    def page(self, experiment_id: str, run_id: str) -> str | None:
        """Return the address of a run's page; None without a server."""
        if not self.is_server:
            return None
        return f"{self.redacted.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}"


def locate_store(results_root: Path, environment: Mapping[str, str] = os.environ) -> Store:
    """Return the store of a results folder, or the one that ``MLFLOW_TRACKING_URI`` names.

    Raises:
        TrackingError: If the variable names an unsupported store.
    """
    root = results_root.absolute()
    uri = environment.get(URI_VARIABLE, "").strip() or f"sqlite:///{root / 'mlflow.db'}"
    return Store(uri, root / "mlartifacts")


@contextmanager
def hold_store(store: Store, timeout_seconds: float = 60.0) -> Iterator[None]:
    """Keep other Rankfall processes of this machine and user from writing the store meanwhile.

    The lock ends with the process that holds it, however that ends.

    Raises:
        TrackingError: If another process still holds it after ``timeout_seconds``.
    """
    name = hashlib.sha256(store.uri.encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"rankfall-mlflow-{os.getuid()}-{name}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor):
        deadline = time.monotonic() + timeout_seconds
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                raise TrackingError(
                    f"another Rankfall process has been writing MLflow at {store.redacted} "
                    f"for {timeout_seconds:g} s; its runs are up to date after the next sync"
                )
            time.sleep(0.05)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
