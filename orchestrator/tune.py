"""Ray Tune's side: a Tune trial is one hand of packs, run by a Trainable that keeps its lane warm.

Tune asks :class:`CohortSearch` for the next hand and runs it on :class:`LaneTrainable`, an
actor that is reused from hand to hand (``reuse_actors=True``) and holds a lane of workers.
As many hands are out at once as there are lanes; all come from one conductor.
Tune's own experiment state is scratch: the ledger is the truth and Tune is never restored.
"""

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ray import tune
from ray.tune.search import Searcher

from orchestrator.conductor import Conductor
from orchestrator.dealing import Hand
from orchestrator.errors import SweepCutError
from orchestrator.hand_report import HandReport
from orchestrator.lane_plan import DRIVER_CPUS, LanePlan
from orchestrator.retries import Retries
from trainer.cohort import Cohort, Outcome
from trainer.errors import LaneError
from trainer.lane import Lane
from trainer.lane_messages import LaneSettings
from trainer.last_call import LastCall

_POLL_SECONDS = 0.5
_LAST_SECONDS = 15.0
_PACKS = "packs"


@dataclass(frozen=True, slots=True)
class Watcher:
    """What to do with news of the lanes; both must return quickly.

    Attributes:
        on_steps: Gets the optimiser steps, summed over members, of packs that are not finished.
        on_notice: Gets one line on a lane that was lost or a pack that goes on.
    """

    on_steps: Callable[[int], None]
    on_notice: Callable[[str], None]


class LaneTrainable(tune.Trainable):
    """Trains hands of packs, one Tune trial each, on a lane that outlives them."""

    def setup(self, config: dict[str, Any]) -> None:
        """Start the lane and its first hand."""
        self._settings: LaneSettings = config["settings"]
        self._lane = self._start_lane()
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next hand on the same lane."""
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Wait for news of the hand and report it."""
        try:
            messages = self._lane.poll(_POLL_SECONDS)
        except LaneError as error:
            self._replace_lane(error)
        else:
            self._report.note(messages)
        return self._report.take()

    def cleanup(self) -> None:
        """End the lane when the sweep ends."""
        self._lane.stop()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing to save: finished packs are in the outbox, the ledger does the rest."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing to load, see :meth:`save_checkpoint`."""

    def _begin(self, config: dict[str, Any]) -> None:
        packs = [Cohort.model_validate_json(text) for text in config[_PACKS]]
        self._report = HandReport(packs)
        self._lane.submit(packs)

    def _start_lane(self) -> Lane:
        return Lane(self._settings, name=f"lane-{uuid.uuid4().hex[:8]}")

    def _replace_lane(self, error: LaneError) -> None:
        """Give the hand back and start a new lane in this process: a new process takes longer.

        The packs at work are to blame, or all where none was; the others were not tried.
        """
        self._report.note_lost(self._lane.at_work, str(error))
        self._lane.destroy()
        self._lane = self._start_lane()


class CohortSearch(Searcher):
    """Hands the conductor's packs to Tune and Tune's results to the conductor."""

    def __init__(self, conductor: Conductor, settings: LaneSettings, watcher: Watcher) -> None:
        super().__init__()
        self._conductor = conductor
        self._settings = settings
        self._watcher = watcher
        self._running: dict[str, Hand] = {}
        self._steps: dict[str, int] = {}
        self._at_work: dict[str, list[str]] = {}
        self._retries = Retries()

    @property
    def at_work(self) -> list[str]:
        """The packs in training, as far as their lanes have told."""
        return [pack_id for packs in self._at_work.values() for pack_id in packs]

    def suggest(self, trial_id: str) -> Any:
        """Return the next hand as a Tune config; None while others are at work."""
        hand = self._conductor.next_hand()
        if hand is None:
            # Ray types FINISHED, a string, out of what suggest may return.
            return Searcher.FINISHED if self._conductor.is_finished else None
        self._running[trial_id] = hand
        packs = [pack.model_dump_json(by_alias=True) for pack in hand]
        return {"settings": self._settings, _PACKS: packs}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Take in the outcomes of finished packs and pass on the progress."""
        self._take(result)
        self._steps[trial_id] = result["member_steps_running"]
        self._at_work[trial_id] = result["at_work"]
        self._watcher.on_steps(sum(self._steps.values()))

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Take in the rest; what has no outcome by now is tried again.

        Tune hands over the last result here and not to :meth:`on_trial_result`; none when the
        lane's own process died: then all its packs count as tried.
        """
        hand = self._running.pop(trial_id)
        self._steps.pop(trial_id, None)
        self._at_work.pop(trial_id, None)
        if result is None or error:
            self._watcher.on_notice("a lane died and is started anew")
            raised, lost = {}, {p.cohort_id: "the lane died: see Ray's log" for p in hand}
        else:
            self._take(result)
            raised, lost = dict(result["raised"]), dict(result["lost"])
        failures = raised | self._retries.count(lost)
        # First those who lose nothing, so that the rest does not end the round.
        self._conductor.put_back(_members(p for p in hand if p.cohort_id not in failures))
        for pack in hand:
            if pack.cohort_id in failures:
                self._conductor.fail(_members([pack]), failures[pack.cohort_id])

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
        self._retries.note(dict(result["starts"]))
        for notice in result["notices"]:
            self._watcher.on_notice(notice)


def run_cohorts(
    conductor: Conductor, plan: LanePlan, settings: LaneSettings, watcher: Watcher
) -> None:
    """Run the conductor's packs on the lanes until it has no more.

    Call inside :func:`orchestrator.tune_connection.connected`. What fails is counted by the
    conductor, not raised: ``Tuner.fit`` does not raise either when trials fail.

    Raises:
        SweepCutError: If Ray stops before the conductor has finished.
        KeyboardInterrupt: When interrupted, after the packs at work wrote checkpoints.
    """
    conductor.deal_for(plan)
    search = CohortSearch(conductor, settings, watcher)
    LastCall(settings.checkpoints).withdraw()
    tuner = tune.Tuner(
        tune.with_resources(LaneTrainable, {"CPU": DRIVER_CPUS}),
        tune_config=tune.TuneConfig(
            search_alg=search,
            num_samples=-1,
            max_concurrent_trials=plan.lanes,
            reuse_actors=True,
            trial_name_creator=_short_name,
            trial_dirname_creator=_short_name,
        ),
        run_config=tune.RunConfig(
            name="tune", storage_path=str(settings.scratch), verbose=0, callbacks=[]
        ),
    )
    try:
        tuner.fit()
    except KeyboardInterrupt:
        _call_last(search.at_work, settings, watcher)
        raise
    if not conductor.is_finished:
        raise SweepCutError("Ray ended the sweep before its time; finished trials are kept")


def _call_last(at_work: Sequence[str], settings: LaneSettings, watcher: Watcher) -> None:
    """Have the packs at work write checkpoints: their lanes live until Ray is left."""
    watcher.on_notice("stopping: the packs at work write checkpoints")
    last_call = LastCall(settings.checkpoints)
    last_call.make()
    late = last_call.await_answers(at_work, settings.outbox, _LAST_SECONDS)
    if late:
        watcher.on_notice(f"{len(late)} packs go on from older checkpoints")


def _members(packs: Iterable[Cohort]) -> list[str]:
    return [member.trial for pack in packs for member in pack.members]


def _short_name(trial: Any) -> str:
    return f"hand-{trial.trial_id}"
