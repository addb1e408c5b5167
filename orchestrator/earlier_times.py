"""What earlier studies took: read from ledgers below a results folder, or from MLflow."""

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from orchestrator.errors import OrchestratorError, TrackingError
from orchestrator.folder import StudyFolder, find_studies
from orchestrator.ledger import Ledger
from orchestrator.mlflow_runs import MlflowRuns
from orchestrator.mlflow_store import URI_VARIABLE, locate_store
from orchestrator.step_time import (
    StepTimes,
    TimedTrial,
    TimeSource,
    cost_of,
    describe_settings,
    summarise_times,
)
from search_spaces.errors import SearchSpaceError

MOST_LEDGERS = 12
"""The latest ones: a ledger of 1,000 trials takes half a second to read."""

MOST_RUNS = 1000
"""The latest ones of each objective."""

_NOT_SETTINGS = frozenset({"replicate", "seed"})


def time_by_ledgers(results: Path, wanted: Collection[str]) -> StepTimes | None:
    """Return what steps of the wanted costs took in studies below a results folder.

    Returns:
        None unless the ledgers tell of every cost; one that cannot be read tells nothing.
    """
    latest = sorted(find_studies(results), key=_changed_at, reverse=True)[:MOST_LEDGERS]
    trials = [trial for folder in latest for trial in _read_ledger(folder)]
    return summarise_times(trials, wanted, TimeSource.LEDGERS)


def time_by_mlflow(
    results: Path,
    wanted: Collection[str],
    kinds: Collection[str],
    environment: Mapping[str, str] = os.environ,
) -> StepTimes | None:
    """Return what steps of the wanted costs took by the store of ``MLFLOW_TRACKING_URI``.

    Returns:
        None unless the variable is set and the store tells of every cost.

    Raises:
        TrackingError: If the store cannot be used.
    """
    store = locate_store(results, environment)
    is_absent = store.sqlite_path is not None and not store.sqlite_path.exists()
    if not environment.get(URI_VARIABLE, "").strip() or is_absent:
        return None
    try:
        trials = list(_read_runs(MlflowRuns(store), kinds))
    except Exception as error:  # MLflow lets nearly anything through, see Tracker
        cause = str(error).strip().splitlines()[:1]
        raise TrackingError(
            f"MLflow at {store.redacted} could not be read ({type(error).__name__}: "
            f"{''.join(cause)[:300]})"
        ) from error
    return summarise_times(trials, wanted, TimeSource.MLFLOW)


def _changed_at(folder: StudyFolder) -> float:
    return folder.ledger.stat().st_mtime


def _read_ledger(folder: StudyFolder) -> Iterator[TimedTrial]:
    try:
        ledger = Ledger.load(folder.ledger)
    except (OrchestratorError, SearchSpaceError):
        return
    for record in ledger.records():
        outcome = record.outcome
        if outcome is not None and outcome.steps_done > 0 and outcome.seconds > 0:
            cost = cost_of(describe_settings(record.settings))
            yield TimedTrial(ledger.study.name, cost, outcome.seconds / outcome.steps_done)


def _read_runs(runs: MlflowRuns, kinds: Collection[str]) -> Iterator[TimedTrial]:
    for kind in kinds:
        for run in runs.search_latest({"rankfall.role": "trial", "objective": kind}, MOST_RUNS):
            steps, seconds = (run.metrics.get(name, 0.0) for name in ("steps_done", "seconds"))
            if steps > 0 and seconds > 0:
                settings = {k: v for k, v in run.params.items() if k not in _NOT_SETTINGS}
                study = run.tags.get("study", "?")
                yield TimedTrial(study, cost_of(settings), seconds / steps)
