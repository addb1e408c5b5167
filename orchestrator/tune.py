"""Ray Tune's side: a Tune trial is one cohort, run by a Trainable that keeps its lane warm.

Tune asks :class:`CohortSearch` for the next cohort and runs it on :class:`LaneTrainable`, an
actor that is reused from cohort to cohort (``reuse_actors=True``) and holds a lane of workers.
Tune's own experiment state is scratch: the ledger is the truth and Tune is never restored.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.search import Searcher

from orchestrator.cohorts import cut_packs
from orchestrator.conductor import Conductor
from orchestrator.errors import SweepCutError
from orchestrator.folder import StudyFolder
from orchestrator.lane_plan import CPUS_PER_WORKER, DRIVER_CPUS, LanePlan
from trainer.cohort import Cohort, Outcome
from trainer.lane import (
    Lane,
    LaneSettings,
    PackDone,
    PackFailed,
    PackProgress,
)

_POLL_SECONDS = 0.5
_COHORT = "cohort"


@dataclass(frozen=True, slots=True)
class LaneProgress:
    """What a running cohort reports between its start and its end.

    ``member_steps_running``: optimiser steps of packs that are not finished yet.
    """

    cohort_id: str
    member_steps_running: int


class LaneTrainable(tune.Trainable):
    """Runs cohorts, one Tune trial each, on a lane that outlives them."""

    def setup(self, config: dict[str, Any]) -> None:
        """Start the lane and its first cohort."""
        settings = LaneSettings(
            workers=config["workers"],
            cpus_per_worker=CPUS_PER_WORKER,
            gpu_fraction=config["gpu_fraction"],
            outbox=Path(config["outbox"]),
            scratch=Path(config["scratch"]),
        )
        self._lane = Lane(settings, name=f"lane-{uuid.uuid4().hex[:8]}")
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next cohort on the same lane."""
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Wait for news of the cohort and report it; the last report carries the outcomes."""
        for message in self._lane.poll(_POLL_SECONDS):
            match message:
                case PackProgress(pack_id, progress):
                    self._steps[pack_id] = progress.member_steps_done
                case PackDone(pack_id, outcomes):
                    self._end(pack_id)
                    self._outcomes += [outcome.model_dump_json() for outcome in outcomes]
                case PackFailed(pack_id, error):
                    self._end(pack_id)
                    self._errors.append(error)
        return {
            "done": not self._waiting,
            "cohort_id": self._cohort.cohort_id,
            "member_steps_running": sum(self._steps.values()),
            "outcomes": self._take_outcomes(),
            "errors": list(self._errors),
        }

    def cleanup(self) -> None:
        """End the lane when the sweep ends."""
        self._lane.stop()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing to save: finished packs are in the outbox, the ledger does the rest."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing to load, see :meth:`save_checkpoint`."""

    def _begin(self, config: dict[str, Any]) -> None:
        self._cohort = Cohort.model_validate_json(config[_COHORT])
        packs = cut_packs(self._cohort, config["workers"], config["pack_members"])
        self._waiting = {pack.cohort_id for pack in packs}
        self._steps: dict[str, int] = {}
        self._outcomes: list[str] = []
        self._errors: list[str] = []
        self._lane.submit(packs)

    def _end(self, pack_id: str) -> None:
        self._waiting.discard(pack_id)
        self._steps.pop(pack_id, None)

    def _take_outcomes(self) -> list[str]:
        """Return what finished since the last report, so that no outcome waits for the rest."""
        taken, self._outcomes = self._outcomes, []
        return taken


class CohortSearch(Searcher):
    """Hands the conductor's cohorts to Tune and Tune's results to the conductor."""

    def __init__(
        self,
        conductor: Conductor,
        fixed: dict[str, Any],
        on_progress: Callable[[LaneProgress], None],
    ) -> None:
        super().__init__()
        self._conductor = conductor
        self._fixed = fixed
        self._on_progress = on_progress
        self._running: dict[str, Cohort] = {}

    def suggest(self, trial_id: str) -> Any:
        """Return the next cohort as a Tune config; None while others are at work."""
        cohort = self._conductor.next_cohort()
        if cohort is None:
            # Ray types FINISHED, a string, out of what suggest may return.
            return Searcher.FINISHED if self._conductor.is_finished else None
        self._running[trial_id] = cohort
        return {**self._fixed, _COHORT: cohort.model_dump_json(by_alias=True)}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Take in the outcomes of finished packs and pass on the progress."""
        self._take(result)
        self._on_progress(LaneProgress(result["cohort_id"], result["member_steps_running"]))

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Take in the rest; what has no outcome by now has failed and is tried again."""
        cohort = self._running.pop(trial_id)
        errors = ["the lane died: see Ray's log"] if error else []
        if result is not None:
            self._take(result)
            errors = errors or result["errors"]
        failure = errors[0] if errors else "the cohort ended without an outcome"
        self._conductor.fail([member.trial for member in cohort.members], failure)

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its searcher for a restore that never happens."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing: Tune is never restored."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: Tune is never restored."""

    def _take(self, result: dict[str, Any]) -> None:
        outcomes = [Outcome.model_validate_json(text) for text in result["outcomes"]]
        if outcomes:
            self._conductor.take(outcomes)


def run_cohorts(
    conductor: Conductor,
    plan: LanePlan,
    folder: StudyFolder,
    on_progress: Callable[[LaneProgress], None],
) -> None:
    """Run the conductor's cohorts on the lanes until it has no more.

    Call inside :func:`orchestrator.tune_connection.connected`. What fails is counted by the
    conductor, not raised: ``Tuner.fit`` does not raise either when trials fail.

    Raises:
        SweepCutError: If Ray stops before the conductor has finished.
    """
    fixed = {
        "workers": plan.workers,
        "gpu_fraction": plan.gpu_fraction,
        "pack_members": plan.pack_members,
        "outbox": str(folder.outbox),
        "scratch": str(folder.scratch / "train"),
    }
    tuner = tune.Tuner(
        tune.with_resources(LaneTrainable, {"CPU": DRIVER_CPUS}),
        tune_config=tune.TuneConfig(
            search_alg=CohortSearch(conductor, fixed, on_progress),
            num_samples=-1,
            max_concurrent_trials=plan.lanes,
            reuse_actors=True,
            trial_name_creator=_short_name,
            trial_dirname_creator=_short_name,
        ),
        run_config=tune.RunConfig(
            name="tune", storage_path=str(folder.scratch), verbose=0, callbacks=[]
        ),
    )
    tuner.fit()
    if not conductor.is_finished:
        raise SweepCutError("Ray ended the sweep before its time; finished trials are kept")


def _short_name(trial: Any) -> str:
    return f"cohort-{trial.trial_id}"
