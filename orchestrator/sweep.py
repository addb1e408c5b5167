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
from orchestrator.errors import ClusterError, LedgerError
from orchestrator.folder import StudyFolder
from orchestrator.journal import mend_journal
from orchestrator.lane_plan import CPUS_PER_WORKER, LanePlan, LaneRequest, plan_lanes
from orchestrator.ledger import Ledger
from orchestrator.ledger_store import point_to
from orchestrator.machine_load import LoadSampler
from orchestrator.mlflow_overview import StudyStatus
from orchestrator.mlflow_store import Store, locate_store
from orchestrator.provenance import add_data, read_provenance
from orchestrator.ray_environment import ray_environment
from orchestrator.record import Provenance, TrialRecord, TrialState
from orchestrator.starting_point import with_start
from orchestrator.tracking import Tracker
from search_spaces.study import Study
from trainer.lane_messages import LaneSettings
from trainer.outbox import Outbox

PACK_MEMBERS = 16
"""Members a worker trains at once: more fall out of the cache, fewer pay more per step."""


class Display(Protocol):
    """What a running sweep shows; it must return quickly."""

    def show_stage(self, text: str) -> None:
        """Say what is being done now: before, after, or when a lane was lost."""
        ...

    def show_records(self, study: Study, records: Sequence[TrialRecord]) -> None:
        """Show the map so far: called whenever trials were told."""
        ...

    def show_steps(self, member_steps_running: int) -> None:
        """Show how far the packs at work are, in optimiser steps summed over their members."""
        ...


@dataclass(frozen=True, slots=True)
class SweepOptions:
    """How to run, as opposed to what to run.

    Attributes:
        results: Root folder of all studies' results.
        lanes: Worker groups, their size, and shares of GPUs, as far as the user asked.
        command: What the user typed, for the record.
        track: Whether MLflow is written.
        checkpoint_seconds: Time between two checkpoints of a pack; 0 writes one at every check.
        silence_seconds: A lane at work that gives no sign of life for so long is started anew.
        ledger: PostgreSQL database that keeps a new study's ledger; None keeps it in the folder.
    """

    results: Path
    lanes: LaneRequest
    command: Sequence[str]
    track: bool = True
    checkpoint_seconds: float = 60.0
    silence_seconds: float = 600.0
    ledger: str | None = None


@dataclass(frozen=True, slots=True)
class SweepResult:
    """How a sweep ended.

    ``study``: with the prior that its ledger holds.
    ``warning``: what the user should know although the study is whole (MLflow unreachable).
    """

    study: Study
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
        OrchestratorError: If the folder, the ledger, the cluster or MLflow's address cannot be
            used; a study that was new leaves no trace then.
        SweepCutError: If Ray ended the sweep before its time.
        KeyboardInterrupt: On Ctrl-C; MLflow then shows the study as KILLED.
    """
    store = locate_store(options.results) if options.track else None
    study = with_start(study, options.results.absolute())
    folder = StudyFolder(options.results.absolute() / study.name)
    made = folder.create()
    with folder.locked():
        mend_journal(folder.ledger)
        if options.ledger is not None:
            try:
                point_to(folder.ledger, options.ledger, study.name)
            except LedgerError:
                folder.discard(made)
                raise
        sweep = _Sweep.open(study, folder, store, options, display)
        try:
            sweep.train()
        except ClusterError:
            # Before anything was trained: a new study leaves no trace.
            folder.discard(made)
            raise
        except BaseException:
            sweep.conclude(StudyStatus.KILLED)
            raise
        result = sweep.conclude(StudyStatus.FINISHED)
        shutil.rmtree(folder.scratch, ignore_errors=True)
        return result


@dataclass(frozen=True, slots=True)
class _Sweep:
    """What is open while a study runs; ``conductor`` is finished if nothing is left to train."""

    conductor: Conductor
    ledger: Ledger
    folder: StudyFolder
    options: SweepOptions
    display: Display
    provenance: Provenance
    tracker: BackgroundTracker | None

    @classmethod
    def open(
        cls,
        study: Study,
        folder: StudyFolder,
        store: Store | None,
        options: SweepOptions,
        display: Display,
    ) -> "_Sweep":
        ledger = Ledger.open(folder.ledger, study)
        made_with = read_provenance(options.command)
        if not ledger.has_provenance:
            ledger.set_provenance(made_with)  # before the conductor asks for a first round
        conductor = Conductor(ledger, Outbox(folder.outbox))
        # What is left as it was found keeps saying how it was made.
        provenance = ledger.provenance if conductor.is_finished else made_with
        ledger.set_provenance(provenance)
        tracker = None
        if store is not None:
            writer = Tracker(store.uri, store.artifact_root, ledger.identity)
            tracker = BackgroundTracker(writer, ledger.study, provenance, LoadSampler())
        return cls(conductor, ledger, folder, options, display, provenance, tracker)

    def train(self) -> None:
        """Train what is left to train."""
        self.conductor.on_told = self._tell
        self.display.show_records(self.ledger.study, self.ledger.records())
        if self.conductor.is_finished:
            return
        self.display.show_stage("starting Ray")
        with ray_environment():
            # Ray reads its environment while it is imported, and takes seconds to import.
            from orchestrator.tune import Watcher, run_cohorts  # noqa: PLC0415
            from orchestrator.tune_connection import connected, list_nodes  # noqa: PLC0415

            with connected():
                plan = plan_lanes(list_nodes(), self.options.lanes, PACK_MEMBERS)
                self.display.show_stage(f"starting {plan.lanes * plan.workers} workers")
                # Not before: a study that cannot start leaves no trace in MLflow.
                self._track()
                watcher = Watcher(self.display.show_steps, self.display.show_stage)
                run_cohorts(self.conductor, plan, self._lane_settings(plan), watcher)

    def _lane_settings(self, plan: LanePlan) -> LaneSettings:
        return LaneSettings(
            workers=plan.workers,
            cpus_per_worker=CPUS_PER_WORKER,
            gpu_fraction=plan.gpu_fraction,
            outbox=self.folder.outbox,
            checkpoints=self.folder.checkpoints,
            scratch=self.folder.scratch,
            checkpoint_seconds=self.options.checkpoint_seconds,
            silence_seconds=self.options.silence_seconds,
        )

    def conclude(self, status: StudyStatus) -> SweepResult:
        """Write what is made from the ledger: the report, and MLflow's view of it."""
        records, files = self.ledger.records(), list[Path]()
        if any(record.outcome is not None for record in records):
            self.display.show_stage("writing the report")
            provenance = self.provenance
            # An interrupted study ends at once; a finished one has its data's digest.
            if status is StudyStatus.FINISHED and provenance.data_digest is None:
                provenance = add_data(provenance, self.ledger.study)
                self.ledger.set_provenance(provenance)
            files = _write_report(self.folder, self.ledger.study, provenance, records)
        if self.tracker is None:
            return SweepResult(self.ledger.study, records, files, warning=None)
        self.display.show_stage("writing MLflow")
        answer = _write_answer(self.ledger.study, records)
        warning = self.tracker.finish(records, status, files, answer).warning
        return SweepResult(self.ledger.study, records, files, warning)

    def _tell(self) -> None:
        self.display.show_records(self.ledger.study, self.ledger.records())
        self._track()

    def _track(self) -> None:
        if self.tracker is not None:
            self.tracker.poke(self.ledger.records())


def _write_answer(study: Study, records: Sequence[TrialRecord]) -> str:
    from orchestrator.mlflow_note import write_answer  # noqa: PLC0415 (as below)

    return write_answer(study, records)


def _write_report(
    folder: StudyFolder, study: Study, provenance: Provenance, records: Sequence[TrialRecord]
) -> list[Path]:
    # Loads pandas, plotly and matplotlib: two seconds that the start of a sweep need not wait.
    from orchestrator.report.write import write_report  # noqa: PLC0415

    return write_report(study, records, provenance, folder.report)
