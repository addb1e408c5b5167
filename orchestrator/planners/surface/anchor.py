r"""What another study believed of the boundary, as pseudo-observations of the surface.

A prior is a Gaussian N(m, C) over g at a few places. It enters as readings of g there, with

    S = 4 C + 0.15^2 (1/2 + 1/2 s(z, z')) + 0.03^2 I     (square decades)

so it is tempered (its standard deviations doubled), and the new boundary may be another one: by
a level that all places share and by a smooth difference s, a Gaussian of half an axis's length
within one category, 0.15 decade together.

It is believed only while the trials do not speak against it. With the surface that the trials
alone make, the Bayes factor of "the prior holds" to "it says nothing" is how well that surface
predicts the pseudo-observations, relative to what is expected without any trial:

    BF = N(m; E[g | trials], Cov[g | trials] + S) / N(m; E[g], Cov[g] + S)

which is 1 without trials. The prior stands while log BF + log(0.7 / 0.3) is above 0 and is left
out altogether otherwise: every fit decides anew, by the trials alone. While it stands with
probability p, a share 1 - p of the trials is placed as if there were none.

Shape legend: P = places of the prior, n = places, M = features.

References:
    Kass & Raftery, "Bayes factors", JASA 90, 1995; Ibrahim & Chen, "Power prior distributions
    for regression models", Statistical Science 15, 2000 (tempering); Kennedy & O'Hagan,
    "Bayesian calibration of computer models", JRSS B 63, 2001 (the difference as a process).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from orchestrator.planners.surface.belief import Basis, Belief
from orchestrator.planners.surface.kernel import Places, count_equal
from orchestrator.planners.surface.sites import Hint

Floats = NDArray[np.float64]

TEMPERING = 4.0  # on the prior's variances
CHANGE_DECADES = 0.15  # how far the new boundary may be from the old one
SHARED = 0.5  # of the variance of that change: one level everywhere
CHANGE_LENGTH = 0.5  # of the rest, shares of an axis
OWN_DECADES = 0.03
LOG_ODDS = math.log(0.7 / 0.3)  # that a prior which was given holds


@dataclass(frozen=True, slots=True)
class Anchor:
    """Another study's posterior of g at encoded places.

    Attributes:
        places: Where, in the new study's coordinates.
        mean_P: log10 critical learning rates.
        covariance_PP: Square decades; neither tempered nor widened yet.
    """

    places: Places
    mean_P: Floats
    covariance_PP: Floats

    def loosened(self) -> Floats:
        """Return S (P, P): the covariance of the pseudo-observations."""
        units, words = self.places.units_nA, self.places.words_nB
        squares = ((units[:, None] - units[None]) ** 2).sum(axis=2)
        is_same = count_equal(self.places, self.places) == words.shape[1]
        smooth = np.exp(-0.5 * squares / CHANGE_LENGTH**2) * is_same
        change = CHANGE_DECADES**2 * (SHARED + (1 - SHARED) * smooth)
        own = OWN_DECADES**2 * np.eye(len(self.mean_P))
        total: Floats = TEMPERING * self.covariance_PP + change + own
        return total

    def hint(self, basis: Basis, mean: float) -> Hint:
        """Return what the pseudo-observations say of the weights of a basis.

        Args:
            basis: The surface's features.
            mean: Mean of the surface beforehand, log10.
        """
        features_PM = basis.features(self.places)
        noise = self.loosened() + np.diag(basis.left_over(self.places, features_PM))
        factor = cho_factor(noise, lower=True)
        return Hint(
            precision_MM=features_PM.T @ cho_solve(factor, features_PM),
            shift_M=features_PM.T @ cho_solve(factor, self.mean_P - mean),
        )

    def log_odds(self, alone: Belief) -> float:
        """Return log posterior odds that the prior holds, given what trials alone say."""
        noise = self.loosened()
        expected_P, _ = alone.at(self.places)
        before = alone.basis.kernel.matrix(self.places, self.places) + noise
        after = alone.covariance(self.places) + noise
        gained = _log_density(self.mean_P - expected_P, after)
        return LOG_ODDS + gained - _log_density(self.mean_P - alone.mean, before)


def _log_density(residual_P: Floats, covariance_PP: Floats) -> float:
    """Return log N(residual; 0, covariance) but for the constant."""
    factor = cho_factor(covariance_PP, lower=True)
    quadratic = float(residual_P @ cho_solve(factor, residual_P))
    return -0.5 * quadratic - float(np.log(np.diag(factor[0])).sum())
