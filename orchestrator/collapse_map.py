"""The collapse map: outcomes + boundary + band, from a study and its ledger records alone.

A slice is a point without its learning rate. Every slice gets its critical learning rate at the
study's collapse level and, because effective rank may fall over a decade of learning rate
without a cliff, at further, higher levels. Lower ones are left out: a trial that was decided
early stopped below the study's level and says nothing of a lower one.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log10

from orchestrator.planners.protocol import Finding, Proposal
from orchestrator.planners.readout import is_prior_kept, read_boundary
from orchestrator.planners.threshold import Threshold, Verdict, estimate_threshold
from orchestrator.record import TrialRecord, TrialState, to_finding
from search_spaces.axis import RangeAxis
from search_spaces.point import Point
from search_spaces.study import LR, PlannerKind, Study
from trainer.cohort import Outcome

LEVEL_FACTORS = (1.0, 1.5, 2.0, 4.0)
"""Levels shown, as multiples of the study's; those not below the embedding size are dropped."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """The critical learning rate of one slice at one level; learning rates, not logarithms.

    Attributes:
        level: A trial is collapsed if its score lies below (or its regime says so).
        verdict: What may be said; the median answers the question only if INSIDE.
        critical_lr: Posterior median; None unless INSIDE.
        band_lr: 95 % credible band if INSIDE, the interval outside which all trials agree if
            TRANSITION, otherwise None.
        last_healthy_lr: Highest learning rate up to which every trial was healthy.
        first_collapsed_lr: Lowest learning rate from which on every trial collapsed.
        band_decades: Width of the posterior's 95 % band, whatever the verdict.
        p_above: Posterior probability that the boundary lies above the studied range.
        p_below: Likewise below it.
        trials: How many finished trials were used.
    """

    level: float
    verdict: Verdict
    critical_lr: float | None
    band_lr: tuple[float, float] | None
    last_healthy_lr: float | None
    first_collapsed_lr: float | None
    band_decades: float
    p_above: float
    p_below: float
    trials: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How many trials, what they cost, and how they ended.

    ``trial_steps`` are optimiser steps; ``regimes`` counts finished trials by regime;
    ``not_finished`` trials are still to run, ``missing`` ones failed for good.
    """

    finished: int
    missing: int
    not_finished: int
    decided_early: int
    trial_steps: int
    regimes: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class SliceMap:
    """One slice: where it lies, what it cost, its boundary at every level (the study's first)."""

    point: Point
    counts: Counts
    boundaries: tuple[Boundary, ...]

    @property
    def boundary(self) -> Boundary:
        """The boundary at the study's own level."""
        return self.boundaries[0]


@dataclass(frozen=True, slots=True)
class Audit:
    """Members decided early but trained to the end: how often was early wrong?

    ``disagreed``: verdict on collapse changed; ``changed_regime``: any change, such as from
    dimensional to complete.
    """

    audited: int
    disagreed: int
    changed_regime: int


@dataclass(frozen=True, slots=True)
class CollapseMap:
    """A study's map.

    Attributes:
        lr_range: Lowest and highest learning rate of the study; None if it is not an axis, and
            then there are no slices.
        levels: Collapse levels shown, the study's first.
        slices: One for each of the study's slices, in the study's order, tried or not.
        off_slice: Finished trials between the slices (planners that do not keep to them).
        outcomes: Finished trials sorted by key.
        is_prior_kept: Whether the trials let the study's prior stand; None without one.
    """

    study: Study
    lr_range: tuple[float, float] | None
    levels: tuple[float, ...]
    slices: tuple[SliceMap, ...]
    off_slice: int
    counts: Counts
    audit: Audit
    outcomes: tuple[tuple[TrialRecord, Outcome], ...]
    is_prior_kept: bool | None = None


def build_map(
    study: Study, records: Sequence[TrialRecord], *, at_study_level_only: bool = False
) -> CollapseMap:
    """Return the collapse map of what the ledger holds so far; the records' order is irrelevant.

    Costs about 20 ms a slice and level; ``at_study_level_only`` serves live progress.
    """
    ordered = sorted(records, key=lambda record: record.key)
    lr_range = find_lr_range(study)
    levels = choose_levels(study.collapse.below, _embed_dims(ordered))
    levels = levels[:1] if at_study_level_only else levels
    by_slice = _group_by_slice(ordered)
    points = study.slices() if lr_range else ()
    surface = _read_surface(study, ordered, levels) if points else {}
    slices = tuple(
        map_slice(p, by_slice.get(p.key, []), levels, lr_range, surface.get(p)) for p in points
    )
    outcomes = finished(ordered)
    prior_kept = None if at_study_level_only else is_prior_kept(study, _findings(study, ordered))
    return CollapseMap(
        study=study,
        lr_range=lr_range,
        levels=levels,
        slices=slices,
        off_slice=len(outcomes) - sum(s.counts.finished for s in slices) if slices else 0,
        counts=count_trials(ordered),
        audit=audit_early_decisions(outcome for _, outcome in outcomes),
        outcomes=outcomes,
        is_prior_kept=prior_kept,
    )


def find_lr_range(study: Study) -> tuple[float, float] | None:
    """Return the lowest and highest learning rate on the axis ``lr``; None without a choice."""
    for axis in study.axes:
        if axis.path != LR:
            continue
        if isinstance(axis, RangeAxis):
            return axis.low, axis.high
        rates = [float(value) for value in axis.values]
        return (min(rates), max(rates)) if min(rates) < max(rates) else None
    return None


def choose_levels(level: float, embed_dims: Iterable[int]) -> tuple[float, ...]:
    """Return the study's level and its multiples that stay below the smallest embedding size."""
    ceiling = min(embed_dims, default=None)
    further = (level * factor for factor in LEVEL_FACTORS[1:])
    return (level, *(value for value in further if ceiling is None or value < ceiling))


def map_slice(
    point: Point,
    records: Sequence[TrialRecord],
    levels: Sequence[float],
    lr_range: tuple[float, float] | None,
    surface: tuple[Boundary, ...] | None = None,
) -> SliceMap:
    """Return one slice's counts and its boundary at every level.

    ``surface`` is what the study's surface says of the slice; without one it stands alone.
    """
    assert lr_range is not None, "only a study that varies the learning rate has slices"
    trials = finished(records)
    boundaries = surface or tuple(
        _find_boundary(trials, level, level == levels[0], lr_range) for level in levels
    )
    return SliceMap(point, count_trials(records), boundaries)


def _read_surface(
    study: Study, records: Sequence[TrialRecord], levels: Sequence[float]
) -> dict[Point, tuple[Boundary, ...]]:
    """Return every slice's boundary at every level, if the study was planned as one surface."""
    if study.planner is not PlannerKind.SURFACE:
        return {}
    findings = _findings(study, records)
    by_level = [read_boundary(study, findings, level) for level in levels]
    return {
        point: tuple(
            _in_learning_rates(level, found[point])
            for level, found in zip(levels, by_level, strict=True)
        )
        for point in study.slices()
    }


def _findings(study: Study, records: Sequence[TrialRecord]) -> list[tuple[Proposal, Finding]]:
    return [(record.proposal, to_finding(study, outcome)) for record, outcome in finished(records)]


def finished(records: Iterable[TrialRecord]) -> tuple[tuple[TrialRecord, Outcome], ...]:
    """Return the finished trials with their outcomes, in the given order."""
    return tuple((record, record.outcome) for record in records if record.outcome is not None)


def count_trials(records: Sequence[TrialRecord]) -> Counts:
    """Return how many trials stand where, and what the finished ones cost."""
    states = Counter(record.state for record in records)
    outcomes = [outcome for _, outcome in finished(records)]
    regimes = Counter(outcome.regime.value for outcome in outcomes)
    return Counts(
        finished=states[TrialState.FINISHED],
        missing=states[TrialState.MISSING],
        not_finished=states[TrialState.PENDING],
        decided_early=sum(outcome.decided_early for outcome in outcomes),
        trial_steps=sum(outcome.steps_done for outcome in outcomes),
        regimes=tuple(sorted(regimes.items())),
    )


def audit_early_decisions(outcomes: Iterable[Outcome]) -> Audit:
    """Compare what an early decision would have said with how audited trials ended."""
    audited = [outcome for outcome in outcomes if outcome.early_regime is not None]
    return Audit(
        audited=len(audited),
        disagreed=sum(not outcome.is_collapsed for outcome in audited),
        changed_regime=sum(outcome.early_regime != outcome.regime for outcome in audited),
    )


def _find_boundary(
    trials: Sequence[tuple[TrialRecord, Outcome]],
    level: float,
    is_study_level: bool,
    lr_range: tuple[float, float],
) -> Boundary:
    low, high = lr_range
    labels = [o.is_collapsed or (not is_study_level and o.score < level) for _, o in trials]
    threshold = estimate_threshold(
        [log10(record.settings.lr) for record, _ in trials],
        labels,
        [record.proposal.replicate for record, _ in trials],
        log10(low),
        log10(high),
    )
    return _in_learning_rates(level, threshold)


def _in_learning_rates(level: float, threshold: Threshold) -> Boundary:
    band: tuple[float, float] | None = None
    if threshold.verdict is Verdict.INSIDE:
        band = (threshold.lo, threshold.hi)
    elif threshold.verdict is Verdict.TRANSITION:
        band = threshold.transition
    inside = threshold.verdict is Verdict.INSIDE
    return Boundary(
        level=level,
        verdict=threshold.verdict,
        critical_lr=_raise10(threshold.median) if inside else None,
        band_lr=None if band is None else (10 ** band[0], 10 ** band[1]),
        last_healthy_lr=_raise10(threshold.last_healthy),
        first_collapsed_lr=_raise10(threshold.first_collapsed),
        band_decades=threshold.width,
        p_above=threshold.p_above,
        p_below=threshold.p_below,
        trials=threshold.trials,
    )


def _raise10(exponent: float | None) -> float | None:
    return None if exponent is None else 10.0**exponent


def _group_by_slice(records: Iterable[TrialRecord]) -> dict[str, list[TrialRecord]]:
    groups: dict[str, list[TrialRecord]] = defaultdict(list)
    for record in records:
        groups[record.proposal.point.without(LR).key].append(record)
    return groups


def _embed_dims(records: Iterable[TrialRecord]) -> list[int]:
    return [record.settings.model.embed_dim for record in records]
