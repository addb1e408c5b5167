"""What a contrast reads off a study's trials: one number for each seed and arm.

An arm's axes that the claim leaves free are averaged over, seed by seed. A seed counts only if
none of its trials is missing in any arm.

A critical learning rate is that of one seed in one slice: the middle of the bracket of its best
single step, log10. Where nothing collapses (or all does) it is taken to be the end of the range,
which understates every difference between arms; the number of these is reported.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.claims.derived import DERIVED
from orchestrator.paired import Floats
from orchestrator.planners.bracket import find_bracket
from orchestrator.record import TrialRecord
from search_spaces.axis import Axis
from search_spaces.claim import THRESHOLD_MEASURES, Arm, Contrast
from search_spaces.claim_load import same_value
from search_spaces.point import Point, Value
from search_spaces.study import LR, Study
from trainer.cohort import Outcome
from trainer.collapse.regime import Regime

_ZERO_WHEN_DIVERGED = re.compile("cka_.*|rsa_.*|.*_accuracy.*|.*recall_at_.*|.*map_at_.*")
"""Measures that are 0 for a trial that diverged: it has learned nothing and is like nothing.
Other measures of it do not exist, and its seed does not count."""


@dataclass(frozen=True, slots=True)
class ArmReading:
    """An arm's number by replicate, and how many of its thresholds are censored."""

    label: str
    at: float | None
    by_replicate: dict[int, float]
    censored: int = 0
    thresholds: int = 0


@dataclass(frozen=True, slots=True)
class ContrastReading:
    """A contrast's number by seed; ``dropped`` seeds lack a trial or a measure in some arm."""

    seeds: tuple[int, ...]
    values: tuple[float, ...]
    arms: tuple[ArmReading, ...]
    dropped: int


def read_contrast(
    contrast: Contrast, study: Study, records: Sequence[TrialRecord]
) -> ContrastReading:
    """Return one number for each seed of the study in which every trial was measured."""
    arms = [_read_arm(contrast, arm, at, study, records) for at, arm in _arms(contrast, study)]
    seeds = [r for r in range(study.replicates) if all(r in a.by_replicate for a in arms)]
    table = np.array([[arm.by_replicate[r] for r in seeds] for arm in arms])
    values = _combine(contrast, [arm.at for arm in arms], table) if seeds else ()
    return ContrastReading(
        tuple(seeds), tuple(map(float, values)), tuple(arms), study.replicates - len(seeds)
    )


def _arms(contrast: Contrast, study: Study) -> list[tuple[float | None, Arm]]:
    if contrast.along is not None:
        axis = next(axis for axis in study.axes if axis.path == contrast.along)
        return [(_number(v), {**contrast.of, axis.path: v}) for v in axis.grid()]
    if contrast.minus is not None:
        return [(None, contrast.of), (None, contrast.minus)]
    return [(None, contrast.of)]


def _number(value: Value) -> float:
    assert not isinstance(value, str | bool), "a slope is along numbers"
    return float(value)


def _combine(contrast: Contrast, at: Sequence[float | None], table_AN: Floats) -> Floats:
    """Return one number a seed from the arms' (A = arms, N = seeds)."""
    if contrast.along is not None:
        x_A = np.array(at, dtype=np.float64)
        x_A = np.log10(x_A) if contrast.log else x_A
        weights_A = (x_A - x_A.mean()) / ((x_A - x_A.mean()) ** 2).sum()
        table_AN = weights_A[:, None] * table_AN
        return np.asarray(table_AN.sum(axis=0))
    if contrast.minus is not None:
        return np.asarray(table_AN[0] - table_AN[1])
    return np.asarray(table_AN[0])


def _read_arm(
    contrast: Contrast, arm: Arm, at: float | None, study: Study, records: Sequence[TrialRecord]
) -> ArmReading:
    chosen = [r for r in records if _matches(r.proposal.point, arm)]
    censored = thresholds = 0
    if contrast.measure in THRESHOLD_MEASURES:
        numbers, censored = _thresholds(contrast.measure, study, chosen)
        thresholds = sum(map(len, numbers.values()))
    else:
        numbers = defaultdict(list)
        for record in chosen:
            outcome = record.outcome
            value = None if outcome is None else measure_outcome(contrast.measure, outcome)
            numbers[record.proposal.replicate].append(value)
    wanted = max((len(found) for found in numbers.values()), default=0)
    means = {
        replicate: float(np.mean([v for v in found if v is not None]))
        for replicate, found in numbers.items()
        if len(found) == wanted and None not in found
    }
    return ArmReading(_label(arm, contrast, at), at, means, censored, thresholds)


def _label(arm: Arm, contrast: Contrast, at: float | None) -> str:
    if at is not None:
        return f"{at:g}"
    other = contrast.minus if arm == contrast.of else contrast.of
    other = other or {}
    own = [p for p in arm if contrast.minus is None or p not in other or arm[p] != other[p]]
    return ", ".join(str(arm[path]) for path in own) or "all"


def _matches(point: Point, arm: Arm) -> bool:
    coordinates = dict(point.coordinates)
    return all(p in coordinates and same_value(coordinates[p], v) for p, v in arm.items())


def _thresholds(
    measure: str, study: Study, records: Iterable[TrialRecord]
) -> tuple[dict[int, list[float | None]], int]:
    slices: dict[tuple[Point, int], list[TrialRecord]] = defaultdict(list)
    for record in records:
        slices[record.proposal.point.without(LR), record.proposal.replicate].append(record)
    numbers: dict[int, list[float | None]] = defaultdict(list)
    censored = 0
    for (_, replicate), trials in sorted(slices.items(), key=lambda item: item[0][0].key):
        threshold, is_censored = find_threshold(study, trials)
        censored += is_censored
        if threshold is not None and measure == "critical_lr_over_temperature":
            threshold -= math.log10(_temperature(trials[0]))
        numbers[replicate].append(threshold)
    return numbers, censored


def find_threshold(study: Study, trials: Sequence[TrialRecord]) -> tuple[float | None, bool]:
    """Return log10 of one seed's critical learning rate in one slice, and if it is censored.

    None without a finished trial. The records are of one slice and one replicate.
    """
    pairs = [(math.log10(r.settings.lr), r.outcome.is_collapsed) for r in trials if r.outcome]
    if not pairs:
        return None, False
    bracket = find_bracket([x for x, _ in pairs], [c for _, c in pairs])
    low, high = _ends(next(axis for axis in study.axes if axis.path == LR))
    if bracket.healthy is None:
        return low, True
    if bracket.collapsed is None:
        return high, True
    return (bracket.healthy + bracket.collapsed) / 2, False


def _ends(axis: Axis) -> tuple[float, float]:
    values = [_number(value) for value in axis.grid()]
    return math.log10(min(values)), math.log10(max(values))


def _temperature(record: TrialRecord) -> float:
    return float(getattr(record.settings.objective, "temperature", 1.0))


def measure_outcome(measure: str, outcome: Outcome) -> float | None:
    """Return a measure of a trial, None where it has none (see ``search_spaces.claim``)."""
    derive = DERIVED.get(measure)
    if derive is not None:
        return derive(outcome)
    value = outcome.measures.get(measure)
    if value is None and outcome.regime is Regime.DIVERGED:
        return 0.0 if _ZERO_WHEN_DIVERGED.fullmatch(measure) else None
    return value
