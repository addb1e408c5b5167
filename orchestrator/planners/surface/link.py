r"""How far a trial is from its threshold, read off its score.

A score is y = log(score / level): 0 at the threshold by definition, falling with the learning
rate. Near the threshold y says how far away it is, d = phi(y) decades above it; far from it y
is flat and says only "farther than this". phi is piecewise linear, zero at zero and falling, so
nothing is assumed about the shape of the fall: a logarithmic slope in each bin of y, fitted with
the surface.

A trial is one of three readings: near (phi(y) within a noise that grows with |phi(y)|), or
above or below its threshold by at least a margin. Divergence, and a label that contradicts the
score, say only on which side.

Shape legend: n = trials, K = bins of y.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

HEALTHY_EDGES = (0.07, 0.17, 0.32, 0.55)  # of the healthy side's extent
COLLAPSED_EDGES = (0.15, 0.35, 0.6, 0.8)  # of the collapsed side's: it saturates later
HALF_TRUSTED = 6.0  # near trials at which half of a side's reach is believed
LEAST_EXTENT = 0.05  # of y; less is noise, not a fall
BINS = len(HEALTHY_EDGES) + len(COLLAPSED_EDGES)
SIDES = np.array([0] * len(HEALTHY_EDGES) + [1] * len(COLLAPSED_EDGES))


@dataclass(frozen=True, slots=True)
class Scores:
    """What trials reported.

    Attributes:
        y_n: log(score / level); -inf or anything for censored ones.
        is_collapsed_n: Their labels.
        edges_K: Bin edges of y: healthy ones ascending, then collapsed ones descending.
        lengths_nK: How much of each bin lies between 0 and y, absolute.
        is_near_n: Whether y is in a bin: near the threshold.
        bin_n: Which bin (0 where not near).
    """

    y_n: Floats
    is_collapsed_n: Bools
    edges_K: Floats
    lengths_nK: Floats
    is_near_n: Bools
    bin_n: NDArray[np.int64]

    @classmethod
    def read(cls, y_n: Floats, is_collapsed_n: Bools) -> "Scores":
        """Choose bins from the scores seen, and sort the scores into them."""
        finite = np.isfinite(y_n)
        agrees = finite & (is_collapsed_n == (y_n < 0))
        healthy = _extent(y_n[agrees & ~is_collapsed_n])
        collapsed = _extent(-y_n[agrees & is_collapsed_n])
        edges_K = np.concatenate(
            [healthy * np.array(HEALTHY_EDGES), -collapsed * np.array(COLLAPSED_EDGES)]
        )
        inner_K = np.concatenate([[0.0], edges_K[:3], [0.0], edges_K[4:7]])
        y = np.where(agrees, y_n, 0.0)
        along = np.sign(edges_K) * y[:, None]
        lengths_nK = np.clip(along, np.abs(inner_K), np.abs(edges_K)) - np.abs(inner_K)
        is_near = agrees & (y <= edges_K[3]) & (y >= edges_K[7])
        inside = (lengths_nK > 0).sum(axis=1)
        first = np.where(y < 0, len(HEALTHY_EDGES), 0)
        return cls(
            y_n=y_n,
            is_collapsed_n=is_collapsed_n,
            edges_K=edges_K,
            lengths_nK=np.where(is_near[:, None], lengths_nK, 0.0),
            is_near_n=is_near,
            bin_n=np.where(is_near, first + np.maximum(inside, 1) - 1, 0).astype(np.int64),
        )

    def bin_widths(self) -> Floats:
        """Widths of the bins in y."""
        inner_K = np.concatenate([[0.0], self.edges_K[:3], [0.0], self.edges_K[4:7]])
        return np.asarray(np.abs(self.edges_K - inner_K), dtype=np.float64)

    @property
    def extent(self) -> float:
        """Width of all bins together."""
        return float(self.bin_widths().sum())

    def distances(self, log_slopes_K: Floats) -> Floats:
        """Return phi(y), decades above the threshold, shape (n,); 0 where not near."""
        sign_n = np.where(self.y_n < 0, 1.0, -1.0)
        return np.asarray(sign_n * (self.lengths_nK @ np.exp(log_slopes_K)), dtype=np.float64)

    def margins(self, log_slopes_K: Floats) -> tuple[float, float]:
        """Return how far beyond the last bins trials are: healthy, collapsed; decades."""
        reach_K = self.bin_widths() * np.exp(log_slopes_K)
        return float(reach_K[SIDES == 0].sum()), float(reach_K[SIDES == 1].sum())

    def trust(self) -> tuple[float, float]:
        """Return how well the reach of each side is known, 0 to 1, by its number of trials."""
        seen = [int((self.is_near_n & (SIDES[self.bin_n] == side)).sum()) for side in (0, 1)]
        return seen[0] / (seen[0] + HALF_TRUSTED), seen[1] / (seen[1] + HALF_TRUSTED)

    def is_beyond(self) -> Bools:
        """Whether a score lies outside the bins and agrees with its label."""
        agrees = np.isfinite(self.y_n) & (self.is_collapsed_n == (self.y_n < 0))
        return np.asarray(agrees & ~self.is_near_n, dtype=bool)


def _extent(values: Floats) -> float:
    """Return the second largest value of one side: one odd score stretches nothing."""
    if len(values) == 0:
        return LEAST_EXTENT
    return max(float(np.sort(values)[-2:][0]), LEAST_EXTENT)
