"""Rivals that bisect slice by slice, cold or warm-started, as a careful user would script it.

Cold: every slice of a lattice is bisected from the whole range. Warm: slices are visited in
order, and each starts around what its neighbours found, widening until it holds a crossing.
Bisections stop at a sixteenth of a decade; then the purse goes into further rounds that bisect
again, with new seeds, within a quarter of a decade around what was found.
"""

import numpy as np

from tests.benchmarks.rivals.lab import DECADES, Floats, Lab, lattice

FINEST = 1 / 16 / DECADES
AGAIN = 0.25 / DECADES  # half the width of the window of a repetition
WARM = 0.25 / DECADES
COLD_TRIALS = 7  # two ends and five or so halvings
WARM_TRIALS = 5


def run_cold(lab: Lab) -> None:
    """Bisect every slice of a lattice from the whole range, then again nearby."""
    slices = lattice(lab.cell, _values(lab, COLD_TRIALS))
    windows = [(0.0, 1.0) for _ in slices]
    while True:
        windows = _bisect_all(lab, slices, windows)
        windows = [_around((low + high) / 2, AGAIN) for low, high in windows]


def run_warm(lab: Lab) -> None:
    """Bisect every slice of a finer lattice, from around its neighbour's boundary."""
    slices = lattice(lab.cell, _values(lab, WARM_TRIALS))
    found: list[float] = []
    for i, row in enumerate(slices):
        if i == 0:
            low, high = _bisect(lab, row, 0.0, 1.0)
        else:
            start = found[int(np.argmin(np.abs(slices[:i] - row).sum(axis=1)))]
            low, high = _bisect(lab, row, *_widen(lab, row, start))
        found.append((low + high) / 2)
    while True:
        windows = [_around(middle, AGAIN) for middle in found]
        found = [(low + high) / 2 for low, high in _bisect_all(lab, slices, windows)]


def _values(lab: Lab, trials_a_slice: int) -> int:
    """Return the values a numeric axis that the budget can bisect once."""
    if lab.cell.axes == 0:
        return 1
    kinds = 2 if lab.cell.has_categories else 1
    wanted: float = (lab.budget / (trials_a_slice * kinds)) ** (1 / lab.cell.axes)
    return max(round(wanted), 2)


def _bisect_all(
    lab: Lab, slices: Floats, windows: list[tuple[float, float]]
) -> list[tuple[float, float]]:
    """Halve every slice's window in turns, so that an empty purse leaves them equally wide."""
    while any(high - low > FINEST for low, high in windows):
        for i, row in enumerate(slices):
            if windows[i][1] - windows[i][0] > FINEST:
                windows[i] = _halve(lab, row, *windows[i])
    return windows


def _bisect(lab: Lab, row: Floats, low: float, high: float) -> tuple[float, float]:
    while high - low > FINEST:
        low, high = _halve(lab, row, low, high)
    return low, high


def _halve(lab: Lab, row: Floats, low: float, high: float) -> tuple[float, float]:
    middle = (low + high) / 2
    is_collapsed = lab.run([middle, *row]).finding.is_collapsed
    return (low, middle) if is_collapsed else (middle, high)


def _widen(lab: Lab, row: Floats, start: float) -> tuple[float, float]:
    """Return a window that holds the crossing: a step from the start, doubled until it does."""
    is_above = lab.run([start, *row]).finding.is_collapsed
    edge, step = start, WARM
    while 0.0 < edge < 1.0:
        before, edge = edge, min(max(edge - step if is_above else edge + step, 0.0), 1.0)
        if lab.run([edge, *row]).finding.is_collapsed is not is_above:
            return min(before, edge), max(before, edge)
        step *= 2
    return (0.0, start) if is_above else (start, 1.0)


def _around(middle: float, half: float) -> tuple[float, float]:
    return max(middle - half, 0.0), min(middle + half, 1.0)
