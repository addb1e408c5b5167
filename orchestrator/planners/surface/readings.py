"""What each trial says about the threshold it met, given how scores translate into distances.

Every reading is a likelihood of the trial's own threshold h (decades), mixed with a lapse:

    near:  (1 - e) N(centre; h, width^2) slope  + e * density of a lapse
    side:  (1 - e) Phi(sign (h - centre) / width) + e / 2

``side`` with sign +1 is a healthy trial: its threshold lies above the centre.

Shape legend: n = trials.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.planners.surface.link import Scores

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

JITTER_DECADES = 0.01  # two trials of one seed at one place differ by this at least
MARGIN_SHARE = 0.7  # of a side's reach is believed as a margin beyond it
MARGIN_DOUBT = 0.3  # sd of the margin, as a share of itself
LAPSE_NEAR = 0.1  # share of lapses whose score happens to lie near the threshold


@dataclass(frozen=True, slots=True)
class LinkParameters:
    """How scores become distances.

    Attributes:
        log_slopes_K: Natural logarithm of decades per unit of y, at each node.
        score_noise: Standard deviation of y at a given distance.
        doubts: Standard deviation of phi as a share of itself: healthy side, collapsed side.
    """

    log_slopes_K: Floats
    score_noise: float
    doubts: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings of n trials; ``log_slope_n`` and ``lapse_density_n`` matter where near."""

    is_near_n: Bools
    centre_n: Floats
    width_n: Floats
    sign_n: Floats
    log_slope_n: Floats
    lapse_density: float

    @classmethod
    def of(cls, x_n: Floats, scores: Scores, link: LinkParameters, away: "Away") -> "Readings":
        """Return the readings of trials at log10 learning rates ``x_n``."""
        phi_n = scores.distances(link.log_slopes_K)
        healthy, collapsed = scores.margins(link.log_slopes_K)
        trust = scores.trust()
        margin_n = scores.is_beyond() * np.where(
            scores.is_collapsed_n, trust[1] * collapsed, trust[0] * healthy
        )
        believed_n = MARGIN_SHARE * margin_n
        sign_n = np.where(scores.is_collapsed_n, -1.0, 1.0)
        near_variance = near_variances(link, away)
        side_variance = JITTER_DECADES**2 + (MARGIN_DOUBT * margin_n) ** 2
        return cls(
            is_near_n=scores.is_near_n,
            centre_n=np.where(scores.is_near_n, x_n - phi_n, x_n + sign_n * believed_n),
            width_n=np.sqrt(np.where(scores.is_near_n, near_variance, side_variance)),
            sign_n=sign_n,
            log_slope_n=np.log(scores.slopes(link.log_slopes_K)),
            lapse_density=LAPSE_NEAR / sum(scores.fall.ends),
        )


@dataclass(frozen=True, slots=True)
class Away:
    """How far trials are believed to lie above their thresholds.

    The noise of a reading is a function of this, not of what its own score says: only then is
    the density of the score one that integrates to 1. (Were it not, the evidence would favour
    slopes without bound. And were it the distance from the threshold as the trial's own reading
    moved it, slopes would come out a quarter too flat, and the seed noise at half its size.)

    Attributes:
        decades_n: The distance.
        shares_nK: How much each node counts in the slope at that distance.
    """

    decades_n: Floats
    shares_nK: Floats

    @classmethod
    def of(cls, decades_n: Floats, scores: Scores, log_slopes_K: Floats) -> "Away":
        """Return distances with the nodes that count there under given slopes."""
        size_n = np.abs(decades_n)
        healthy_nK, collapsed_nK = (
            scores.fall.shares(scores.fall.sizes_at(size_n, side, log_slopes_K), side)
            for side in (0, 1)
        )
        return cls(decades_n, np.where(decades_n[:, None] > 0, collapsed_nK, healthy_nK))

    def take(self, index: NDArray[np.int64]) -> "Away":
        """Return some of the trials."""
        return Away(self.decades_n[index], self.shares_nK[index])

    @property
    def side_n(self) -> NDArray[np.int64]:
        """0 where a trial is believed healthy, 1 where collapsed."""
        return (self.decades_n > 0).astype(np.int64)


def near_variances(link: LinkParameters, away: Away) -> Floats:
    """Return the variance of near readings around h, decades squared."""
    doubt_n = np.array(link.doubts)[away.side_n]
    noise_n = link.score_noise * (away.shares_nK @ np.exp(link.log_slopes_K))
    total: Floats = JITTER_DECADES**2 + (doubt_n * away.decades_n) ** 2 + noise_n**2
    return total
