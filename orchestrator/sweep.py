"""The composition root: opens what a study needs, runs it, and closes it whatever happens.

The order is what makes a killed sweep harmless: outcomes reach the disk (worker), then the
ledger, then MLflow and the report; each later one can be made again from the one before.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orchestrator.background_tracker import BackgroundTracker
from orchestrator.conductor import Conductor
from orchestrator.folder import StudyFolder
from orchestrator.journal import mend_journal
from orchestrator.ledger import Ledger
from orchestrator.mlflow_overview import StudyStatus
from orchestrator.mlflow_store import locate_store
from orchestrator.provenance import read_provenance
from orchestrator.ray_environment import ray_environment
from orchestrator.record import Provenance, TrialRecord, TrialState
from orchestrator.tracking import Tracker
from search_spaces.study import Study
from trainer.outbox import Outbox

PACK_MEMBERS = 16
"""Members a worker trains at once: more fall out of the cache, fewer pay more per step."""


class Display(Protocol):
    """What a running sweep shows; it must return quickly."""

    def show_stage(self, text: str) -> None:
        """Say what is being done before trials run and after they ran."""
        ...

    def show_records(self, study: Study, records: Sequence[TrialRecord]) -> None:
        """Show the map so far: called whenever trials were told."""
        ...

    def show_steps(self, member_steps_running: int) -> None:
        """Show how far the cohort at work is, in optimiser steps summed over its members."""
        ...


@dataclass(frozen=True, slots=True)
class SweepOptions:
    """How to run, as opposed to what to run.

    Attributes:
        results: Root folder of all studies' results.
        workers: Worker processes; None takes what the cluster has.
        command: What the user typed, for the record.
        track: Whether MLflow is written.
    """

    results: Path
    workers: int | None
    command: Sequence[str]
    track: bool = True


@dataclass(frozen=True, slots=True)
class SweepResult:
    """How a sweep ended.

    ``warning``: what the user should know although the study is whole (MLflow unreachable).
    """

    records: list[TrialRecord]
    files: list[Path]
    warning: str | None

    @property
    def missing(self) -> list[TrialRecord]:
        """Trials whose every attempt failed."""
        return [r for r in self.records if r.state is TrialState.MISSING]


def run_sweep(study: Study, options: SweepOptions, display: Display) -> SweepResult:
    """Run a study to its end, or go on where an earlier run stopped.

    Raises:
        OrchestratorError: If the folder, the ledger or the cluster cannot be used. Whatever was
            finished is in the ledger.
        KeyboardInterrupt: On Ctrl-C; MLflow then shows the study as KILLED.
    """
    folder = StudyFolder(options.results.absolute() / study.name)
    folder.create()
    with folder.locked():
        mend_journal(folder.ledger)
        ledger = Ledger.open(folder.ledger, study)
        provenance = read_provenance(options.command)
        ledger.set_provenance(provenance)
        tracker = _start_tracker(options, ledger, provenance)
        status, files = StudyStatus.KILLED, list[Path]()
        try:
            _train(ledger, folder, options, display, tracker)
            status = StudyStatus.FINISHED
        finally:
            records = ledger.records()
            if any(record.outcome is not None for record in records):
                display.show_stage("writing the report")
                files = _write_report(folder, study, provenance, records)
            display.show_stage("writing MLflow")
            warning = _finish_tracking(tracker, records, status, files)
        shutil.rmtree(folder.scratch, ignore_errors=True)
        return SweepResult(records, files, warning)


def _train(
    ledger: Ledger,
    folder: StudyFolder,
    options: SweepOptions,
    display: Display,
    tracker: BackgroundTracker | None,
) -> None:
    def tell() -> None:
        records = ledger.records()
        display.show_records(ledger.study, records)
        if tracker is not None:
            tracker.poke(records)

    conductor = Conductor(ledger, Outbox(folder.outbox), tell)
    tell()
    if conductor.is_finished:
        return
    display.show_stage("starting Ray")
    with ray_environment():
        # Ray reads its environment while it is imported, and takes seconds to import.
        from orchestrator.tune import connected, plan_lanes, run_cohorts  # noqa: PLC0415

        with connected():
            plan = plan_lanes(options.workers, PACK_MEMBERS)
            display.show_stage(f"starting {plan.workers} workers")
            run_cohorts(
                conductor, plan, folder, lambda p: display.show_steps(p.member_steps_running)
            )


def _start_tracker(
    options: SweepOptions, ledger: Ledger, provenance: Provenance
) -> BackgroundTracker | None:
    if not options.track:
        return None
    store = locate_store(options.results)
    tracker = Tracker(store.uri, store.artifact_root, ledger.identity)
    return BackgroundTracker(tracker, ledger.study, provenance)


def _write_report(
    folder: StudyFolder, study: Study, provenance: Provenance, records: Sequence[TrialRecord]
) -> list[Path]:
    # Loads pandas, plotly and matplotlib: two seconds that the start of a sweep need not wait.
    from orchestrator.report.write import write_report  # noqa: PLC0415

    return write_report(study, records, provenance, folder.report)


def _finish_tracking(
    tracker: BackgroundTracker | None,
    records: Sequence[TrialRecord],
    status: StudyStatus,
    files: Sequence[Path],
) -> str | None:
    if tracker is None:
        return None
    return tracker.finish(records, status, files).warning
