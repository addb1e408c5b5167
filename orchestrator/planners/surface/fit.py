"""From trials to what is believed of the surface.

Sites and parameters in turn: expectation propagation given the parameters, then the parameters
that explain the sites best, a few times over from the same start. Nothing random, and trials are
sorted, so equal trials give equal bits in whatever order they were told.

Shape legend: n = trials, T = thresholds (one for each place and replicate).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from orchestrator.planners.surface.anchor import Anchor
from orchestrator.planners.surface.belief import Basis, Belief
from orchestrator.planners.surface.evidence_gradient import Beyond, Objective, Used
from orchestrator.planners.surface.kernel import Places
from orchestrator.planners.surface.link import Scores
from orchestrator.planners.surface.parameters import Layout
from orchestrator.planners.surface.readings import (
    JITTER_DECADES,
    MARGIN_DOUBT,
    Away,
    Readings,
)
from orchestrator.planners.surface.sites import Sites, propagate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROUNDS = 3
ITERATIONS = (40, 15, 8)
MAX_USED = 160
VAGUE_VARIANCE = 4.0  # square decades: a side site wider than this says nothing
LEAST_FIT = 0.5
LEAST_LAPSE, MOST_LAPSE = 0.01, 0.25
LAPSE_PRIOR = (0.8, 60.0)  # lapses among trials, before any is seen
REPLICATES_TOLD_APART = 8
KNOWN_DOUBT, DOUBTED_TRIALS, MOST_DOUBT = 1.25, 20.0, 1.75
LINK_ERROR = 0.1  # of the seed noise: what all trials get wrong alike, however many they are


@dataclass(frozen=True, slots=True)
class Trials:
    """Sorted trials: places, log10 learning rates, replicates, y = log(score / level), labels."""

    places: Places
    x_n: Floats
    replicate_n: Ints
    y_n: Floats
    is_collapsed_n: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return n."""
        return len(self.x_n)


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted surface.

    Attributes:
        belief: The surface.
        vector: Parameters; ``layout`` says which is which.
        layout: The parameters' layout.
        scores: The trials' scores, measured by nodes.
        sites: What each trial says.
        lapse: Estimated share of lapses.
        alone: What the trials alone say, where another study's posterior stands beside them.
        prior_share: Probability that that posterior holds; 0 without one.
    """

    belief: Belief
    vector: Floats
    layout: Layout
    scores: Scores
    sites: Sites
    lapse: float
    alone: Belief | None = None
    prior_share: float = 0.0

    @property
    def is_anchored(self) -> bool:
        """Whether another study's posterior was given and the trials let it stand."""
        return self.alone is not None

    @property
    def seed_noise(self) -> float:
        """Standard deviation of thresholds over seeds, decades."""
        own = self.layout.seed_noise(self.vector)
        return float(np.hypot(own, self.layout.replicate_noise(self.vector)))

    @property
    def doubt(self) -> float:
        """Factor on the surface's variance for parameters that are estimated, not known.

        Set so that the 95 % band covers the truth in 90 to 99 % of simulated worlds (seed
        noises of 0.02 to 0.2 decade, kinks, lapses; tests/orchestrator/planners).
        """
        speaking = float(self.sites.fit_n[1 / self.sites.precision_n < VAGUE_VARIANCE].sum())
        return KNOWN_DOUBT + min(DOUBTED_TRIALS / (speaking + 1.0), MOST_DOUBT)

    def spread(self, variance: Floats) -> Floats:
        """Return the standard deviation of g at places where its fitted variance is given.

        A wrong slope of the link moves every reading of a place one way, so a band does not
        shrink to nothing: of one slice with 192 trials and a seed noise of 0.2 decade the bands
        held the truth in 14 of 20 worlds without this part and hold it in 19 with it. Few trials
        hardly feel it.
        """
        total: Floats = np.sqrt(self.doubt * variance + (LINK_ERROR * self.seed_noise) ** 2)
        return total


def fit_surface(trials: Trials, low: float, high: float, anchor: Anchor | None = None) -> Fit:
    """Return the surface that trials speak for; without trials, what is believed beforehand.

    Args:
        trials: What was told.
        low: log10 of the lowest learning rate.
        high: log10 of the highest.
        anchor: Another study's posterior, taken as a prior unless the trials speak against it.
    """
    alone = _fit(trials, low, high, None)
    if anchor is None:
        return alone
    log_odds = anchor.log_odds(alone.belief)
    if log_odds <= 0:
        return alone
    share = float(expit(log_odds))
    return replace(_fit(trials, low, high, anchor), alone=alone.belief, prior_share=share)


def _fit(trials: Trials, low: float, high: float, anchor: Anchor | None) -> Fit:
    layout = _lay_out(trials, low, high)
    scores = Scores.read(trials.y_n, trials.is_collapsed_n)
    problem = _Problem(trials, layout, scores, (low + high) / 2, anchor)
    vector = layout.prior[0].copy()
    lapse = LAPSE_PRIOR[0] / LAPSE_PRIOR[1]
    belief, sites = problem.infer(vector, lapse, None)
    for iterations in ITERATIONS[: ROUNDS if len(trials) else 0]:
        vector = problem.improve(vector, sites, lapse, iterations)
        lapses = LAPSE_PRIOR[0] + float((1 - sites.fit_n).sum())
        lapse = min(lapses / (LAPSE_PRIOR[1] + len(trials)), MOST_LAPSE)
        belief, sites = problem.infer(vector, lapse, sites)
    return Fit(belief, vector, layout, scores, sites, lapse)


def _lay_out(trials: Trials, low: float, high: float) -> Layout:
    told_apart = len(np.unique(trials.replicate_n))
    return Layout(
        axes=trials.places.units_nA.shape[1],
        has_words=trials.places.words_nB.shape[1] > 0,
        has_replicates=1 < told_apart <= REPLICATES_TOLD_APART,
        offset=0.35 * (high - low) + 0.3,
    )


class _Problem:
    """One set of trials, with everything that does not depend on parameters."""

    def __init__(
        self,
        trials: Trials,
        layout: Layout,
        scores: Scores,
        mean: float,
        anchor: Anchor | None = None,
    ) -> None:
        self._trials = trials
        self._layout = layout
        self._scores = scores
        self._mean = mean
        self._anchor = anchor
        self._first_T, self._threshold_n = _number_thresholds(trials)

    def infer(self, vector: Floats, lapse: float, before: Sites | None) -> tuple[Belief, Sites]:
        """Return the surface and the sites under given parameters."""
        layout, trials = self._layout, self._trials
        readings = Readings.of(
            trials.x_n - self._mean, self._scores, layout.link(vector), self.away(vector, before)
        )
        places_T = trials.places.take(self._first_T)
        anchor = self._anchor
        known = places_T if anchor is None else anchor.places.and_then(places_T)
        basis = Basis.choose(layout.kernel(vector), known)
        features = basis.features(places_T)
        nugget_T = layout.seed_noise(vector) ** 2 + basis.left_over(places_T, features)
        effects = self._replicate_features(layout.replicate_noise(vector))
        sites, weights = propagate(
            readings,
            lapse,
            np.hstack([features, effects]),
            nugget_T,
            self._threshold_n,
            None if anchor is None else anchor.hint(basis, self._mean),
        )
        return Belief(basis, weights, self._mean), sites

    def away(self, vector: Floats, sites: Sites | None) -> Away:
        """Return how far trials lie above their thresholds, by all others or, first, by score."""
        slopes = self._layout.link(vector).log_slopes_K
        if sites is None:
            return Away.of(self._scores.distances(slopes), self._scores, slopes)
        return Away.of(self._trials.x_n - self._mean - sites.cavity_mean_n, self._scores, slopes)

    def improve(self, vector: Floats, sites: Sites, lapse: float, iterations: int) -> Floats:
        """Return parameters that explain the sites better."""
        used = self.use(vector, sites)
        if len(used.x_n) == 0:
            return vector
        objective = Objective(used, self.beyond(vector, sites, lapse), self._layout)
        found = minimize(
            objective,
            vector,
            jac=True,
            method="L-BFGS-B",
            bounds=[(value - 6.0, value + 6.0) for value in self._layout.prior[0]],
            options={"maxiter": iterations},
        )
        return np.asarray(found.x, dtype=np.float64)

    def beyond(self, vector: Floats, sites: Sites, lapse: float) -> Beyond:
        """Return the trials that bound how far a score says anything."""
        index = np.flatnonzero(self._scores.is_beyond())
        collapsed = self._scores.is_collapsed_n[index]
        reach = self._scores.margins(self._layout.link(vector).log_slopes_K)
        above = (self._trials.x_n - self._mean - sites.cavity_mean_n)[index]
        own = (MARGIN_DOUBT * np.where(collapsed, reach[1], reach[0])) ** 2 + JITTER_DECADES**2
        seed = self._layout.seed_noise(vector) ** 2
        return Beyond(
            is_collapsed_n=collapsed,
            away_n=np.where(collapsed, above, -above),
            variance_n=np.maximum(sites.cavity_variance_n[index] - seed, 0.0) + own,
            reach_SK=self._scores.fall.reach(),
            lapse=max(lapse, LEAST_LAPSE),
        )

    def _replicate_features(self, noise: float) -> Floats:
        replicates_T = self._trials.replicate_n[self._first_T]
        known = np.unique(replicates_T)
        if noise == 0.0:
            return np.zeros((len(replicates_T), 0))
        return np.asarray(noise * (replicates_T[:, None] == known[None]), dtype=np.float64)

    def use(self, vector: Floats, sites: Sites) -> Used:
        """Choose informative trials, evenly over the sorted ones where they are too many."""
        near = self._scores.is_near_n
        variance = 1 / sites.precision_n
        speaks = np.where(near, True, variance < VAGUE_VARIANCE) & (sites.fit_n > LEAST_FIT)
        index = np.flatnonzero(speaks)
        if len(index) > MAX_USED:
            index = index[np.linspace(0, len(index) - 1, MAX_USED).round().astype(np.int64)]
        trials = self._trials
        side_centre = sites.shift_n / sites.precision_n
        return Used(
            places=trials.places.take(index),
            x_n=np.where(near, trials.x_n - self._mean, side_centre)[index],
            scores=self._scores.take(index),
            fit_n=sites.fit_n[index],
            away=self.away(vector, sites).take(index),
            side_variance_n=variance[index],
            threshold_n=self._threshold_n[index],
            replicate_n=trials.replicate_n[index],
        )


def _number_thresholds(trials: Trials) -> tuple[Ints, Ints]:
    """Return the first trial of every threshold (T,), and the threshold of every trial (n,)."""
    numbers: dict[tuple[bytes, bytes, int], int] = {}
    first: list[int] = []
    threshold_n = np.zeros(len(trials), dtype=np.int64)
    for i in range(len(trials)):
        units, words = trials.places.units_nA[i], trials.places.words_nB[i]
        name = (units.tobytes(), words.tobytes(), int(trials.replicate_n[i]))
        if name not in numbers:
            numbers[name] = len(first)
            first.append(i)
        threshold_n[i] = numbers[name]
    return np.array(first, dtype=np.int64), threshold_n


def sort_order(keys: Sequence[tuple[object, ...]]) -> list[int]:
    """Return the order in which trials are taken: by their keys, however they were told."""
    return sorted(range(len(keys)), key=lambda i: repr(keys[i]))
