"""Covariance of the threshold surface g over places.

    k(z, z') = offset + trend z.z' + per-category offsets + amplitude^2 c(z, z') m(|z - z'| / l)

with m Matern-5/2 (twice differentiable in the mean; a kink costs it little) and c = 1 for equal
categories, ``sharing`` for each axis on which they differ: separate surfaces at 0, one at 1.
The linear trend matters where trials are few: critical learning rates rise and fall over whole
axes. Coordinates are shares of an axis, g is in decades.

Shape legend: n, m = places, A = numeric axes, B = categorical axes, H = parameters.

References:
    Rasmussen & Williams, "Gaussian Processes for Machine Learning", 2006, chapters 2 and 4.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TREND_DECADES = 1.0  # prior sd of the rise over one whole axis
CATEGORY_DECADES = 0.6  # prior sd of a category's offset
SQRT5 = math.sqrt(5.0)


@dataclass(frozen=True, slots=True)
class Places:
    """Encoded places: coordinates (n, A) and category indices (n, B)."""

    units_nA: Floats
    words_nB: Ints

    def __len__(self) -> int:
        """Return n."""
        return len(self.units_nA)

    def take(self, index: Ints) -> "Places":
        """Return some of the places."""
        return Places(self.units_nA[index], self.words_nB[index])

    def and_then(self, others: "Places") -> "Places":
        """Return these places and then others."""
        return Places(
            np.vstack([self.units_nA, others.units_nA]),
            np.vstack([self.words_nB, others.words_nB]),
        )


@dataclass(frozen=True, slots=True)
class Kernel:
    """Parameters of the covariance.

    Attributes:
        offset: Prior sd of g's level, decades.
        amplitude: Prior sd of the hills, decades.
        lengths_A: Length of the hills, as a share of each axis.
        sharing: Correlation of the hills of two categories, 0 to 1.
    """

    offset: float
    amplitude: float
    lengths_A: tuple[float, ...]
    sharing: float

    def matrix(self, a: Places, b: Places) -> Floats:
        """Return the covariances (n, m) of two lists of places."""
        return self._plain(a, b) + self.hills(a, b)

    def diagonal(self, a: Places) -> Floats:
        """Return the variances (n,)."""
        trend = TREND_DECADES**2 * ((a.units_nA - 0.5) ** 2).sum(axis=1)
        fixed = self.offset**2 + CATEGORY_DECADES**2 * a.words_nB.shape[1] + self.amplitude**2
        total: Floats = trend + fixed
        return total

    def _plain(self, a: Places, b: Places) -> Floats:
        trend = TREND_DECADES**2 * (a.units_nA - 0.5) @ (b.units_nA - 0.5).T
        total: Floats = self.offset**2 + trend + CATEGORY_DECADES**2 * count_equal(a, b)
        return total

    def hills(self, a: Places, b: Places) -> Floats:
        """Return the hills' share of the covariances."""
        distance = self.distance(a, b)
        matern = (1 + SQRT5 * distance + 5 / 3 * distance**2) * np.exp(-SQRT5 * distance)
        different = a.words_nB.shape[1] - count_equal(a, b)
        total: Floats = self.amplitude**2 * self.sharing**different * matern
        return total

    def distance(self, a: Places, b: Places) -> Floats:
        """Return distances in lengths, shape (n, m)."""
        lengths = np.array(self.lengths_A)
        left, right = a.units_nA / lengths, b.units_nA / lengths
        squared = (left**2).sum(1)[:, None] + (right**2).sum(1)[None] - 2 * left @ right.T
        return np.asarray(np.sqrt(np.maximum(squared, 0.0)), dtype=np.float64)


def count_equal(a: Places, b: Places) -> Floats:
    """Return on how many categorical axes places agree, shape (n, m)."""
    equal = a.words_nB[:, None, :] == b.words_nB[None, :, :]
    return np.asarray(equal.sum(axis=2), dtype=np.float64)
