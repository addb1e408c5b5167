"""From trials to what is believed of the surface.

Nothing random, and trials are sorted, so equal trials give equal bits in whatever order they
were told.

Shape legend: n = trials or places.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from orchestrator.planners.surface.anchor import Anchor
from orchestrator.planners.surface.belief import Belief
from orchestrator.planners.surface.inference import VAGUE_VARIANCE, Inference
from orchestrator.planners.surface.kernel import Places
from orchestrator.planners.surface.link import Scores
from orchestrator.planners.surface.parameters import Layout
from orchestrator.planners.surface.sites import Sites
from orchestrator.planners.surface.trials import Trials
from orchestrator.planners.surface.unevenness import Unevenness

Floats = NDArray[np.float64]

ITERATIONS = (40, 15, 8)
REPLICATES_TOLD_APART = 8
KNOWN_DOUBT, DOUBTED_TRIALS, MOST_DOUBT = 1.25, 20.0, 1.75
LINK_ERROR = 0.1  # of the seed noise: what all trials get wrong alike, however many they are


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
        unevenness: How far the luck of seeds differs from place to place.
        alone: What the trials alone say, where another study's posterior stands beside them.
        prior_share: Probability that that posterior holds; 0 without one.
    """

    belief: Belief
    vector: Floats
    layout: Layout
    scores: Scores
    sites: Sites
    lapse: float
    unevenness: Unevenness
    alone: Belief | None = None
    prior_share: float = 0.0

    @property
    def is_anchored(self) -> bool:
        """Whether another study's posterior was given and the trials let it stand."""
        return self.alone is not None

    @property
    def seed_noise(self) -> float:
        """Standard deviation of thresholds over seeds, decades, where it is as most places'."""
        own = self.layout.seed_noise(self.vector)
        return float(np.hypot(own, self.layout.replicate_noise(self.vector)))

    def seed_noise_at(self, places: Places) -> Floats:
        """Return the standard deviation of thresholds over seeds at places, decades, (n,)."""
        own_n = self.layout.seed_noise(self.vector) * np.sqrt(self.unevenness.factors(places))
        return np.hypot(own_n, self.layout.replicate_noise(self.vector))

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
    inference = Inference(trials, layout, scores, (low + high) / 2, anchor)
    state = inference.start()
    for iterations in ITERATIONS if len(trials) else ():
        state = inference.step(state, iterations)
    return Fit(
        belief=state.belief,
        vector=state.vector,
        layout=layout,
        scores=scores,
        sites=state.sites,
        lapse=state.lapse,
        unevenness=state.unevenness,
    )


def _lay_out(trials: Trials, low: float, high: float) -> Layout:
    told_apart = len(np.unique(trials.replicate_n))
    return Layout(
        axes=trials.places.units_nA.shape[1],
        has_words=trials.places.words_nB.shape[1] > 0,
        has_replicates=1 < told_apart <= REPLICATES_TOLD_APART,
        offset=0.35 * (high - low) + 0.3,
    )
