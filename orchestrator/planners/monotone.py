"""Whether labels along the learning rate are explained by one step from healthy to collapsed.

Shape legend: n = trials of one slice, all replicates pooled, sorted by learning rate.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

CLEARANCE_DECADES = 0.3
"""Contradictions nearer the step than this are seed noise; farther ones lapse or re-entrance."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """The best single step and what contradicts it; values are log10 learning rates.

    Attributes:
        cut: Where one step misses the fewest labels (the middle of the best gap; beyond the
            trials if all agree; 0.0 without trials).
        collapsed: How many trials collapsed.
        last_healthy: Highest value up to which every trial was healthy; None if there is none.
        first_collapsed: Lowest value from which on every trial collapsed; None likewise.
        contradictions: Values of trials farther than ``CLEARANCE_DECADES`` on the wrong side.
        is_reentrant: Two or more contradictions side by side, with no agreeing trial between
            them: a second crossing. One alone may be a lapse, and is not enough.
    """

    cut: float
    collapsed: int
    last_healthy: float | None
    first_collapsed: float | None
    contradictions: tuple[float, ...]
    is_reentrant: bool


def find_crossing(x_n: Floats, collapsed_n: Bools) -> Crossing:
    """Return the best single step through sorted trials and the trials that contradict it.

    Equal values count as one place: a place contradicts the step when more than half of its
    trials do, so a lapse in one of three replicates is outvoted by the other two.
    """
    cut = best_cut(x_n, collapsed_n)
    is_wrong_n = (collapsed_n != (x_n > cut)) & (np.abs(x_n - cut) > CLEARANCE_DECADES)
    healthy, collapsed = x_n[~collapsed_n], x_n[collapsed_n]
    safe = healthy[healthy < collapsed[0]] if len(collapsed) else healthy
    lost = collapsed[collapsed > healthy[-1]] if len(healthy) else collapsed
    return Crossing(
        cut=cut,
        collapsed=len(collapsed),
        last_healthy=float(safe[-1]) if len(safe) else None,
        first_collapsed=float(lost[0]) if len(lost) else None,
        contradictions=tuple(float(x) for x in np.unique(x_n[is_wrong_n])),
        is_reentrant=_has_run(x_n, is_wrong_n),
    )


def best_cut(x_n: Floats, collapsed_n: Bools) -> float:
    """Return the cut with the fewest labels on the wrong side; ties go to the middle one."""
    if len(x_n) == 0:
        return 0.0
    places, first = np.unique(x_n, return_index=True)
    collapsed_below = np.concatenate([[0], np.cumsum(collapsed_n)])[np.append(first, len(x_n))]
    healthy_above = (~collapsed_n).sum() - (np.append(first, len(x_n)) - collapsed_below)
    wrong = collapsed_below + healthy_above
    best = np.flatnonzero(wrong == wrong.min())
    chosen = int(best[len(best) // 2])
    if chosen == 0:
        return float(places[0]) - 0.5
    if chosen == len(places):
        return float(places[-1]) + 0.5
    return float(places[chosen - 1] + places[chosen]) / 2


def _has_run(x_n: Floats, is_wrong_n: Bools) -> bool:
    """Whether contradicting trials lie side by side, place by place in majority."""
    run = 0
    for place in np.unique(x_n):
        here = is_wrong_n[x_n == place]
        run = run + int(here.sum()) if 2 * here.sum() > len(here) else 0
        if run >= 2:
            return True
    return False
