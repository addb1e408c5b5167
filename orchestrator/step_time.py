"""What an optimiser step of a trial costs, by what decides it: the settings that shape the work.

Neither the learning rate nor an objective's temperature makes a step slower; the encoder, the
batch and the checks do. So a trial that was trained once tells what others like it will take.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from search_spaces.canonical import flatten
from search_spaces.study import KIND, LR
from trainer.trial_settings import TrialSettings

FEWEST_TRIALS = 8
"""Fewer trials of one cost say little: the first pack of a lane pays for warming up."""

_FREE = frozenset(
    {
        LR,
        "train.steps",
        "train.weight_decay",
        "train.warmup_steps",
        "train.schedule",
        "train.momentum",
        "train.nesterov",
        "collapse.below",
        "collapse.metric",
        "collapse.audit",
        "collapse.settle_checks",
    }
)


class TimeSource(StrEnum):
    """Where times come from."""

    PROBE = "probe"
    LEDGERS = "ledgers"
    MLFLOW = "mlflow"


@dataclass(frozen=True, slots=True)
class TimedTrial:
    """A trial that was trained: the study it belonged to, its cost key, seconds a step (> 0)."""

    study: str
    cost: str
    seconds: float


@dataclass(frozen=True, slots=True)
class StepTime:
    """Seconds of one optimiser step of one member, its share of the checks included.

    ``low`` and ``high``: four of five earlier trials lie between them, or all repeats of a probe.
    """

    low: float
    middle: float
    high: float


@dataclass(frozen=True, slots=True)
class StepTimes:
    """What steps take, by cost key.

    Attributes:
        source: How it is known.
        said: The same in words, for people.
        trials: How many trials were looked at; 0 for a probe.
        by_cost: One for each cost; a probe has one for all, under the empty key.
    """

    source: TimeSource
    said: str
    trials: int
    by_cost: Mapping[str, StepTime]

    def at(self, settings: TrialSettings) -> StepTime:
        """Return what a step of a trial takes."""
        if self.source is TimeSource.PROBE:
            return self.by_cost[""]
        return self.by_cost[cost_of(describe_settings(settings))]


def describe_settings(settings: TrialSettings) -> dict[str, str]:
    """Return a trial's settings by dotted path, as MLflow keeps them."""
    leaves = flatten(settings.model_dump(mode="json", by_alias=True))
    return {path: str(value) for path, value in leaves.items()}


def cost_of(settings: Mapping[str, str]) -> str:
    """Return the key that trials of equal cost share."""
    kept = {path: value for path, value in settings.items() if _costs(path)}
    return json.dumps(kept, sort_keys=True)


def summarise_times(
    trials: Iterable[TimedTrial], wanted: Collection[str], source: TimeSource
) -> StepTimes | None:
    """Return what earlier trials say of the wanted costs; None unless they say it of each."""
    matching = [trial for trial in trials if trial.cost in wanted]
    by_cost: dict[str, StepTime] = {}
    for cost in wanted:
        seconds = [trial.seconds for trial in matching if trial.cost == cost]
        if len(seconds) < FEWEST_TRIALS:
            return None
        low, middle, high = np.quantile(seconds, [0.1, 0.5, 0.9])
        by_cost[cost] = StepTime(float(low), float(middle), float(high))
    return StepTimes(source, _say(matching, source), len(matching), by_cost)


def _say(trials: Collection[TimedTrial], source: TimeSource) -> str:
    studies = sorted({trial.study for trial in trials})
    named = ", ".join(studies[:3]) + (" and others" if len(studies) > 3 else "")
    where = "in MLflow" if source is TimeSource.MLFLOW else "by their ledgers"
    return f"{len(trials)} earlier trials {where} ({named}), wherever those were trained"


def _costs(path: str) -> bool:
    return path == KIND or not (path in _FREE or path.startswith("objective."))
