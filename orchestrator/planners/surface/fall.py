r"""The shape of a score's fall: how many decades lie between a score and the threshold.

With y = log(score / level), the distance is d = phi(y): zero at zero, and falling. Its slope
|d phi / d y| is given at nodes of y and linear between them, so phi is a quadratic spline and
every distance is a sum over nodes of a length (known from y) times a slope (to be fitted). One
node is the threshold itself: were the slope free to jump there, an error in the slope of one
side would move all readings of that side alike, however many they are.

Shape legend: n = scores, K = nodes of y: the threshold, then the healthy side's outwards, then
the collapsed side's outwards; S = sides: healthy, collapsed; J = nodes of one side.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HEALTHY_NODES = (0.07, 0.17, 0.32, 0.55)  # of the healthy side's extent
COLLAPSED_NODES = (0.15, 0.35, 0.6, 0.8)  # of the collapsed side's: it saturates later
OUTWARDS = (np.array([0, 1, 2, 3, 4]), np.array([0, 5, 6, 7, 8]))
"""The nodes of the healthy side and of the collapsed side; they share the threshold."""
NODES = 1 + len(HEALTHY_NODES) + len(COLLAPSED_NODES)
TABULATED = 33  # scores of a side at which distances are tabulated, to be inverted


@dataclass(frozen=True, slots=True)
class Fall:
    """Where slopes are given.

    Attributes:
        sizes_K: Absolute values of y at the nodes.
    """

    sizes_K: Floats

    @classmethod
    def over(cls, healthy: float, collapsed: float) -> "Fall":
        """Place nodes over the extents of absolute y on the two sides."""
        outer = (healthy * np.array(HEALTHY_NODES), collapsed * np.array(COLLAPSED_NODES))
        return cls(np.concatenate([[0.0], *outer]))

    @property
    def ends(self) -> tuple[float, float]:
        """Absolute y of the last node: healthy side, collapsed side."""
        return float(self.sizes_K[OUTWARDS[0][-1]]), float(self.sizes_K[OUTWARDS[1][-1]])

    def shares(self, size_n: Floats, side: int) -> Floats:
        """Return how much each node counts in the slope (n, K) at absolute y on a side."""
        nodes = OUTWARDS[side]
        shares_nK = np.zeros((len(size_n), NODES))
        steps_nJ = np.abs(self._along(size_n, side)[:, None] - np.arange(len(nodes)))
        shares_nK[:, nodes] = np.maximum(1 - steps_nJ, 0.0)
        return shares_nK

    def lengths(self, size_n: Floats, side: int) -> Floats:
        """Return the integrals (n, K) of ``shares`` from the threshold to absolute y."""
        nodes = OUTWARDS[side]
        widths = np.diff(self.sizes_K[nodes])
        walked = np.clip(self._along(size_n, side)[:, None] - np.arange(len(widths)), 0.0, 1.0)
        lengths_nK = np.zeros((len(size_n), NODES))
        lengths_nK[:, nodes[:-1]] = widths * (walked - walked**2 / 2)
        lengths_nK[:, nodes[1:]] += widths * walked**2 / 2
        return lengths_nK

    def reach(self) -> Floats:
        """Return the lengths (S, K) from the threshold to the last node of each side."""
        return np.vstack([self.lengths(np.array([end]), i) for i, end in enumerate(self.ends)])

    def sizes_at(self, distance_n: Floats, side: int, log_slopes_K: Floats) -> Floats:
        """Return the absolute y (n,) that lie so many decades away, at most the last node's."""
        sizes = np.linspace(0.0, self.ends[side], TABULATED)
        return np.interp(distance_n, self.lengths(sizes, side) @ np.exp(log_slopes_K), sizes)

    def _along(self, size_n: Floats, side: int) -> Floats:
        """Return where scores lie, counted in nodes of a side: 0 at the threshold."""
        nodes = OUTWARDS[side]
        return np.interp(size_n, self.sizes_K[nodes], np.arange(len(nodes), dtype=np.float64))
