"""Where one replicate's threshold lies, by its own trials, and where to look next.

Every position is log10 of a learning rate.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.planners.monotone import best_cut

# Bisection first; off-centre only when the middle is taken by a trial that went missing.
FRACTIONS = (0.5, 0.382, 0.618)


@dataclass(frozen=True, slots=True)
class Bracket:
    """The neighbours of the best single step; None where the trials do not reach that far."""

    healthy: float | None
    collapsed: float | None

    @property
    def width(self) -> float:
        """Decades between the two; infinite while one of them is unknown."""
        if self.healthy is None or self.collapsed is None:
            return math.inf
        return self.collapsed - self.healthy

    def inner(self) -> list[float]:
        """Return positions that narrow a closed bracket, best first."""
        assert self.healthy is not None
        return [self.healthy + fraction * self.width for fraction in FRACTIONS]


def find_bracket(positions: Sequence[float], is_collapsed: Sequence[bool]) -> Bracket:
    """Return the bracket of one replicate's trials, in any order.

    The step with the fewest contradicted labels, so that one lapse far away moves nothing.
    """
    order = sorted(zip(positions, is_collapsed, strict=True))
    x_n = np.array([x for x, _ in order], dtype=np.float64)
    cut = best_cut(x_n, np.array([c for _, c in order], dtype=bool))
    below, above = x_n[x_n < cut], x_n[x_n > cut]
    return Bracket(
        healthy=float(below[-1]) if len(below) else None,
        collapsed=float(above[0]) if len(above) else None,
    )


def reach_out(positions: Sequence[float], bracket: Bracket, low: float, high: float) -> float:
    """Return the next position beyond an open bracket: the span tried so far, doubled.

    ``low`` and ``high`` bound it; a result that was tried already means there is no further.
    """
    span = max(max(positions) - min(positions), 0.1)
    if bracket.collapsed is None:
        return min(max(positions) + span, high)
    return max(min(positions) - span, low)
