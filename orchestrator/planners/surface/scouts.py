"""Trials that look for what the surface does not expect: a second crossing.

One trial in sixteen is a scout, far above the boundary (every fourth: far below). Where a trial
contradicts the surface, two more are asked beside it with other seeds: a lapse stays alone, a
second crossing does not.

Shape legend: n = trials.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from orchestrator.planners.surface.fit import Fit
from orchestrator.planners.surface.trials import Trials
from orchestrator.planners.surface.verdicts import Disagreement

EVERY = 16
NEAREST_DECADES, FARTHEST_DECADES = 0.4, 1.6
BESIDE_DECADES = 0.06
PROBES = 2  # beside a contradiction
PROBED_AT_ONCE = 2
SHARES = (0.6180339887498949, 0.7548776662466927)


@dataclass(frozen=True, slots=True)
class Probe:
    """A trial beside a contradicting one: its index, and where to look; decades."""

    trial: int
    x: float


def is_scout(number: int) -> bool:
    """Whether the trial of this number (from 0, over the whole search) is a scout."""
    return number % EVERY == EVERY - 1


def scout_offset(number: int) -> float:
    """Return how far above the boundary a scout looks, decades; negative is below."""
    nth = number // EVERY
    share = math.modf(0.5 + SHARES[0] * nth)[0]
    offset = NEAREST_DECADES + share * (FARTHEST_DECADES - NEAREST_DECADES)
    return -offset if nth % 4 == 3 else offset


def scout_place(number: int, references: int) -> int:
    """Return which reference place a scout visits: all of them alike in the long run."""
    return int(math.modf(0.5 + SHARES[1] * (number // EVERY))[0] * references)


def find_probes(trials: Trials, fit: Fit, low: float, high: float) -> Iterator[Probe]:
    """Yield what to try beside contradictions that stand alone so far."""
    disagreement = Disagreement.of(trials, fit)
    units, words = trials.places.units_nA, trials.places.words_nB
    probed = 0
    for i in np.flatnonzero(disagreement.contradicts_n):
        here = (np.abs(units - units[i]).sum(axis=1) < 1e-9) & (words == words[i]).all(axis=1)
        beside = int((here & (np.abs(trials.x_n - trials.x_n[i]) < 2 * BESIDE_DECADES)).sum()) - 1
        if beside >= PROBES:
            continue
        for side in (-1.0, 1.0)[: PROBES - beside]:
            x = float(trials.x_n[i]) + side * BESIDE_DECADES
            yield Probe(int(i), min(max(x, low), high))
        probed += 1
        if probed == PROBED_AT_ONCE:
            return
