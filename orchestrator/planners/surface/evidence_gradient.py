"""How well parameters explain the trials: log evidence given Gaussian sites, with its gradient.

Near readings enter with their parameters (slopes, noises); readings that say only on which
side stand as the Gaussian sites that expectation propagation made of them.

    log N(r; 0, A) + sum log |d phi / d y|,   A = K + replicates + seed noise + readings

The last term is the density of the score itself: without it, flat slopes would explain all.

Shape legend: n = readings used, P = parameters, A = numeric axes, K = nodes of the score.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import ndtr

from orchestrator.planners.surface.kernel import Places, count_equal
from orchestrator.planners.surface.link import Scores
from orchestrator.planners.surface.parameters import Layout
from orchestrator.planners.surface.readings import Away, near_variances

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Used:
    """The readings that the parameters are fitted to.

    Attributes:
        places: Where they were taken.
        x_n: log10 learning rates relative to the mean of g; of side sites: their means.
        scores: Their scores.
        fit_n: Probability of no lapse; near readings count by it.
        away: Believed distance from the threshold, decades.
        side_variance_n: Variance of side sites; ignored where near.
        threshold_n: Which threshold each met.
        factor_n: Factor on the seeds' variance there.
        replicate_n: Which replicate.
    """

    places: Places
    x_n: Floats
    scores: Scores
    fit_n: Floats
    away: Away
    side_variance_n: Floats
    threshold_n: Ints
    factor_n: Floats
    replicate_n: Ints


@dataclass(frozen=True, slots=True)
class Beyond:
    """Trials whose scores lie beyond the nodes: they bound how far the nodes can reach.

    Attributes:
        is_collapsed_n: Which side they are on.
        away_n: Distance from the threshold that all other trials believe in, unsigned: how far
            the trial lies on the side that its label says.
        variance_n: Variance of that but for the seed noise, square decades.
        factor_n: Factor on the seeds' variance at the trials.
        reach_SK: What each node contributes to the reach of the healthy, the collapsed side.
        lapse: Probability of a lapse.
    """

    is_collapsed_n: NDArray[np.bool_]
    away_n: Floats
    variance_n: Floats
    factor_n: Floats
    reach_SK: Floats
    lapse: float

    def loss(self, log_slopes_K: Floats, seed_variance: float) -> tuple[float, Floats, float]:
        """Return the negative log probability, its gradient (K,), and that by log seed noise."""
        reach_nK = self.reach_SK[self.is_collapsed_n.astype(np.int64)] * np.exp(log_slopes_K)
        seed_n = seed_variance * self.factor_n
        spread_n = np.sqrt(self.variance_n + seed_n)
        t_n = (self.away_n - reach_nK.sum(axis=1)) / spread_n
        total_n = self.lapse / 2 + (1 - self.lapse) * ndtr(t_n)
        density_n = (1 - self.lapse) * np.exp(-0.5 * t_n**2) / np.sqrt(2 * np.pi)
        pushed_n = density_n / total_n
        by_reach_K = (pushed_n / spread_n) @ reach_nK
        by_noise = float((pushed_n * t_n * seed_n / spread_n**2).sum())
        return -float(np.log(total_n).sum()), by_reach_K, by_noise


class Objective:
    """Negative log posterior of the parameters."""

    def __init__(self, used: Used, beyond: Beyond, layout: Layout) -> None:
        self._used = used
        self._beyond = beyond
        self._layout = layout
        same_replicate = used.replicate_n[:, None] == used.replicate_n[None]
        self._same_replicate = same_replicate.astype(np.float64)
        same_threshold = used.threshold_n[:, None] == used.threshold_n[None]
        self._same_threshold = same_threshold * used.factor_n
        units = used.places.units_nA
        self._squares = [(units[:, None, j] - units[None, :, j]) ** 2 for j in range(layout.axes)]
        equal = count_equal(used.places, used.places)
        self._different = used.places.words_nB.shape[1] - equal

    def __call__(self, vector: Floats) -> tuple[float, Floats]:
        """Return the value and its gradient (P,)."""
        layout, used = self._layout, self._used
        kernel, link = layout.kernel(vector), layout.link(vector)
        near_n = used.scores.is_near_n
        phi_n = used.scores.distances(link.log_slopes_K) * near_n
        variance_n = near_variances(link, used.away) / used.fit_n
        noise_n = np.where(near_n, variance_n, used.side_variance_n)
        hills = kernel.hills(used.places, used.places)
        plain = kernel.matrix(used.places, used.places) - hills
        seed, replicate = layout.seed_noise(vector) ** 2, layout.replicate_noise(vector) ** 2
        covariance = hills + plain + seed * self._same_threshold + replicate * self._same_replicate
        factor = cho_factor(covariance + np.diag(noise_n), lower=True)
        residual = used.x_n - phi_n
        alpha = cho_solve(factor, residual)
        value = 0.5 * float(residual @ alpha) + float(np.log(np.diag(factor[0])).sum())
        slope_n = used.scores.slopes(link.log_slopes_K)
        value -= float((used.fit_n * np.log(slope_n))[near_n].sum())
        # d value / d covariance, symmetric: half of inverse minus outer product.
        pull = 0.5 * (cho_solve(factor, np.eye(len(alpha))) - np.outer(alpha, alpha))
        gradient = np.zeros(layout.size)
        self._add_kernel(gradient, pull, vector, hills)
        gradient[layout.SEED] = 2 * seed * float((pull * self._same_threshold).sum())
        gradient[layout.REPLICATE] = 2 * replicate * float((pull * self._same_replicate).sum())
        self._add_link(gradient, np.diag(pull), alpha, vector)
        loss, by_reach_K, by_noise = self._beyond.loss(link.log_slopes_K, seed)
        value += loss
        gradient[layout.SLOPES] += by_reach_K
        gradient[layout.SEED] += by_noise
        mean, precision = layout.prior
        away = vector - mean
        return value + 0.5 * float(away @ precision @ away), gradient + precision @ away

    def _add_kernel(self, gradient: Floats, pull: Floats, vector: Floats, hills: Floats) -> None:
        layout = self._layout
        kernel = layout.kernel(vector)
        gradient[layout.AMPLITUDE] = 2 * float((pull * hills).sum())
        if layout.has_words:
            slope = self._different * hills * (1 - kernel.sharing)
            gradient[layout.SHARING] = float((pull * slope).sum())
        distance = kernel.distance(self._used.places, self._used.places)
        root5 = np.sqrt(5.0)
        common = 5 / 3 * (1 + root5 * distance) * np.exp(-root5 * distance)
        weighted = pull * common * kernel.amplitude**2 * kernel.sharing**self._different
        for j, squares in enumerate(self._squares):
            scale = kernel.lengths_A[j] ** -2
            gradient[layout.lengths.start + j] = float((weighted * squares).sum()) * scale

    def _add_link(self, gradient: Floats, pull_n: Floats, alpha: Floats, vector: Floats) -> None:
        layout, scores = self._layout, self._used.scores
        link = layout.link(vector)
        near_n, fit_n = scores.is_near_n, self._used.fit_n
        away = self._used.away
        slopes_K = np.exp(link.log_slopes_K)
        slope_n, expected_slope_n = scores.shares_nK @ slopes_K, away.shares_nK @ slopes_K
        noise_n = (link.score_noise * expected_slope_n) ** 2
        pulled_n = np.where(near_n, pull_n / fit_n, 0.0)
        gradient[layout.SCORE] = 2 * float(pulled_n @ noise_n)
        doubt_n = np.array(link.doubts)[away.side_n]
        doubted_n = 2 * pulled_n * (doubt_n * away.decades_n) ** 2
        gradient[layout.DOUBTS] = np.bincount(away.side_n, doubted_n, 2)
        sign_n = np.where(scores.y_n < 0, 1.0, -1.0)
        by_slope_K = np.where(near_n, -alpha * sign_n, 0.0) @ scores.lengths_nK
        by_slope_K -= np.where(near_n, fit_n / slope_n, 0.0) @ scores.shares_nK
        by_slope_K += (2 * pulled_n * noise_n / expected_slope_n) @ away.shares_nK
        gradient[layout.SLOPES] = by_slope_K * slopes_K
