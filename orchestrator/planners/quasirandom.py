"""Scrambled Sobol points over a study's axes, and the planner that walks them.

Optuna's QMCSampler draws categories, conditional axes and its first trial at random and keeps
its place in the storage; here every axis, also a categorical one, is a Sobol dimension and the
i-th point depends on the study alone, so any later round can be made again from nothing.

References:
    Sobol 1967 with Owen scrambling, as implemented by scipy.stats.qmc.Sobol.
"""

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from orchestrator.planners.evidence import Evidence
from orchestrator.planners.protocol import Finding, Proposal
from orchestrator.planners.space import grid_points, is_finite, replicates_of, round_within
from search_spaces.axis import Axis, ChoiceAxis
from search_spaces.point import Point, Value
from search_spaces.study import KIND, Study

FIRST_BLOCK_LOG2 = 6
LAST_BLOCK_LOG2 = 20


def fresh_points(study: Study) -> Iterator[Point]:
    """Yield distinct points of the study: all of a finite one, Sobol's of a continuous one."""
    if is_finite(study):
        yield from grid_points(study)
        return
    seen: set[str] = set()
    for row in _sobol_rows(len(study.axes), study.seed):
        point = _place(study, row)
        if point.key not in seen:
            seen.add(point.key)
            yield point


def _sobol_rows(dimensions: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Yield rows of the unit cube in blocks that keep the sequence balanced (powers of 2)."""
    engine = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed))
    yield from engine.random_base2(FIRST_BLOCK_LOG2)
    for log2 in range(FIRST_BLOCK_LOG2, LAST_BLOCK_LOG2):
        yield from engine.random_base2(log2)


def _place(study: Study, row: NDArray[np.float64]) -> Point:
    shares = dict(zip((axis.path for axis in study.axes), map(float, row), strict=True))
    coordinates = {axis.path: _value_at(axis, shares[axis.path]) for axis in study.axes}
    kind = str(coordinates.get(KIND, study.kinds[0]))
    return Point.of({axis.path: coordinates[axis.path] for axis in study.axes_for(kind)})


def _value_at(axis: Axis, share: float) -> Value:
    if isinstance(axis, ChoiceAxis):
        return axis.values[min(int(share * len(axis.values)), len(axis.values) - 1)]
    if axis.log:
        value = axis.low * math.exp(share * math.log(axis.high / axis.low))
    else:
        value = axis.low + share * (axis.high - axis.low)
    return round_within(value, axis)


class QmcPlanner:
    """Asks the first points of the Sobol sequence, all replicates of each, in one round."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._evidence = Evidence()

    def ask(self) -> Sequence[Proposal]:
        """Return every trial of the sequence that is not known yet and fits the budget."""
        budget = self._study.budget.trials
        count = math.ceil(budget / self._study.replicates)
        points = itertools.islice(fresh_points(self._study), count)
        everything = [p for point in points for p in replicates_of(self._study, point)]
        unknown = [proposal for proposal in everything if not self._evidence.knows(proposal)]
        return unknown[: self._evidence.remaining(self._study)]

    def tell(self, proposal: Proposal, finding: Finding) -> None:
        """Record a finished trial."""
        self._evidence.tell(proposal, finding)

    def tell_missing(self, proposal: Proposal) -> None:
        """Record that a trial will never be told."""
        self._evidence.tell_missing(proposal)
