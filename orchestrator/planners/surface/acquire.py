"""Which trials to run next: where the boundary's variance over all places falls most per cost.

Greedy over a batch. A trial at place z is counted as a Gaussian reading of g(z), with the seed
noise and what a score there can be expected to say; the covariance is updated as if it were
told, so that a batch spreads and pending trials count. The learning rate is the predicted
median, spread over the quantiles of what is still uncertain.

Shape legend: C = candidate places, R = reference places (of all C, the first R).

References:
    Bryan et al., "Active learning for identifying function threshold boundaries", NeurIPS 2005
    (straddle); Chevalier et al., Technometrics 56, 2014 (integrated variance of a level set).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

GOLDEN = 0.6180339887498949
LEAST_READING = 0.02  # decades: what a near reading is worth at best
EXHAUSTED = 3.0  # seed variances that each trial beyond the replicates adds to its noise
EDGE_SOFTNESS = 0.05  # decades


@dataclass(frozen=True, slots=True)
class Worth:
    """What a trial can say.

    Attributes:
        seed_noise_C: Standard deviation of thresholds over seeds at the candidates, decades.
        reach: (healthy, collapsed) decades around the threshold within which a score is near.
        reading: Standard deviation of a near reading, decades.
    """

    seed_noise_C: Floats
    reach: tuple[float, float]
    reading: float

    def noise(self, variance: Floats) -> Floats:
        """Return the variances (C,) of expected readings of g where g has these variances."""
        spread = np.sqrt(variance + self.seed_noise_C**2)
        near = ndtr(self.reach[0] / spread) - ndtr(-self.reach[1] / spread)
        precision = near / max(self.reading, LEAST_READING) ** 2 + (1 - near) * 0.64 / spread**2
        total: Floats = self.seed_noise_C**2 + 1 / precision
        return total


class Rehearsal:
    """The covariance over candidate places as trials are imagined one by one."""

    def __init__(
        self,
        covariance_CC: Floats,
        references: int,
        worth: Worth,
        visits_C: Floats,
        replicates: int,
    ) -> None:
        self._covariance = covariance_CC.copy()
        self._visits = visits_C.copy()
        self._replicates = replicates
        self._references = references
        self._worth = worth

    def variances(self) -> Floats:
        """Variances of g at the candidates."""
        return np.maximum(np.diag(self._covariance), 1e-12)

    def imagine(self, candidate: int) -> None:
        """Count a trial at a candidate as told."""
        column = self._covariance[:, candidate]
        noise = float(self._noises()[candidate])
        self._covariance = self._covariance - np.outer(column, column) / (
            max(column[candidate], 0.0) + noise
        )
        self._visits[candidate] += 1

    def _noises(self) -> Floats:
        """Return the variance of the next reading at each candidate.

        A place has as many seeds as the study has replicates. Once each has shown where its
        threshold lies, asking them again says little more of the median over seeds.
        """
        again = np.maximum(self._visits - self._replicates + 1, 0.0)
        own = EXHAUSTED * self._worth.seed_noise_C**2 * again
        total: Floats = self._worth.noise(self.variances()) + own
        return total

    def gains(self, relevance_R: Floats) -> Floats:
        """Return how much a trial at each candidate reduces the references' mean variance."""
        squares = self._covariance[: self._references] ** 2
        total = self.variances() + self._noises()
        gain: Floats = relevance_R @ squares / total
        return gain


def pick_places(rehearsal: Rehearsal, count: int, relevance_R: Floats) -> list[int]:
    """Return ``count`` candidates, best first; one may come several times."""
    picked: list[int] = []
    for _ in range(count):
        picked.append(int(np.argmax(rehearsal.gains(relevance_R))))
        rehearsal.imagine(picked[-1])
    return picked


def relevance(mean_R: Floats, variance_R: Floats, low: float, high: float) -> Floats:
    """Return the probability that the boundary lies in the range at all, summing to 1."""
    spread = np.sqrt(variance_R + EDGE_SOFTNESS**2)
    inside = ndtr((high - mean_R) / spread) - ndtr((low - mean_R) / spread)
    inside = np.maximum(inside, 1e-6)
    share: Floats = inside / inside.sum()
    return share


def spread_quantiles(count: int, start: int) -> Floats:
    """Return quantiles in (0.15, 0.85) that fill it evenly from any start."""
    shares = np.mod(0.5 + GOLDEN * np.arange(start, start + count), 1.0)
    return 0.15 + 0.7 * np.asarray(shares, dtype=np.float64)


def place_rates(
    mean: Sequence[float] | Floats,
    spread: Sequence[float] | Floats,
    start: int,
    low: float,
    high: float,
) -> list[float]:
    """Return log10 learning rates within the range, at spread quantiles of g's belief."""
    quantiles = spread_quantiles(len(mean), start)
    wanted = np.array(mean) + np.array(spread) * ndtri(quantiles)
    return [float(x) for x in np.clip(wanted, low, high)]
