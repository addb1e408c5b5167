r"""Expectation propagation: the readings of trials as Gaussian sites on their thresholds.

A threshold is h = F w + epsilon: F w with w ~ N(0, 1) is everything that trials share (the
surface, effects of a replicate), epsilon ~ N(0, nugget) is the own luck of a seed at a place.
Each trial's likelihood of h is replaced by a Gaussian of the same effect (equal first two
moments of the tilted distribution), all at once and damped, until nothing moves. Moments are
closed forms for both kinds of reading, so equal data give equal bits.

Shape legend: n = trials, T = thresholds (one for each place and replicate), M = features.

References:
    Minka, "Expectation propagation for approximate Bayesian inference", UAI 2001.
    Rasmussen & Williams 2006, section 3.6 (probit moments).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import ndtr

from orchestrator.planners.surface.readings import Readings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SWEEPS = 30
DAMPING = 0.8
SETTLED = 1e-4  # decades: largest change of a threshold's mean between sweeps
LEAST_PRECISION = 1e-8
TINY = 1e-300


@dataclass(frozen=True, slots=True)
class Sites:
    """Gaussian stand-ins for the readings.

    Attributes:
        precision_n: Of each trial's site on its threshold, per square decade.
        shift_n: Precision times mean.
        fit_n: Probability that the trial is no lapse.
        cavity_mean_n: Mean of the threshold that each trial met, by all other trials.
        cavity_variance_n: And its variance, square decades.
    """

    precision_n: Floats
    shift_n: Floats
    fit_n: Floats
    cavity_mean_n: Floats
    cavity_variance_n: Floats

    @classmethod
    def start(cls, readings: Readings) -> "Sites":
        """Return near readings as they are, others as nothing yet."""
        near = readings.is_near_n
        precision = np.where(near, 1 / readings.width_n**2, LEAST_PRECISION)
        shift = precision * readings.centre_n * near
        ones = np.ones(len(near))
        return cls(precision, shift, ones, readings.centre_n, ones)


@dataclass(frozen=True, slots=True)
class Weights:
    """Gaussian posterior of the features' weights: mean (M,) and covariance (M, M)."""

    mean_M: Floats
    covariance_MM: Floats


@dataclass(frozen=True, slots=True)
class Hint:
    """Gaussian evidence on the first weights that is no trial: precision, precision x mean."""

    precision_MM: Floats
    shift_M: Floats


def propagate(
    readings: Readings,
    lapse: float,
    features_TM: Floats,
    nugget_T: Floats,
    threshold_n: Ints,
    hint: Hint | None = None,
) -> tuple[Sites, Weights]:
    """Return sites and the posterior they make.

    Args:
        readings: Of n trials; centres are relative to the mean of g.
        lapse: Prior probability of a lapse.
        features_TM: What thresholds share; weights are standard normal beforehand.
        nugget_T: Variance of each threshold's own luck, square decades.
        threshold_n: The threshold that each trial met.
        hint: What is known of the weights beside the trials.
    """
    sites = Sites.start(readings)
    before_T = np.full(len(nugget_T), np.inf)
    weights = solve_weights(sites, features_TM, nugget_T, threshold_n, hint)
    for _ in range(SWEEPS):
        mean_T, variance_T = read_thresholds(sites, weights, features_TM, nugget_T, threshold_n)
        sites = _match(sites, readings, lapse, mean_T[threshold_n], variance_T[threshold_n])
        weights = solve_weights(sites, features_TM, nugget_T, threshold_n, hint)
        if len(mean_T) == 0 or float(np.abs(mean_T - before_T).max()) < SETTLED:
            break
        before_T = mean_T
    return sites, weights


def solve_weights(
    sites: Sites,
    features_TM: Floats,
    nugget_T: Floats,
    threshold_n: Ints,
    hint: Hint | None = None,
) -> Weights:
    """Return the posterior of the weights given Gaussian sites and what else is known."""
    precision_T, shift_T = gather(sites, len(nugget_T), threshold_n)
    damp_T = 1 / (1 + nugget_T * precision_T)
    scaled_TM = features_TM * (precision_T * damp_T)[:, None]
    inverse_MM = np.eye(features_TM.shape[1]) + features_TM.T @ scaled_TM
    total_M = features_TM.T @ (damp_T * shift_T)
    if hint is not None:
        m = len(hint.shift_M)
        inverse_MM[:m, :m] += hint.precision_MM
        total_M[:m] += hint.shift_M
    covariance_MM = cho_solve(cho_factor(inverse_MM, lower=True), np.eye(len(inverse_MM)))
    mean_M = covariance_MM @ total_M
    return Weights(mean_M, (covariance_MM + covariance_MM.T) / 2)


def gather(
    sites: Sites, thresholds: int, threshold_n: Ints, counts_n: Bools | None = None
) -> tuple[Floats, Floats]:
    """Return precision and shift of each threshold (T,), of the trials that count."""
    shares_n = np.ones(len(threshold_n)) if counts_n is None else counts_n.astype(np.float64)
    totals = (
        np.bincount(threshold_n, weights=shares_n * values_n, minlength=thresholds)
        for values_n in (sites.precision_n, sites.shift_n)
    )
    return next(totals).astype(np.float64), next(totals).astype(np.float64)


def read_thresholds(
    sites: Sites, weights: Weights, features_TM: Floats, nugget_T: Floats, threshold_n: Ints
) -> tuple[Floats, Floats]:
    """Return mean and variance of every threshold h."""
    precision_T, shift_T = gather(sites, len(nugget_T), threshold_n)
    shared_T = features_TM @ weights.mean_M
    spread_T = np.einsum("tm,tm->t", features_TM @ weights.covariance_MM, features_TM)
    damp_T = 1 / (1 + nugget_T * precision_T)
    mean_T = damp_T * (shared_T + nugget_T * shift_T)
    return mean_T, damp_T * nugget_T + damp_T**2 * spread_T


def _match(
    sites: Sites, readings: Readings, lapse: float, mean_n: Floats, variance_n: Floats
) -> Sites:
    """Return sites moved towards those that match the tilted moments."""
    cavity_precision = np.maximum(1 / variance_n - sites.precision_n, 1e-6)
    v = 1 / cavity_precision
    m = v * (mean_n / variance_n - sites.shift_n)
    gain, curve, fit = _moments(readings, lapse, m, v)
    # Site that has this gradient and curvature of log Z in the cavity mean.
    curve = np.minimum(curve, -1e-12)
    precision = -curve / (1 + v * curve).clip(1e-9)
    precision = np.clip(precision, LEAST_PRECISION, 1e8)
    shift = precision * (m + gain / -curve)
    unsure = curve > -1e-10
    shift = np.where(unsure, 0.0, shift)
    precision = np.where(unsure, LEAST_PRECISION, precision)
    return Sites(
        sites.precision_n + DAMPING * (precision - sites.precision_n),
        sites.shift_n + DAMPING * (shift - sites.shift_n),
        fit,
        m,
        v,
    )


def _moments(
    readings: Readings, lapse: float, m: Floats, v: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return d log Z / dm, its derivative, and the probability of no lapse, each (n,)."""
    spread = np.sqrt(v + readings.width_n**2)
    u = (readings.centre_n - m) / spread
    density = np.exp(-0.5 * u**2) / np.sqrt(2 * np.pi)

    near_fit = (1 - lapse) * density / spread * np.exp(readings.log_slope_n)
    near_share = near_fit / np.maximum(near_fit + lapse * readings.lapse_density, TINY)
    near_gain = near_share * u / spread
    near_curve = near_share * (u**2 - 1) / spread**2 - near_gain**2

    side_fit = (1 - lapse) * ndtr(-readings.sign_n * u)
    side_total = np.maximum(lapse / 2 + side_fit, TINY)
    side_gain = readings.sign_n * (1 - lapse) * density / (spread * side_total)
    side_curve = readings.sign_n * u * np.abs(side_gain) / spread - side_gain**2

    near = readings.is_near_n
    return (
        np.where(near, near_gain, side_gain),
        np.where(near, near_curve, side_curve),
        np.where(near, near_share, side_fit / side_total),
    )
