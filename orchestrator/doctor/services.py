"""What Rankfall talks to: the cluster, MLflow, the scheduler's database, the data."""

import os
import urllib.error
import urllib.request
from pathlib import Path

from orchestrator.doctor.finding import Finding, Health
from orchestrator.errors import ClusterError, OrchestratorError, StoreError, TokenError
from orchestrator.mlflow_store import Store, locate_store
from orchestrator.schedule.store import list_schedules
from orchestrator.schedule.tables import default_url, open_engine, redact, transaction

_ANSWER_SECONDS = 10.0


def check_cluster(address: str | None) -> list[Finding]:
    """Return whether a cluster can be reached, is of our versions, and has processors.

    Args:
        address: As for ``rankfall submit``; None: none was named, so a study starts its own.
    """
    if address is None:
        return [Finding("cluster", Health.OK, "none named: a study starts Ray on this machine")]
    from orchestrator.jobs import JobCluster  # noqa: PLC0415 (loads Ray)

    try:
        cluster = JobCluster.connect(address)
        cluster.require_same_python()
        offered = cluster.resources()
    except TokenError as error:
        return [Finding("cluster", Health.FAIL, str(error), "give the token of this cluster")]
    except ClusterError as error:
        mend = "start it, or name another with --address or RAY_ADDRESS"
        return [Finding("cluster", Health.FAIL, str(error), mend)]
    cpus, gpus = offered.get("CPU", 0.0), offered.get("GPU", 0.0)
    told = f"{cpus:g} CPUs, {gpus:g} GPUs"
    if cpus < 1:
        mend = "start its workers: no study fits on less than one CPU"
        return [Finding("cluster", Health.FAIL, f"{cluster.url} has {told}", mend)]
    return [Finding("cluster", Health.OK, f"{cluster.url} has {told}")]


def check_mlflow(results: Path) -> Finding:
    """Return whether MLflow's server answers, or its database can be opened."""
    try:
        store = locate_store(results)
        told = _ask_server(store) if store.is_server else _open_database(store)
    except OrchestratorError as error:
        return Finding("mlflow", Health.FAIL, str(error), "see MLFLOW_TRACKING_URI")
    # Databases raise whatever their drivers do.
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        mend = "start it, or unset MLFLOW_TRACKING_URI to use the results folder"
        return Finding("mlflow", Health.FAIL, reason, mend)
    return Finding("mlflow", Health.OK, told)


def check_store(url: str | None) -> Finding:
    """Return whether the scheduler's database can be used; makes none."""
    named = default_url() if url is None else url
    path = named.removeprefix("sqlite:///")
    if path != named and not Path(path).exists():
        return Finding("schedules", Health.OK, "none yet: rankfall schedule add makes their store")
    try:
        engine = open_engine(named)
        with transaction(engine) as connection:
            count = len(list_schedules(connection))
        engine.dispose()
    except StoreError as error:
        return Finding("schedules", Health.FAIL, str(error), "see --store and RANKFALL_STORE")
    return Finding("schedules", Health.OK, f"{count} in {redact(named)}")


def check_data(folder: Path) -> list[Finding]:
    """Return which image sources are here; one that lies there but is broken is a warning."""
    from orchestrator.command_data import find_source  # noqa: PLC0415 (loads torch)
    from orchestrator.data_kind import DataKind  # noqa: PLC0415

    rows = [find_source(kind, folder) for kind in DataKind]
    here = [row.source for row in rows if row.is_here]
    absent = [row.source for row in rows if not row.is_here and row.problem is None]
    told = f"here: {', '.join(here) or 'none'}"
    mend = f"for {', '.join(absent)}: rankfall data list" if absent else None
    broken = [
        Finding(f"data {row.source}", Health.WARN, row.problem, row.get)
        for row in rows
        if row.problem is not None
    ]
    return [Finding("data", Health.OK if here else Health.WARN, told, mend), *broken]


def _ask_server(store: Store) -> str:
    address = store.uri.rstrip("/")
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=_ANSWER_SECONDS):
            return f"{store.redacted} answers"
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            return f"{store.redacted} answers, and asks who you are"
        raise ConnectionError(f"{store.redacted} answers with error {error.code}") from error
    except (OSError, ValueError) as error:
        raise ConnectionError(f"nobody answers at {store.redacted}") from error


def _open_database(store: Store) -> str:
    path = store.sqlite_path
    if path is not None:
        if not path.exists():
            return f"none yet: the first study makes {path}"
        with path.open("r+b"):
            return f"{path} can be written"
    import sqlalchemy as sa  # noqa: PLC0415

    engine = sa.create_engine(os.environ["MLFLOW_TRACKING_URI"])
    with engine.connect():
        return f"{store.redacted} answers"
