"""What is learned about a study beside the surface itself, and what is believed beforehand.

One vector for the optimiser, in natural logarithms (a logit for the sharing), with Gaussian
priors. The order is given by :class:`Layout`.

Shape legend: P = parameters, A = numeric axes, K = nodes of the score.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from orchestrator.planners.surface.fall import NODES, OUTWARDS
from orchestrator.planners.surface.kernel import Kernel
from orchestrator.planners.surface.readings import LinkParameters

Floats = NDArray[np.float64]

# Prior medians and factors (one standard deviation either way).
AMPLITUDE, AMPLITUDE_FACTOR = 0.3, 2.0  # decades
LENGTH, LENGTH_FACTOR = 0.8, 1.8  # shares of an axis
SHARING_LOGIT, SHARING_SPREAD = 1.0, 1.5
SEED_NOISE, SEED_NOISE_FACTOR = 0.15, 3.0  # decades: wide, real seeds differ by 0.02 to a decade
REPLICATE_NOISE, REPLICATE_FACTOR = 0.01, 3.0  # decades
SCORE_NOISE, SCORE_FACTOR = 0.03, 2.5  # of log score
DOUBT, DOUBT_FACTOR = 0.12, 1.8
SLOPE, SLOPE_FACTOR = 0.3, 3.5  # decades per unit of log score, at the threshold
FIRST_STEP_SPREAD = 0.15  # from the threshold to the node beside it, natural logarithm
STEP_SPREAD = 0.3  # between one node and the next beyond


@dataclass(frozen=True)
class Layout:
    """Where each parameter stands in the vector.

    Attributes:
        axes: Numeric axes.
        has_words: Whether there are categorical axes.
        has_replicates: Whether seeds have effects that all places share.
        offset: Prior sd of the surface's level, decades (fixed).
    """

    axes: int
    has_words: bool
    has_replicates: bool
    offset: float

    AMPLITUDE = 0
    SHARING = 1
    SEED = 2
    REPLICATE = 3
    SCORE = 4
    DOUBTS = slice(5, 7)
    SLOPES = slice(7, 7 + NODES)

    @property
    def lengths(self) -> slice:
        """Where the lengths stand."""
        start = 7 + NODES
        return slice(start, start + self.axes)

    @property
    def is_one_place(self) -> bool:
        """Whether the learning rate is the only axis."""
        return self.axes == 0 and not self.has_words

    @property
    def size(self) -> int:
        """P."""
        return 7 + NODES + self.axes

    @cached_property
    def prior(self) -> tuple[Floats, Floats]:
        """Mean (P,) and precision (P, P) of the Gaussian prior."""
        mean = np.zeros(self.size)
        spread = np.ones(self.size)
        for index, median, factor in (
            (self.AMPLITUDE, AMPLITUDE, AMPLITUDE_FACTOR),
            (self.SEED, SEED_NOISE, SEED_NOISE_FACTOR),
            (self.REPLICATE, REPLICATE_NOISE, REPLICATE_FACTOR),
            (self.SCORE, SCORE_NOISE, SCORE_FACTOR),
            (self.DOUBTS, DOUBT, DOUBT_FACTOR),
            (self.lengths, LENGTH, LENGTH_FACTOR),
        ):
            mean[index], spread[index] = np.log(median), np.log(factor)
        mean[self.SHARING], spread[self.SHARING] = SHARING_LOGIT, SHARING_SPREAD
        mean[self.SLOPES] = np.log(SLOPE)
        precision = np.diag(spread**-2)
        precision[self.SLOPES, self.SLOPES] = _walk_precision()
        return mean, precision

    def kernel(self, vector: Floats) -> Kernel:
        """Return the covariance that a vector stands for."""
        sharing = 1 / (1 + np.exp(-vector[self.SHARING])) if self.has_words else 1.0
        return Kernel(
            offset=self.offset,
            amplitude=float(np.exp(vector[self.AMPLITUDE])),
            lengths_A=tuple(float(v) for v in np.exp(vector[self.lengths])),
            sharing=float(sharing),
        )

    def link(self, vector: Floats) -> LinkParameters:
        """Return how scores become distances."""
        healthy, collapsed = (float(v) for v in np.exp(vector[self.DOUBTS]))
        return LinkParameters(
            log_slopes_K=vector[self.SLOPES],
            score_noise=float(np.exp(vector[self.SCORE])),
            doubts=(healthy, collapsed),
        )

    def seed_noise(self, vector: Floats) -> float:
        """Return the sd of a seed's own luck at a place, decades."""
        return float(np.exp(vector[self.SEED]))

    def replicate_noise(self, vector: Floats) -> float:
        """Return the sd of a seed's effect at all places, decades."""
        return float(np.exp(vector[self.REPLICATE])) if self.has_replicates else 0.0


def _walk_precision() -> Floats:
    """Return the precision (K, K) of log slopes that walk outwards from the threshold."""
    precision = np.zeros((NODES, NODES))
    precision[0, 0] = np.log(SLOPE_FACTOR) ** -2
    for nodes in OUTWARDS:
        for inner, outer in pairwise(nodes):
            difference = np.zeros(NODES)
            difference[[inner, outer]] = 1, -1
            spread = FIRST_STEP_SPREAD if inner == 0 else STEP_SPREAD
            precision += np.outer(difference, difference) / spread**2
    return precision
