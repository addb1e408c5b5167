"""Expectation propagation given the parameters, then the parameters that explain it best, in turn.

A step improves the parameters, propagates, and looks again how far seeds differ from place to
place; a few steps from the same start are enough.

Shape legend: n = trials, T = thresholds (one for each place and replicate).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from orchestrator.planners.surface.anchor import Anchor
from orchestrator.planners.surface.belief import Basis, Belief
from orchestrator.planners.surface.evidence_gradient import Beyond, Objective, Used
from orchestrator.planners.surface.link import Scores
from orchestrator.planners.surface.parameters import Layout
from orchestrator.planners.surface.readings import (
    JITTER_DECADES,
    MARGIN_DOUBT,
    Away,
    Readings,
)
from orchestrator.planners.surface.sites import Sites, gather, propagate
from orchestrator.planners.surface.trials import Trials
from orchestrator.planners.surface.unevenness import Unevenness

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_USED = 160  # trials that parameters are fitted to
MAX_COMPARED = 600  # thresholds that tell how seeds differ from place to place
VAGUE_VARIANCE = 4.0  # square decades: a side site wider than this says nothing
LEAST_FIT = 0.5
LEAST_LAPSE, MOST_LAPSE = 0.01, 0.25
LAPSE_PRIOR = (0.8, 60.0)  # lapses among trials, before any is seen
LEAST_CAVITY = 1e-3  # per square decade: what others say of a place that they hardly reach


@dataclass(frozen=True, slots=True)
class State:
    """What is believed after so many steps.

    Attributes:
        vector: Parameters (P,).
        lapse: Estimated share of lapses.
        unevenness: How far the luck of seeds differs from place to place.
        factor_T: The same, as factors on the seeds' variance at thresholds.
        belief: The surface.
        sites: What each trial says.
    """

    vector: Floats
    lapse: float
    unevenness: Unevenness
    factor_T: Floats
    belief: Belief
    sites: Sites


@dataclass(frozen=True, slots=True)
class Ground:
    """The surface's features at thresholds under some parameters, and what they leave over."""

    basis: Basis
    features_TM: Floats
    left_over_T: Floats


class Inference:
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
        self._first_T, self._threshold_n = trials.number_thresholds()
        self._places_T = trials.places.take(self._first_T)

    def start(self) -> State:
        """Return what is believed under the parameters that are likeliest beforehand."""
        vector = self._layout.prior[0].copy()
        lapse = LAPSE_PRIOR[0] / LAPSE_PRIOR[1]
        factor_T = np.ones(len(self._first_T))
        belief, sites = self._propagate(vector, self._ground(vector), lapse, factor_T, None)
        return State(vector, lapse, Unevenness.none(self._places_T), factor_T, belief, sites)

    def step(self, state: State, iterations: int) -> State:
        """Return a state whose parameters explain the sites better."""
        vector = self._improve(state, iterations)
        lapses = LAPSE_PRIOR[0] + float((1 - state.sites.fit_n).sum())
        lapse = min(lapses / (LAPSE_PRIOR[1] + len(self._trials)), MOST_LAPSE)
        ground = self._ground(vector)  # costly where trials are many
        belief, sites = self._propagate(vector, ground, lapse, state.factor_T, state.sites)
        if self._layout.is_one_place:
            return State(vector, lapse, state.unevenness, state.factor_T, belief, sites)
        unevenness = self._look_around(vector, state.factor_T, belief, sites)
        factor_T = unevenness.factors(self._places_T)
        belief, sites = self._propagate(vector, ground, lapse, factor_T, sites)
        return State(vector, lapse, unevenness, factor_T, belief, sites)

    def _ground(self, vector: Floats) -> Ground:
        places_T, anchor = self._places_T, self._anchor
        known = places_T if anchor is None else anchor.places.and_then(places_T)
        basis = Basis.choose(self._layout.kernel(vector), known)
        features_TM = basis.features(places_T)
        return Ground(basis, features_TM, basis.left_over(places_T, features_TM))

    def _propagate(
        self, vector: Floats, ground: Ground, lapse: float, factor_T: Floats, before: Sites | None
    ) -> tuple[Belief, Sites]:
        layout, anchor = self._layout, self._anchor
        readings = Readings.of(
            self._trials.x_n - self._mean,
            self._scores,
            layout.link(vector),
            self._away(vector, before),
        )
        effects = self._replicate_features(layout.replicate_noise(vector))
        sites, weights = propagate(
            readings,
            lapse,
            np.hstack([ground.features_TM, effects]),
            layout.seed_noise(vector) ** 2 * factor_T + ground.left_over_T,
            self._threshold_n,
            None if anchor is None else anchor.hint(ground.basis, self._mean),
        )
        return Belief(ground.basis, weights, self._mean), sites

    def _away(self, vector: Floats, sites: Sites | None) -> Away:
        """Return how far trials lie above their thresholds, by all others or, first, by score."""
        slopes = self._layout.link(vector).log_slopes_K
        if sites is None:
            return Away.of(self._scores.distances(slopes), self._scores, slopes)
        return Away.of(self._trials.x_n - self._mean - sites.cavity_mean_n, self._scores, slopes)

    def _look_around(
        self, vector: Floats, factor_T: Floats, belief: Belief, sites: Sites
    ) -> Unevenness:
        """Learn from how far each threshold lies off the surface that all others make."""
        fits_n = sites.fit_n > LEAST_FIT
        precision_T, shift_T = gather(sites, len(self._first_T), self._threshold_n, fits_n)
        seed, replicate = (
            noise(vector) ** 2 for noise in (self._layout.seed_noise, self._layout.replicate_noise)
        )
        mean_T, variance_T = belief.at(self._places_T)
        told = _thin_out(np.flatnonzero(precision_T > 1 / VAGUE_VARIANCE), MAX_COMPARED)
        read_T, own_T = 1 / precision_T[told], seed * factor_T[told] + replicate
        centre_T = shift_T[told] * read_T
        mean_T, variance_T = mean_T[told] - self._mean, np.maximum(variance_T[told], 1e-12)
        cavity_T = 1 / np.maximum(1 / variance_T - 1 / (read_T + own_T), LEAST_CAVITY)
        others_T = cavity_T * (mean_T / variance_T - centre_T / (read_T + own_T))
        return Unevenness.learn(
            self._places_T.take(told), centre_T - others_T, read_T + replicate + cavity_T, seed
        )

    def _improve(self, state: State, iterations: int) -> Floats:
        """Return parameters that explain the sites better."""
        objective = self.explain(state)
        if objective is None:
            return state.vector
        found = minimize(
            objective,
            state.vector,
            jac=True,
            method="L-BFGS-B",
            bounds=[(value - 6.0, value + 6.0) for value in self._layout.prior[0]],
            options={"maxiter": iterations},
        )
        return np.asarray(found.x, dtype=np.float64)

    def explain(self, state: State) -> Objective | None:
        """Return how well parameters explain the sites; None where no trial says anything."""
        used = self._use(state)
        return Objective(used, self._bound(state), self._layout) if len(used.x_n) else None

    def _use(self, state: State) -> Used:
        """Choose informative trials, evenly over the sorted ones where they are too many."""
        sites, near = state.sites, self._scores.is_near_n
        variance = 1 / sites.precision_n
        speaks = np.where(near, True, variance < VAGUE_VARIANCE) & (sites.fit_n > LEAST_FIT)
        index = _thin_out(np.flatnonzero(speaks), MAX_USED)
        trials = self._trials
        side_centre = sites.shift_n / sites.precision_n
        return Used(
            places=trials.places.take(index),
            x_n=np.where(near, trials.x_n - self._mean, side_centre)[index],
            scores=self._scores.take(index),
            fit_n=sites.fit_n[index],
            away=self._away(state.vector, sites).take(index),
            side_variance_n=variance[index],
            threshold_n=self._threshold_n[index],
            factor_n=state.factor_T[self._threshold_n][index],
            replicate_n=trials.replicate_n[index],
        )

    def _bound(self, state: State) -> Beyond:
        """Return the trials that bound how far a score says anything."""
        vector, sites = state.vector, state.sites
        index = np.flatnonzero(self._scores.is_beyond())
        collapsed = self._scores.is_collapsed_n[index]
        reach = self._scores.margins(self._layout.link(vector).log_slopes_K)
        above = (self._trials.x_n - self._mean - sites.cavity_mean_n)[index]
        own = (MARGIN_DOUBT * np.where(collapsed, reach[1], reach[0])) ** 2 + JITTER_DECADES**2
        factor_n = state.factor_T[self._threshold_n][index]
        seed_n = self._layout.seed_noise(vector) ** 2 * factor_n
        return Beyond(
            is_collapsed_n=collapsed,
            away_n=np.where(collapsed, above, -above),
            variance_n=np.maximum(sites.cavity_variance_n[index] - seed_n, 0.0) + own,
            factor_n=factor_n,
            reach_SK=self._scores.fall.reach(),
            lapse=max(state.lapse, LEAST_LAPSE),
        )

    def _replicate_features(self, noise: float) -> Floats:
        replicates_T = self._trials.replicate_n[self._first_T]
        known = np.unique(replicates_T)
        if noise == 0.0:
            return np.zeros((len(replicates_T), 0))
        return np.asarray(noise * (replicates_T[:, None] == known[None]), dtype=np.float64)


def _thin_out(index: Ints, most: int) -> Ints:
    """Return at most so many, spread evenly."""
    if len(index) <= most:
        return index
    return np.asarray(index[np.linspace(0, len(index) - 1, most).round().astype(np.int64)])
