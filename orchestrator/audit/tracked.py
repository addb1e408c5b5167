"""The MLflow runs of a study's trials, read and never written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.ledger import Ledger
from orchestrator.mlflow_store import locate_store
from orchestrator.tracking import PARENT, TRIAL_KEY, find_parents


@dataclass(frozen=True, slots=True)
class TrackedRuns:
    """Run ids by trial key; ``note`` says why there are none, and is empty if there are."""

    runs: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


def find_runs(ledger: Ledger, results: Path) -> TrackedRuns:
    """Return the runs of a study's trials in the store of a results folder.

    Raises:
        TrackingError: If ``MLFLOW_TRACKING_URI`` names a store of no supported kind.
    """
    store = locate_store(results)
    if store.sqlite_path is not None and not store.sqlite_path.is_file():
        return TrackedRuns(note="not tracked: there is no MLflow database here")
    from orchestrator.mlflow_runs import MlflowRuns  # noqa: PLC0415 (four seconds)

    try:
        runs = MlflowRuns(store)
        experiment = runs.find_experiment(f"rankfall/{ledger.study.name}")
        if experiment is None:
            return TrackedRuns(note="not tracked in MLflow")
        found = {
            run.tags[TRIAL_KEY]: run.run_id
            for parent in find_parents(runs, ledger.study, ledger.identity)
            for run in runs.search(experiment, {PARENT: parent.run_id})
            if TRIAL_KEY in run.tags
        }
    except Exception as error:
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        cause = text.replace(store.uri, store.redacted)  # the URI may hold a password
        return TrackedRuns(note=f"MLflow at {store.redacted} cannot be read: {cause}")
    return TrackedRuns(found, "" if found else "not tracked in MLflow")
