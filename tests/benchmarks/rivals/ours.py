"""Rankfall's boundary search, driven as the planner drives it: batches of eight.

The slices that are judged are the study's, so it is their band that it narrows. A place may be
tried with any number of seeds, as the rivals do.
"""

from collections.abc import Sequence

import numpy as np

from orchestrator.planners.boundary_search import BoundarySearch, Observation, Setting
from orchestrator.planners.surface.space import BoundarySpace, NumberAxis, WordAxis
from search_spaces.point import Point
from tests.benchmarks.rivals.lab import (
    KIND_AXIS,
    LEVEL,
    LR_AXIS,
    NUMERIC_AXES,
    Cell,
    Floats,
    Lab,
    Trial,
    judged_slices,
    place_of,
    point_at,
)

BATCH = 8
REPLICATES = 1024  # more than the largest budget: never fewer seeds than the rivals have


def run_search(lab: Lab) -> None:
    """Ask and tell until the purse is empty."""
    search = _open(lab.cell, lab.seed)
    while True:
        for setting in search.ask(BATCH):
            point = setting.place.replace(LR_AXIS.path, 10.0**setting.x)
            trial = lab.run(place_of(lab.cell, point), setting.replicate)
            search.tell(setting, _observe(trial))


def read_posterior(cell: Cell, trials: Sequence[Trial], slices_Td: Floats) -> Floats:
    """Return the posterior median of the log10 threshold of every slice, shape (T,)."""
    search = _open(cell, 0)
    for trial in trials:
        point = point_at(cell, trial.place)
        x = float(np.log10(float(point[LR_AXIS.path])))
        setting = Setting(point.without(LR_AXIS.path), x, trial.replicate)
        search.tell(setting, _observe(trial))
    return np.array([found.median for found in search.posterior(_places(cell, slices_Td))])


def _open(cell: Cell, seed: int) -> BoundarySearch:
    axes: list[NumberAxis | WordAxis] = [
        NumberAxis(axis.path, axis.low, axis.high, axis.log) for axis in NUMERIC_AXES[: cell.axes]
    ]
    if cell.has_categories:
        axes.append(WordAxis(KIND_AXIS.path, KIND_AXIS.values))
    low, high = float(np.log10(LR_AXIS.low)), float(np.log10(LR_AXIS.high))
    space = BoundarySpace(low, high, tuple(axes), REPLICATES)
    return BoundarySearch(space, LEVEL, seed, _places(cell, judged_slices(cell)))


def _places(cell: Cell, slices_Td: Floats) -> list[Point]:
    return [point_at(cell, (0.5, *row)).without(LR_AXIS.path) for row in slices_Td]


def _observe(trial: Trial) -> Observation:
    found = trial.finding
    return Observation(found.score, found.is_collapsed, found.is_diverged, found.steps)
