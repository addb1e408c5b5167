"""One number for each paired seed and arm, from the trials that both arms have.

A *cell* is a setting that both arms share: coordinates on the axes they have in common, without
those that both name (and without the learning rate, where its threshold is what is compared).
Arms are compared over the same cells only; a seed counts if every trial of both arms is measured.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log10
from statistics import fmean

from orchestrator.claims.readings import find_threshold, measure_outcome
from orchestrator.compare.arm import StudyArm
from orchestrator.errors import CompareError
from orchestrator.record import TrialRecord
from orchestrator.report.wording import describe_point
from search_spaces.claim import THRESHOLD_MEASURES
from search_spaces.point import Point
from search_spaces.study import LR, PlannerKind

Cells = Mapping[Point, Mapping[int, float]]
"""A number by cell and replicate."""

Numbers = Mapping[int, Sequence[float | None]]
"""A cell's numbers by replicate, one for each trial or slice; None where there is none."""

OVER_TEMPERATURE = "critical_lr_over_temperature"


@dataclass(frozen=True, slots=True)
class PairReading:
    """Two arms' numbers by seed.

    Attributes:
        seeds: The replicates that count, the same for both.
        dropped: Replicates that do not, because a trial is missing or has no such measure.
        cells: How many settings each number is the mean of.
        thresholds: Critical learning rates behind the numbers; ``censored`` of them lie beyond
            the studied range and were taken to be its end.
    """

    measure: str
    seeds: tuple[int, ...]
    first: tuple[float, ...]
    second: tuple[float, ...]
    dropped: int
    cells: int
    censored: int = 0
    thresholds: int = 0


def read_pair(measure: str, first: StudyArm, second: StudyArm) -> PairReading:
    """Return both arms' numbers of a measure (one of ``search_spaces.claim.check_measure``).

    Raises:
        CompareError: If the arms were not tried at the same settings, or no seed counts.
    """
    paths = _shared_paths(first, second, measure)
    (left, censored, thresholds), (right, more_censored, more) = (
        _read_cells(measure, arm, paths) for arm in (first, second)
    )
    _check_cells(measure, first, second, left, right)
    replicates = {r for arm in (first, second) for r in range(arm.study.replicates)}
    seeds = [
        r
        for r in sorted(replicates)
        if all(r in side[cell] for side in (left, right) for cell in side)
    ]
    if not seeds:
        raise CompareError(
            f"{measure}: no seed has it in every trial of {first.label} and {second.label}"
        )
    return PairReading(
        measure=measure,
        seeds=tuple(seeds),
        first=_means(left, seeds),
        second=_means(right, seeds),
        dropped=len(replicates) - len(seeds),
        cells=len(left),
        censored=censored + more_censored,
        thresholds=thresholds + more,
    )


def _means(cells: Cells, seeds: Sequence[int]) -> tuple[float, ...]:
    return tuple(fmean(numbers[seed] for numbers in cells.values()) for seed in seeds)


def _shared_paths(first: StudyArm, second: StudyArm, measure: str) -> frozenset[str]:
    named = first.at.keys() & second.at.keys()
    without = {LR} if measure in THRESHOLD_MEASURES else set()
    return (_own_paths(first) & _own_paths(second)) - named - without


def _own_paths(arm: StudyArm) -> frozenset[str]:
    """Return the axes that all of an arm's trials have: some belong to one objective alone."""
    points = {record.proposal.point for record in arm.records}
    return frozenset.intersection(*(frozenset(p for p, _ in q.coordinates) for q in points))


def _read_cells(measure: str, arm: StudyArm, paths: frozenset[str]) -> tuple[Cells, int, int]:
    """Return numbers by cell, and of how many thresholds how many are censored."""
    if measure in THRESHOLD_MEASURES and LR not in {axis.path for axis in arm.study.axes}:
        raise CompareError(f"{measure}: study {arm.study.name} does not vary lr")
    by_cell: dict[Point, list[TrialRecord]] = defaultdict(list)
    for record in arm.records:
        coordinates = record.proposal.point.coordinates
        by_cell[Point(tuple((p, v) for p, v in coordinates if p in paths))].append(record)
    cells: dict[Point, Mapping[int, float]] = {}
    censored = thresholds = 0
    for cell, records in by_cell.items():
        if measure in THRESHOLD_MEASURES:
            found, own_censored = _read_thresholds(measure, arm, records)
            censored += own_censored
            thresholds += sum(map(len, found.values()))
        else:
            found = _read_measures(measure, records)
        cells[cell] = _average(found)
    return cells, censored, thresholds


def _read_measures(measure: str, records: Iterable[TrialRecord]) -> Numbers:
    found: dict[int, list[float | None]] = defaultdict(list)
    for record in records:
        value = None if record.outcome is None else measure_outcome(measure, record.outcome)
        found[record.proposal.replicate].append(value)
    return found


def _read_thresholds(
    measure: str, arm: StudyArm, records: Iterable[TrialRecord]
) -> tuple[Numbers, int]:
    slices: dict[tuple[Point, int], list[TrialRecord]] = defaultdict(list)
    for record in records:
        slices[record.proposal.point.without(LR), record.proposal.replicate].append(record)
    found: dict[int, list[float | None]] = defaultdict(list)
    censored = 0
    for (_, replicate), trials in slices.items():
        threshold, is_censored = find_threshold(arm.study, trials)
        if threshold is not None and measure == OVER_TEMPERATURE:
            threshold -= log10(float(getattr(trials[0].settings.objective, "temperature", 1.0)))
        censored += is_censored
        found[replicate].append(threshold)
    return found, censored


def _average(numbers: Numbers) -> dict[int, float]:
    """Return the means of replicates that have as many numbers as any, all of them known."""
    wanted = max((len(found) for found in numbers.values()), default=0)
    return {
        replicate: fmean(value for value in found if value is not None)
        for replicate, found in numbers.items()
        if len(found) == wanted and None not in found
    }


def _check_cells(
    measure: str, first: StudyArm, second: StudyArm, left: Cells, right: Cells
) -> None:
    for arm, own, other, others in ((first, left, second, right), (second, right, first, left)):
        lacking = sorted(others.keys() - own.keys(), key=lambda cell: cell.key)
        if lacking:
            raise CompareError(_say_lacking(measure, arm, other, lacking[0], len(lacking)))
        seeds = set.intersection(*(set(numbers) for numbers in own.values()))
        if not seeds and _is_searched(arm) and measure not in THRESHOLD_MEASURES:
            raise CompareError(_say_searched(measure, arm, other))


def _say_lacking(measure: str, arm: StudyArm, other: StudyArm, cell: Point, count: int) -> str:
    if _is_searched(arm) and measure not in THRESHOLD_MEASURES:
        return _say_searched(measure, arm, other)
    more = f" and {count - 1} more" if count > 1 else ""
    return (
        f"{measure}: {arm.label} has no trial at {describe_point(cell)}{more}, {other.label} has; "
        "name the axis for both to compare them where both were tried"
    )


def _is_searched(arm: StudyArm) -> bool:
    """Say whether the arm's learning rates were chosen trial by trial."""
    is_axis = any(axis.path == LR for axis in arm.study.axes)
    return is_axis and LR not in arm.at and arm.study.planner is not PlannerKind.GRID


def _say_searched(measure: str, arm: StudyArm, other: StudyArm) -> str:
    return (
        f"{measure}: {arm.label} and {other.label} were tried at different learning rates, which "
        "were searched; compare critical_lr, or name lr for both"
    )
