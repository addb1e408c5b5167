r"""How far a trial is from its threshold, read off its score.

A score is y = log(score / level): 0 at the threshold by definition, falling with the learning
rate. Near the threshold y says how far away it is, d = phi(y) decades above it; far from it y
is flat and says only "farther than this". Nothing is assumed about the shape of the fall but
that it is smooth (``surface.fall``): it is fitted with the surface.

A trial is one of three readings: near (phi(y) within a noise that grows with |phi(y)|), or
above or below its threshold by at least a margin. Divergence, and a label that contradicts the
score, say only on which side.

Shape legend: n = trials, K = nodes of y.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.planners.surface.fall import Fall

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

HALF_TRUSTED = 6.0  # near trials at which half of a side's reach is believed
LEAST_EXTENT = 0.05  # of y; less is noise, not a fall


@dataclass(frozen=True, slots=True)
class Scores:
    """What trials reported.

    Attributes:
        y_n: log(score / level); -inf or anything for censored ones.
        is_collapsed_n: Their labels.
        fall: Where slopes are given.
        lengths_nK: What each node's slope contributes to a trial's distance; 0 where not near.
        shares_nK: How much each node counts in the slope at y.
        is_near_n: Whether y lies within the nodes: near the threshold.
    """

    y_n: Floats
    is_collapsed_n: Bools
    fall: Fall
    lengths_nK: Floats
    shares_nK: Floats
    is_near_n: Bools

    @classmethod
    def read(cls, y_n: Floats, is_collapsed_n: Bools) -> "Scores":
        """Choose nodes from the scores seen, and measure the scores by them."""
        agrees = np.isfinite(y_n) & (is_collapsed_n == (y_n < 0))
        fall = Fall.over(
            _extent(y_n[agrees & ~is_collapsed_n]), _extent(-y_n[agrees & is_collapsed_n])
        )
        size_n = np.abs(np.where(agrees, y_n, 0.0))
        is_below_n = agrees & (y_n < 0)
        is_near_n = agrees & (size_n <= np.where(is_below_n, fall.ends[1], fall.ends[0]))
        is_below_n1 = is_below_n[:, None]
        lengths_nK = np.where(is_below_n1, fall.lengths(size_n, 1), fall.lengths(size_n, 0))
        return cls(
            y_n=y_n,
            is_collapsed_n=is_collapsed_n,
            fall=fall,
            lengths_nK=np.where(is_near_n[:, None], lengths_nK, 0.0),
            shares_nK=np.where(is_below_n1, fall.shares(size_n, 1), fall.shares(size_n, 0)),
            is_near_n=is_near_n,
        )

    def take(self, index: Ints) -> "Scores":
        """Return some of the trials, measured by the same nodes."""
        return Scores(
            y_n=self.y_n[index],
            is_collapsed_n=self.is_collapsed_n[index],
            fall=self.fall,
            lengths_nK=self.lengths_nK[index],
            shares_nK=self.shares_nK[index],
            is_near_n=self.is_near_n[index],
        )

    def distances(self, log_slopes_K: Floats) -> Floats:
        """Return phi(y), decades above the threshold, shape (n,); 0 where not near."""
        sign_n = np.where(self.y_n < 0, 1.0, -1.0)
        return np.asarray(sign_n * (self.lengths_nK @ np.exp(log_slopes_K)), dtype=np.float64)

    def slopes(self, log_slopes_K: Floats) -> Floats:
        """Return |d phi / d y|, decades per unit of y, shape (n,)."""
        return np.asarray(self.shares_nK @ np.exp(log_slopes_K), dtype=np.float64)

    def margins(self, log_slopes_K: Floats) -> tuple[float, float]:
        """Return how far beyond the last nodes trials are: healthy, collapsed; decades."""
        healthy, collapsed = self.fall.reach() @ np.exp(log_slopes_K)
        return float(healthy), float(collapsed)

    def trust(self) -> tuple[float, float]:
        """Return how well the reach of each side is known, 0 to 1, by its number of trials."""
        collapsed = int((self.is_near_n & (self.y_n < 0)).sum())
        healthy = int(self.is_near_n.sum()) - collapsed
        return healthy / (healthy + HALF_TRUSTED), collapsed / (collapsed + HALF_TRUSTED)

    def is_beyond(self) -> Bools:
        """Whether a score lies outside the nodes and agrees with its label."""
        agrees = np.isfinite(self.y_n) & (self.is_collapsed_n == (self.y_n < 0))
        return np.asarray(agrees & ~self.is_near_n, dtype=bool)


def _extent(values: Floats) -> float:
    """Return the second largest value of one side: one odd score stretches nothing."""
    if len(values) == 0:
        return LEAST_EXTENT
    return max(float(np.sort(values)[-2:][0]), LEAST_EXTENT)
