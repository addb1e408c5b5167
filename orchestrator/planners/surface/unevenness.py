r"""How far the luck of seeds differs from place to place.

The seed noise at a place z is sigma exp(q(z)). The thresholds met around z tell of q(z): each
lies r off the surface that all others make, r ~ N(0, sigma^2 exp(2 q) + o), where o is what its
reading and that surface add. Thresholds count by a kernel (a local likelihood), and beforehand
q(z) ~ N(0, tau^2), on a grid. Whether seeds differ at all is for the trials to say: tau is 0 or
one of a few sizes, weighed by how well each threshold's distance is predicted by the others'.

With one noise for all places, the bands of quiet places are too wide and those of wild places
too narrow, and trials of wild places count too much for their neighbours.

Shape legend: T = thresholds, n = places, Q = grid of q, S = sizes of tau.

References:
    Tibshirani & Hastie, "Local likelihood estimation", JASA 82, 1987; Yao, Vehtari, Simpson &
    Gelman, "Using stacking to average Bayesian predictive distributions", Bayesian Analysis 13,
    2018 (section 2: weights by leave-one-out predictive densities, "pseudo-BMA").
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp, softmax

from orchestrator.planners.surface.kernel import Places, count_equal

Floats = NDArray[np.float64]

LOG_FACTORS_Q = np.linspace(-2.0, 2.0, 17)
VARIANCE_FACTORS_Q = np.exp(2 * LOG_FACTORS_Q)
TAUS = (0.0, 0.4, 0.8)  # the first: seeds differ alike everywhere
BELIEVED = (0.6, 0.2, 0.2)  # probability of each before any trial
LENGTH = 0.25  # of the kernel, shares of an axis
OTHER_WORD = 0.1  # what a threshold counts for another category


@dataclass(frozen=True, slots=True)
class Unevenness:
    """What is known of q.

    Attributes:
        places_T: Where thresholds were met.
        log_likelihood_TQ: What each says of q where it is.
        weight_S: Probability of each size of tau.
    """

    places_T: Places
    log_likelihood_TQ: Floats
    weight_S: Floats

    @classmethod
    def none(cls, places: Places) -> "Unevenness":
        """Return that seeds differ alike everywhere; ``places`` gives the axes."""
        nothing = places.take(np.zeros(0, dtype=np.int64))
        return cls(nothing, np.zeros((0, len(LOG_FACTORS_Q))), np.eye(len(TAUS))[0])

    @classmethod
    def learn(
        cls, places_T: Places, off_T: Floats, other_T: Floats, seed_variance: float
    ) -> "Unevenness":
        """Weigh what thresholds say.

        Args:
            places_T: Where they were met.
            off_T: How far each lies off the surface that all others make, decades.
            other_T: Variance of that but for the seed's luck, square decades.
            seed_variance: sigma^2, square decades, above 0.
        """
        variance_TQ = seed_variance * VARIANCE_FACTORS_Q + other_T[:, None]
        log_likelihood_TQ = -0.5 * (off_T[:, None] ** 2 / variance_TQ + np.log(variance_TQ))
        others_TT = _closeness(places_T, places_T)
        np.fill_diagonal(others_TT, 0.0)
        said_TQ = others_TT @ log_likelihood_TQ
        log_weight_S = np.log(BELIEVED) + [
            logsumexp(log_likelihood_TQ + _believe(said_TQ, tau), axis=1).sum() for tau in TAUS
        ]
        return cls(places_T, log_likelihood_TQ, softmax(log_weight_S))

    def factors(self, places: Places) -> Floats:
        """Return E exp(2 q) at places (n,): factors on the variance of seeds."""
        said_nQ = _closeness(places, self.places_T) @ self.log_likelihood_TQ
        factor_Sn = [np.exp(_believe(said_nQ, tau)) @ VARIANCE_FACTORS_Q for tau in TAUS]
        return np.asarray(self.weight_S @ factor_Sn, dtype=np.float64)


def _believe(said_nQ: Floats, tau: float) -> Floats:
    """Return the posterior's log probabilities of q on its grid (n, Q)."""
    if tau == 0.0:
        return np.tile(np.where(LOG_FACTORS_Q == 0.0, 0.0, -np.inf), (len(said_nQ), 1))
    return np.asarray(log_softmax(said_nQ - 0.5 * (LOG_FACTORS_Q / tau) ** 2, axis=1))


def _closeness(places: Places, others: Places) -> Floats:
    """Return how much others count for places (n, T)."""
    squares = ((places.units_nA[:, None] - others.units_nA[None]) ** 2).sum(axis=2)
    different = places.words_nB.shape[1] - count_equal(places, others)
    return np.asarray(np.exp(-0.5 * squares / LENGTH**2) * OTHER_WORD**different)
