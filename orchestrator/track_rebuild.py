"""Makes a study's runs in MLflow again from its ledger: what is missing, wrong or too many."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.conductor import tell_planner
from orchestrator.folder import StudyFolder
from orchestrator.ledger import Ledger
from orchestrator.mlflow_note import write_answer
from orchestrator.mlflow_overview import StudyStatus
from orchestrator.mlflow_runs import MlflowRuns
from orchestrator.mlflow_store import Store, hold_store
from orchestrator.planners.factory import build_planner
from orchestrator.record import TrialRecord, TrialState
from orchestrator.report.write import write_report
from orchestrator.tracking import (
    PARENT,
    TRIAL_KEY,
    Extras,
    SyncReport,
    Tracker,
    find_parents,
    translating_errors,
)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was done.

    Attributes:
        report: Of the sync.
        removed: Runs that were deleted, for the ledger knows nothing of them or they were double.
        status: Where the study stands.
    """

    report: SyncReport
    removed: int
    status: StudyStatus


def rebuild(folder: StudyFolder, store: Store) -> Rebuilt:
    """Make a study's parent run and its children what the ledger says, report included.

    Doing it again changes nothing. What the ledger does not hold, the load of machines, stays
    where the parent run was kept and is lost where it was not.

    Raises:
        LedgerError: If there is no ledger.
        StudyBusyError: If the study is running: its own process writes MLflow.
        ReportError, TrackingError: If the report or MLflow cannot be written.
    """
    # Before the lock, which would make a folder's file.
    Ledger.load(folder.ledger)
    with folder.locked():
        ledger = Ledger.load(folder.ledger)
        records = ledger.records()
        status = _find_status(ledger)
        removed = _remove_strangers(ledger, records, store)
        files = write_report(ledger.study, records, ledger.provenance, folder.report)
        tracker = Tracker(store.uri, store.artifact_root, ledger.identity)
        extras = Extras(write_answer(ledger.study, records))
        report = tracker.sync(ledger.study, records, ledger.provenance, files, status, extras)
    return Rebuilt(report, removed, status)


def _find_status(ledger: Ledger) -> StudyStatus:
    """Return FINISHED if its planner asks no more, else KILLED: nobody is running it."""
    if any(record.state is TrialState.PENDING for record in ledger.records()):
        return StudyStatus.KILLED
    planner = build_planner(ledger.study)
    tell_planner(planner, ledger)
    return StudyStatus.KILLED if planner.ask() else StudyStatus.FINISHED


def _remove_strangers(ledger: Ledger, records: Sequence[TrialRecord], store: Store) -> int:
    """Delete parents beyond the first, and children that are no told trial's."""
    told = {record.key for record in records if record.state is not TrialState.PENDING}
    removed = 0
    with translating_errors(store), hold_store(store):
        runs = MlflowRuns(store)
        parents = find_parents(runs, ledger.study, ledger.identity)
        parents.sort(key=lambda run: (run.start, run.run_id))
        for place, parent in enumerate(parents):
            for child in list(runs.search(parent.experiment_id, {PARENT: parent.run_id})):
                if place > 0 or child.tags.get(TRIAL_KEY) not in told:
                    runs.delete(child.run_id)
                    removed += 1
            if place > 0:
                runs.delete(parent.run_id)
                removed += 1
    return removed
