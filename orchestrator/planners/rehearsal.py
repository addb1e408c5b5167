"""What a budget buys: a study's own planner against simulated worlds, at several budgets."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median

from orchestrator.planners.factory import build_planner
from orchestrator.planners.readout import read_boundary
from orchestrator.planners.simulated import Simulation, Surface, simulate
from orchestrator.planners.threshold import Threshold, Verdict
from orchestrator.planners.world_kind import WorldKind
from orchestrator.planners.worlds import build_world
from search_spaces.study import Budget, Study

SHARES = (0.25, 0.5, 1.0, 2.0)
"""Budgets tried, as multiples of the study's own."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """What one budget bought, over all repeats and slices.

    Attributes:
        budget: Trials allowed; a limit on trial-steps is scaled alike.
        trials: Trials taken, mean over the repeats; fewer when the band was reached early.
        trial_steps: Optimiser steps they took, decided trials counted as such, mean likewise.
        rounds: Rounds they came in, mean likewise.
        band_decades: Median width of the 95 % band, over slices that got a number.
        error_decades: Mean distance of the median from the truth, over the same.
        coverage: Share of the same whose band holds the truth.
        verdicts: Share of slices by verdict, e.g. ``inside``; they sum to 1.

    The three are None where no slice got a number.
    """

    budget: int
    trials: float
    trial_steps: float
    rounds: float
    band_decades: float | None
    error_decades: float | None
    coverage: float | None
    verdicts: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Reading:
    simulation: Simulation
    slices: Sequence[tuple[Threshold, float]]
    """Every slice's threshold and its true log10 learning rate."""


def rehearse(
    study: Study,
    kind: WorldKind,
    repeats: int,
    seed_noise: float | None = None,
    note_done: Callable[[], None] = lambda: None,
) -> list[Purchase]:
    """Return what ``SHARES`` of the study's budget buy in ``repeats`` worlds of a kind.

    All budgets meet the same worlds. Trains nothing and touches no file.

    Args:
        study: A boundary study with a learning-rate range.
        kind: The kind of world.
        repeats: Worlds; at least 1.
        seed_noise: Decades between seeds; None takes the kind's own.
        note_done: Called after each of the ``len(SHARES) * repeats`` simulations.

    Raises:
        ValueError: If the study has no learning-rate range.
    """
    steps = study.settings_at(study.corner(study.kinds[0])).train.steps
    worlds = [replace(build_world(kind, study, i, seed_noise), steps=steps) for i in range(repeats)]
    purchases = []
    for share in SHARES:
        allowed = replace(study, budget=_scale(study.budget, share))
        readings = []
        for world in worlds:
            readings.append(_read(allowed, world))
            note_done()
        purchases.append(_sum_up(allowed.budget.trials, readings))
    return purchases


def _scale(budget: Budget, share: float) -> Budget:
    """Scale trials and trial-steps; a simulated trial takes no seconds."""
    steps = budget.trial_steps
    limits = {
        "trials": max(round(share * budget.trials), 1),
        "trial_steps": None if steps is None else max(round(share * steps), 1),
    }
    return budget.model_copy(update=limits)


def _read(study: Study, world: Surface) -> _Reading:
    simulation = simulate(build_planner(study), world)
    told = [(p, simulation.findings[p.key]) for asked in simulation.rounds for p in asked]
    found = read_boundary(study, told)
    return _Reading(simulation, [(t, world.threshold_at(point)) for point, t in found.items()])


def _sum_up(budget: int, readings: Sequence[_Reading]) -> Purchase:
    slices = [entry for reading in readings for entry in reading.slices]
    inside = [(found, truth) for found, truth in slices if found.verdict is Verdict.INSIDE]
    return Purchase(
        budget=budget,
        trials=fmean(reading.simulation.trials for reading in readings),
        trial_steps=fmean(reading.simulation.trial_steps for reading in readings),
        rounds=fmean(len(reading.simulation.rounds) for reading in readings),
        band_decades=median(found.width for found, _ in inside) if inside else None,
        error_decades=_mean(abs(found.median - truth) for found, truth in inside),
        coverage=_mean(found.lo <= truth <= found.hi for found, truth in inside),
        verdicts=_shares(found.verdict for found, _ in slices),
    )


def _mean(values: Iterable[float]) -> float | None:
    kept = list(values)
    return fmean(kept) if kept else None


def _shares(verdicts: Iterable[Verdict]) -> dict[str, float]:
    counts = Counter(verdicts)
    return {str(v): counts[v] / counts.total() for v in Verdict if counts[v]}
