"""What is believed of the surface: a Gaussian process summed up in weights of features.

Features come from a pivoted Cholesky factor of the covariance over the tried places: exact
while there are at most ``MAX_FEATURES`` that differ, and the best such approximation beyond, so
that thousands of trials cost no more than a few hundred places do.

Shape legend: n = places, M = features, R = replicates with an effect.

References:
    Harbrecht, Peters & Schneider, "On the low-rank approximation by the pivoted Cholesky
    decomposition", Applied Numerical Mathematics 62, 2012.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular

from orchestrator.planners.surface.kernel import Kernel, Places
from orchestrator.planners.surface.sites import Weights

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_FEATURES = 240
TOLERANCE = 1e-7  # square decades left unexplained
NUGGET = 1e-9


@dataclass(frozen=True, slots=True)
class Basis:
    """Places whose values determine the surface, and the covariance they have."""

    kernel: Kernel
    pivots: Places
    factor_MM: Floats

    @classmethod
    def choose(cls, kernel: Kernel, places: Places) -> "Basis":
        """Pick places one by one, each where the others leave most unexplained."""
        index = _pick(kernel, places)
        pivots = places.take(index)
        gram = kernel.matrix(pivots, pivots) + NUGGET * np.eye(len(index))
        return cls(kernel, pivots, cholesky(gram, lower=True) if len(index) else gram)

    def features(self, places: Places) -> Floats:
        """Return features (n, M) with covariance F F' over places."""
        if len(self.pivots) == 0:
            return np.zeros((len(places), 0))
        cross = self.kernel.matrix(self.pivots, places)
        found: Floats = solve_triangular(self.factor_MM, cross, lower=True).T
        return found

    def left_over(self, places: Places, features_nM: Floats) -> Floats:
        """Return the variances (n,) that the features do not explain."""
        rest = self.kernel.diagonal(places) - (features_nM**2).sum(axis=1)
        return np.asarray(np.maximum(rest, 0.0), dtype=np.float64)


def _pick(kernel: Kernel, places: Places) -> Ints:
    rest = kernel.diagonal(places).copy()
    rows: list[Floats] = []
    chosen: list[int] = []
    while len(chosen) < min(MAX_FEATURES, len(places)):
        best = int(np.argmax(rest))
        if rest[best] <= TOLERANCE:
            break
        row = kernel.matrix(places.take(np.array([best])), places)[0]
        for earlier in rows:
            row = row - earlier[best] * earlier
        row = row / np.sqrt(rest[best])
        rows.append(row)
        chosen.append(best)
        rest = rest - row**2
        rest[best] = 0.0
    return np.array(chosen, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Belief:
    """The posterior of the surface.

    Attributes:
        basis: The surface's features; replicate effects stand after them in ``weights``.
        weights: Their posterior.
        mean: Mean of the surface beforehand, log10.
    """

    basis: Basis
    weights: Weights
    mean: float

    def at(self, places: Places) -> tuple[Floats, Floats]:
        """Return mean (log10) and variance of g at places, each (n,)."""
        features = self.basis.features(places)
        m = features.shape[1]
        mean = self.mean + features @ self.weights.mean_M[:m]
        covariance = self.weights.covariance_MM[:m, :m]
        spread = np.einsum("nm,nm->n", features @ covariance, features)
        return mean, spread + self.basis.left_over(places, features)

    def covariance(self, places: Places) -> Floats:
        """Return the covariances (n, n) of g over places."""
        features = self.basis.features(places)
        m = features.shape[1]
        prior = self.basis.kernel.matrix(places, places)
        shrink = np.eye(m) - self.weights.covariance_MM[:m, :m]
        total: Floats = prior - features @ shrink @ features.T
        return total
