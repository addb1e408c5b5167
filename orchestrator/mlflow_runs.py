"""The only import of MLflow: experiments and runs of one store, as plain values.

MLflow takes seconds to import (3.7 s, measured) and reads its environment meanwhile, so it is
imported when a store is opened, never before.
"""

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from orchestrator.dataset_view import DatasetView
from orchestrator.errors import TrackingError
from orchestrator.mlflow_store import Store
from orchestrator.mlflow_view import MetricPoint

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# Read by MLflow when it is imported or when it sends a request. A user's own value wins. Few
# and short retries: an unreachable server must not hold up the end of a sweep for minutes.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}
METRICS, PARAMS, TAGS = 1000, 100, 100
"""What MLflow takes in one batch."""
RUNS_PER_PAGE = 1000
EXPERIMENT_PREFIX = "rankfall/"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FoundRun:
    """What a search says of a run; ``start`` in milliseconds since 1970."""

    run_id: str
    experiment_id: str
    status: str
    start: int
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]


class MlflowRuns:
    """Experiments and runs of a store, through MLflow's client and no global state of MLflow.

    Every method may raise whatever MLflow lets through: errors of its own, of SQLAlchemy, of
    requests, of the file system.
    """

    def __init__(self, store: Store) -> None:
        prepare_database(store)
        self._store = store
        self._client = _load_client()(tracking_uri=store.uri, registry_uri=store.uri)

    def open_experiment(self, name: str, artifact_location: str | None) -> str:
        """Return the experiment's id; create it if need be.

        Raises:
            TrackingError: If the experiment was deleted in MLflow.
        """
        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            return str(self._client.create_experiment(name, artifact_location))
        if experiment.lifecycle_stage != "active":
            raise TrackingError(
                f"experiment {name} was deleted in MLflow at {self._store.redacted}: restore it "
                f"with `mlflow experiments restore -x {experiment.experiment_id}`"
            )
        return str(experiment.experiment_id)

    def find_experiment(self, name: str) -> str | None:
        """Return the experiment's id; None where there is none."""
        experiment = self._client.get_experiment_by_name(name)
        return None if experiment is None else str(experiment.experiment_id)

    def search(self, experiment_id: str, tags: Mapping[str, str]) -> Iterator[FoundRun]:
        """Yield the active runs that carry all the tags, page by page."""
        token: str | None = None
        while True:
            page = self._client.search_runs(
                [experiment_id], _carrying(tags), max_results=RUNS_PER_PAGE, page_token=token
            )
            yield from map(_describe_run, page)
            token = page.token
            if not token:
                return

    def search_latest(self, tags: Mapping[str, str], most: int) -> list[FoundRun]:
        """Return at most ``most`` runs of all our experiments, the latest first."""
        ours = self._client.search_experiments(filter_string=f"name LIKE '{EXPERIMENT_PREFIX}%'")
        found = self._client.search_runs(
            [experiment.experiment_id for experiment in ours],
            f"{_carrying(tags)} and attributes.status = 'FINISHED'",
            max_results=most,
            order_by=["attributes.start_time DESC"],
        )
        return [_describe_run(run) for run in found]

    def describe_experiment(self, experiment_id: str, tags: Mapping[str, str]) -> None:
        """Set those of an experiment's tags that are not so yet."""
        known = self._client.get_experiment(experiment_id).tags
        for name, value in tags.items():
            if known.get(name) != value:
                self._client.set_experiment_tag(experiment_id, name, value)

    def add_inputs(self, run_id: str, datasets: Sequence[DatasetView]) -> None:
        """Log what a run was trained on; what is logged already stays as it is."""
        from mlflow.entities import Dataset, DatasetInput, InputTag  # noqa: PLC0415

        inputs = [
            DatasetInput(
                Dataset(d.name, d.digest, "local", d.source, profile=d.profile),
                [InputTag("mlflow.data.context", "training")],
            )
            for d in datasets
        ]
        if inputs:
            self._client.log_inputs(run_id, inputs)

    def create(self, experiment_id: str, name: str, start: int, tags: Mapping[str, str]) -> str:
        """Create a run that is RUNNING and return its id."""
        return str(self._client.create_run(experiment_id, start, dict(tags), name).info.run_id)

    def log(
        self,
        run_id: str,
        params: Mapping[str, str],
        tags: Mapping[str, str],
        metrics: Sequence[MetricPoint],
    ) -> None:
        """Log everything in as few requests as MLflow's limits allow; nothing sends nothing."""
        from mlflow.entities import Metric, Param, RunTag  # noqa: PLC0415

        points = [Metric(m.key, m.value, m.timestamp, m.step) for m in metrics]
        items = [Param(*item) for item in params.items()]
        labels = [RunTag(*item) for item in tags.items()]
        batches = itertools.zip_longest(
            _chunk(points, METRICS), _chunk(items, PARAMS), _chunk(labels, TAGS)
        )
        for some_points, some_items, some_labels in batches:
            self._client.log_batch(run_id, some_points or (), some_items or (), some_labels or ())

    def attach(self, run_id: str, artifact: Path) -> None:
        """Upload a file; one of the same name is replaced."""
        self._client.log_artifact(run_id, str(artifact))

    def attach_text(self, run_id: str, text: str, name: str) -> None:
        """Upload a text as a file."""
        self._client.log_text(run_id, text, name)

    def mark_running(self, run_id: str) -> None:
        """Set a run RUNNING, also one that had ended."""
        self._client.update_run(run_id, status="RUNNING")

    def end(self, run_id: str, status: str, end: int) -> None:
        """End a run at ``end`` (milliseconds since 1970)."""
        self._client.set_terminated(run_id, status, end)

    def delete(self, run_id: str) -> None:
        """Delete a run (MLflow keeps it in its bin)."""
        self._client.delete_run(run_id)


def prepare_database(store: Store) -> None:
    """Create a SQLite store's file if there is none, whole or not at all.

    MLflow builds its schema by dozens of migrations; killed among them it leaves a file that
    it refuses for ever (seen). So the file is built under another name and renamed. Call it
    under :func:`orchestrator.mlflow_store.hold_store`.
    """
    path = store.sqlite_path
    if path is None or path.exists():
        return
    _load_client()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # noqa: PLC0415

    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    leftovers = (draft, draft.with_name(f"{draft.name}-journal"))
    for leftover in leftovers:
        leftover.unlink(missing_ok=True)
    try:
        artifacts = (store.artifact_root or path.with_name("mlartifacts")).absolute().as_uri()
        SqlAlchemyStore(f"sqlite:///{draft}", artifacts).engine.dispose()  # type: ignore[no-untyped-call]
        draft.replace(path)
    finally:
        for leftover in leftovers:
            leftover.unlink(missing_ok=True)


def open_monitors() -> Callable[[], dict[str, float]]:
    """Return what samples this machine with MLflow's own monitors, under MLflow's names.

    CPU, memory, disk, network, and GPUs where MLflow finds their libraries; nothing without
    psutil.
    """
    _load_client()
    monitors: list[Any] = []
    try:
        from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor  # noqa: PLC0415
        from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor  # noqa: PLC0415
        from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor  # noqa: PLC0415
        from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor  # noqa: PLC0415
        from mlflow.system_metrics.metrics.rocm_monitor import ROCMMonitor  # noqa: PLC0415
    except ImportError:
        return dict
    for monitor in (CPUMonitor, DiskMonitor, NetworkMonitor, GPUMonitor, ROCMMonitor):
        # The last two raise whatever their libraries do where there is no such GPU.
        with suppress(Exception):
            monitors.append(monitor())

    def sample() -> dict[str, float]:
        values: dict[str, float] = {}
        for monitor in monitors:
            monitor.collect_metrics()
            values |= monitor.aggregate_metrics()
            monitor.clear_metrics()
        return {name: float(value) for name, value in values.items()}

    return sample


def _load_client() -> "type[MlflowClient]":
    """Import MLflow, quiet and without telemetry, and return its client class."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient  # noqa: PLC0415 - the environment must be set before

    return MlflowClient


def _carrying(tags: Mapping[str, str]) -> str:
    return " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())


def _describe_run(run: "Run") -> FoundRun:
    info, data = run.info, run.data
    return FoundRun(
        run_id=info.run_id,
        experiment_id=info.experiment_id,
        status=info.status,
        start=info.start_time,
        tags=data.tags,
        params=data.params,
        metrics=data.metrics,
    )


def _chunk(values: list[T], size: int) -> list[list[T]]:
    return [values[start : start + size] for start in range(0, len(values), size)]
