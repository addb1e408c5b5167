"""The ground of the boundary benchmark: a simulated world, a purse of trial-steps, a log.

Every method works on the unit cube: coordinate 0 is log10 of the learning rate, then the numeric
axes, then (in cells with two categories) a 0 or 1. The purse is the same for all: a budget of n
means n trials at ``MEAN_SHARE`` of their full steps, so that who asks for trials that collapse
early gets more of them. A new trial of a slice has a new seed unless a method says otherwise.

Shape legend: n = trials, d = dimensions of the cube, T = test slices.
"""

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from orchestrator.planners.protocol import Finding, Proposal
from orchestrator.planners.simulated import Surface
from orchestrator.planners.world_kind import WorldKind
from orchestrator.planners.worlds import build_world
from search_spaces.axis import Axis, ChoiceAxis, RangeAxis
from search_spaces.point import Point, Value
from search_spaces.study import Budget, PlannerKind, Question, Study
from trainer.settings import CollapseSettings

Floats = NDArray[np.float64]

STEPS = 100
MEAN_SHARE = 0.85
LEVEL = 2.0
DECADES = 4.0
TEST_VALUES = 11  # per numeric axis

LR_AXIS = RangeAxis("lr", 1e-2, 1e2, log=True, points=17)
NUMERIC_AXES = (
    RangeAxis("objective.temperature", 0.05, 1.0, log=True, points=TEST_VALUES),
    RangeAxis("train.weight_decay", 1e-5, 1e-2, log=True, points=TEST_VALUES),
)
KIND_AXIS = ChoiceAxis("objective.kind", ("cl", "nscl"))


class SpentError(Exception):
    """The purse does not hold another trial."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of the benchmark: a world over 0 to 2 numeric axes, with or without categories."""

    world: WorldKind
    axes: int
    has_categories: bool = False

    @property
    def name(self) -> str:
        """The world's name as printed."""
        return "two categories" if self.has_categories else str(self.world)

    @property
    def dimensions(self) -> int:
        """Dimensions of the cube, the learning rate's and the category's included."""
        return 1 + self.axes + self.has_categories


@dataclass(frozen=True, slots=True)
class Trial:
    """One finished trial: where in the cube, which seed, what came out, what it cost."""

    place: tuple[float, ...]
    replicate: int
    finding: Finding


def study_of(cell: Cell, planner: PlannerKind, trials: int, seed: int) -> Study:
    """Return the cell as a study for a planner of ours."""
    kinds: tuple[Axis, ...] = (KIND_AXIS,) if cell.has_categories else ()
    return Study(
        name="benchmark",
        question=Question.BOUNDARY,
        planner=planner,
        axes=tuple(sorted((LR_AXIS, *NUMERIC_AXES[: cell.axes], *kinds), key=lambda a: a.path)),
        fixed=(("objective.kind", "cl"),),
        replicates=64,
        seed=seed,
        budget=Budget(trials=trials, band_decades=1e-3),
        collapse=CollapseSettings(below=LEVEL),
        optimise=None,
        source_text="",
    )


def purse_of(budget: int) -> int:
    """Return the trial-steps that a budget of so many trials buys."""
    return round(budget * MEAN_SHARE * STEPS)


class Lab:
    """Runs trials of one simulated world until the purse is empty."""

    def __init__(self, cell: Cell, seed: int, budget: int) -> None:
        self.cell = cell
        self.seed = seed
        self.budget = budget
        self.purse = purse_of(budget)
        self.trials: list[Trial] = []
        self.world = make_world(cell, seed)
        self._seen: Counter[tuple[float, ...]] = Counter()
        self._spent = 0

    def run(self, place: Sequence[float], replicate: int | None = None) -> Trial:
        """Run a trial at a place of the cube.

        Raises:
            SpentError: If the purse does not hold it; the trial is then not kept.
        """
        inside = tuple(min(max(float(u), 0.0), 1.0) for u in place)
        if replicate is None:
            replicate = self._seen[inside[1:]]
        self._seen[inside[1:]] += 1
        return self.take(inside, Proposal(point_at(self.cell, inside), replicate))

    def take(self, place: tuple[float, ...], proposal: Proposal) -> Trial:
        """Run a proposal as it stands and log it.

        Raises:
            SpentError: As ``run``.
        """
        trial = Trial(place, proposal.replicate, self.world.find(proposal))
        if self._spent + trial.finding.steps > self.purse:
            raise SpentError
        self._spent += trial.finding.steps
        self.trials.append(trial)
        return trial


def make_world(cell: Cell, seed: int) -> Surface:
    """Return a cell's world of a seed."""
    study = study_of(cell, PlannerKind.GRID, 1, 0)
    return replace(build_world(cell.world, study, seed), steps=STEPS)


def point_at(cell: Cell, place: Sequence[float]) -> Point:
    """Return the study's point at a place of the cube."""
    coordinates: dict[str, Value] = {
        axis.path: axis.low * math.exp(share * math.log(axis.high / axis.low))
        for axis, share in zip((LR_AXIS, *NUMERIC_AXES[: cell.axes]), place, strict=False)
    }
    if cell.has_categories:
        coordinates[KIND_AXIS.path] = KIND_AXIS.values[round(place[-1])]
    return Point.of(coordinates)


def place_of(cell: Cell, point: Point) -> tuple[float, ...]:
    """Return a point's place in the cube: the inverse of ``point_at``."""
    shares = [
        math.log(float(point[axis.path]) / axis.low) / math.log(axis.high / axis.low)
        for axis in (LR_AXIS, *NUMERIC_AXES[: cell.axes])
    ]
    if cell.has_categories:
        shares.append(float(KIND_AXIS.values.index(point[KIND_AXIS.path])))
    return tuple(shares)


def judged_slices(cell: Cell) -> Floats:
    """Return the slices at which the error is measured, shape (T, d - 1)."""
    return lattice(cell, TEST_VALUES)


def lattice(cell: Cell, values: int) -> Floats:
    """Return an even lattice of slices with so many values a numeric axis; (0.5) for one."""
    line = [0.5] if values == 1 else [float(u) for u in np.linspace(0, 1, values)]
    kinds = [[0.0, 1.0]] if cell.has_categories else []
    rows = list(itertools.product(*[line] * cell.axes, *kinds))
    return np.array(rows, dtype=np.float64).reshape(len(rows), cell.dimensions - 1)


def true_boundary(cell: Cell, seed: int) -> Floats:
    """Return the true log10 critical learning rate of every test slice, shape (T,)."""
    world = make_world(cell, seed)
    return np.array(
        [world.threshold_at(point_at(cell, (0.5, *row))) for row in judged_slices(cell)]
    )


def within(trials: Sequence[Trial], budget: int) -> list[Trial]:
    """Return the trials, in order, that a smaller budget would have paid for."""
    spent = itertools.accumulate(trial.finding.steps for trial in trials)
    return [t for t, total in zip(trials, spent, strict=True) if total <= purse_of(budget)]
