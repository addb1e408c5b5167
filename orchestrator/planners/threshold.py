r"""The critical learning rate of one slice: its posterior, its credible band, its verdict.

Model. Replicate r (a seed) loses its rank above a threshold of its own, and the boundary is
the median over seeds of those thresholds:

    T_r ~ Normal(mu, s)                                     seed noise s
    P(collapse | x, r) = e/2 + (1 - e) Phi((x - T_r) / w)   jitter w, lapse rate e

with x = log10 of the learning rate. So many trials of one seed pin down that seed's threshold,
not the boundary: the band cannot shrink to nothing by bisecting three seeds for ever. With a
seed per trial this is the usual psychometric function with slope 1 / sqrt(s^2 + w^2). Everything
is integrated on a grid (no sampling, no optimiser: equal data give equal bits).

Priors: mu is flat over the range widened by one decade at each end, so that "no crossing" has
a place to go; s is log-normal around 0.1 decade, a factor of 3.5 either way (the demo's seeds
differ by 0.1 to 0.5 decade, quiet simulations by 0.01), w around 0.02 decade, e mostly below 2 %.

Shape legend: n = trials, R = replicates, G = nodes of mu and T, S = seed noises, C = pairs
(jitter, lapse).

References:
    Kontsevich & Tyler, "Bayesian adaptive estimation of psychometric slope and threshold",
    Vision Research 39, 1999 (grid posterior). Wichmann & Hill, Perception & Psychophysics 63,
    2001 (lapses bias the threshold unless modelled).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from orchestrator.planners.monotone import Crossing, find_crossing

Floats = NDArray[np.float64]

WIDENED_DECADES = 1.0
TAIL = 0.025  # of the 95 % band, at each end
COARSE_STEP = 0.05  # decades between nodes far from the data
MAX_NODES = 320
NEAR_DECADES = 1.0  # trials this near the crossing get dense nodes

SEED_NOISES_S = np.geomspace(0.008, 1.2, 10)
JITTERS = (0.004, 0.025, 0.15)
LAPSES = (0.002, 0.02, 0.06, 0.15)
LAPSE_WEIGHTS = (0.55, 0.30, 0.12, 0.03)


class Verdict(StrEnum):
    """What may be said of a slice's boundary.

    INSIDE: one crossing, its median inside the range: print median and band.
    ABOVE: the top of the range was tried and *no* trial collapsed anywhere: print "above HIGH".
    BELOW: the bottom of the range was tried and *every* trial collapsed: print "below LOW".
    TRANSITION: some trials collapsed and some did not, but not with one threshold in the range:
        a second crossing was seen, or the half-way point lies outside the range. Print the
        interval ``transition``, not the median.
    UNDECIDED: too few trials: none, or no crossing yet and the end of the range not tried.
    """

    INSIDE = "inside"
    ABOVE = "above"
    BELOW = "below"
    TRANSITION = "transition"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Threshold:
    """Posterior of one slice's boundary; every number is log10 of a learning rate.

    Attributes:
        verdict: What may be said; ``median`` and the band answer the question only if INSIDE.
        median: Posterior median of mu.
        lo: 2.5 % quantile of mu; may lie up to a decade outside the range.
        hi: 97.5 % quantile of mu, likewise.
        last_healthy: Highest tried value up to which every trial was healthy; None if the
            lowest tried value already saw a collapse.
        first_collapsed: Lowest tried value from which on every trial collapsed; None if the
            highest tried value still saw a healthy one.
        transition: From ``last_healthy`` to ``first_collapsed``, the range's end where None:
            all trials outside it agree.
        p_above: Posterior mass of mu above the range.
        p_below: Posterior mass of mu below the range.
        seed_noise: Posterior mean of s, in decades.
        trials: How many trials were used.
    """

    verdict: Verdict
    median: float
    lo: float
    hi: float
    last_healthy: float | None
    first_collapsed: float | None
    transition: tuple[float, float]
    p_above: float
    p_below: float
    seed_noise: float
    trials: int

    @property
    def width(self) -> float:
        """Width of the 95 % band in decades."""
        return self.hi - self.lo


def estimate_threshold(
    log10_lrs: Sequence[float],
    is_collapsed: Sequence[bool],
    replicates: Sequence[int],
    low: float,
    high: float,
) -> Threshold:
    """Return the posterior of a slice's critical learning rate.

    For another level of the score, pass the labels of that level. Order is irrelevant.

    Args:
        log10_lrs: log10 of each trial's learning rate, within [low, high].
        is_collapsed: Whether each trial collapsed (divergence included).
        replicates: The replicate of each trial; trials of one replicate share a seed.
        low: log10 of the lowest learning rate of the study.
        high: log10 of the highest.

    Raises:
        ValueError: If the lengths differ, low >= high, or a learning rate lies outside.
    """
    _check(log10_lrs, is_collapsed, replicates, low, high)
    order = sorted(zip(log10_lrs, is_collapsed, replicates, strict=True))
    x_n = np.array([x for x, _, _ in order], dtype=np.float64)
    collapsed_n = np.array([c for _, c, _ in order], dtype=bool)
    replicate_n = np.array([r for _, _, r in order], dtype=np.int64)
    crossing = find_crossing(x_n, collapsed_n)
    nodes_G = _place_nodes(x_n, crossing.cut, low, high)
    edges_G1 = _cell_edges(nodes_G, low, high)
    posterior_GS = _integrate(nodes_G, edges_G1, x_n, collapsed_n, replicate_n)
    return _summarise(posterior_GS, edges_G1, x_n, crossing, low, high)


def _check(
    log10_lrs: Sequence[float],
    is_collapsed: Sequence[bool],
    replicates: Sequence[int],
    low: float,
    high: float,
) -> None:
    lengths = (len(log10_lrs), len(is_collapsed), len(replicates))
    if len(set(lengths)) != 1:
        raise ValueError(f"log10_lrs, is_collapsed, replicates differ in length: {lengths}")
    if not low < high:
        raise ValueError(f"low must be below high, got [{low}, {high}]")
    slack = 1e-6  # learning rates are rounded to four digits
    outside = [x for x in log10_lrs if not low - slack <= x <= high + slack]
    if outside:
        raise ValueError(f"log10 learning rates {outside} lie outside [{low}, {high}]")


def _place_nodes(x_n: Floats, cut: float, low: float, high: float) -> Floats:
    """Return sorted nodes: coarse over the widened range, dense round trials near the cut."""
    start, end = low - WIDENED_DECADES, high + WIDENED_DECADES
    coarse = np.linspace(start, end, int((end - start) / COARSE_STEP) + 1)
    near = np.unique(x_n[np.abs(x_n - cut) <= NEAR_DECADES])
    between = np.concatenate([near, (near[1:] + near[:-1]) / 2])
    offsets = np.outer([-1, 1], np.geomspace(0.002, 0.25, 9)).ravel()
    dense = np.concatenate([between, np.add.outer(between, offsets).ravel()])
    nodes = np.concatenate([coarse, np.clip(dense, start, end)])
    spacing = 0.002
    while True:
        merged = start + spacing * np.unique(np.rint((nodes - start) / spacing))
        if len(merged) <= MAX_NODES:
            return np.asarray(merged, dtype=np.float64)
        spacing *= 1.5


def _cell_edges(nodes_G: Floats, low: float, high: float) -> Floats:
    middles = (nodes_G[1:] + nodes_G[:-1]) / 2
    return np.concatenate([[low - WIDENED_DECADES], middles, [high + WIDENED_DECADES]])


def _integrate(
    nodes_G: Floats,
    edges_G1: Floats,
    x_n: Floats,
    collapsed_n: NDArray[np.bool_],
    replicate_n: NDArray[np.int64],
) -> Floats:
    """Return the posterior mass per cell of mu and seed noise, shape (G, S), summing to 1."""
    jitter_C, lapse_C, weight_C = _nuisance_grid()
    log_posterior_SGC = (
        np.log(_seed_noise_weights())[:, None, None]
        + np.log(np.diff(edges_G1))[None, :, None]
        + np.log(weight_C)
    )
    transition_SGG = _threshold_kernel(nodes_G, edges_G1)
    for replicate in np.unique(replicate_n):
        mine = replicate_n == replicate
        log_likelihood_GC = _log_likelihood(
            nodes_G, x_n[mine], collapsed_n[mine], jitter_C, lapse_C
        )
        peak = log_likelihood_GC.max()
        likelihood_SGC = transition_SGG @ np.exp(log_likelihood_GC - peak)
        log_posterior_SGC += np.log(np.maximum(likelihood_SGC, 1e-300))
    posterior_SGC = np.exp(log_posterior_SGC - log_posterior_SGC.max())
    posterior_GS = posterior_SGC.sum(axis=2).T
    return np.asarray(posterior_GS / posterior_GS.sum(), dtype=np.float64)


def _nuisance_grid() -> tuple[Floats, Floats, Floats]:
    """Return jitter, lapse and prior weight of every pair, each of shape (C,)."""
    jitters = np.array(JITTERS)
    jitter_weights = np.exp(-0.5 * np.log(jitters / 0.02) ** 2)
    weight_C = np.outer(jitter_weights / jitter_weights.sum(), LAPSE_WEIGHTS).ravel()
    return np.repeat(jitters, len(LAPSES)), np.tile(np.array(LAPSES), len(JITTERS)), weight_C


def _seed_noise_weights() -> Floats:
    """Log-normal around 0.1 decade, a factor of 3.5 either way, on a log-spaced grid."""
    weights = np.exp(-0.5 * (np.log(SEED_NOISES_S / 0.1) / np.log(3.5)) ** 2)
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _threshold_kernel(nodes_G: Floats, edges_G1: Floats) -> Floats:
    """Return P(T in cell | mu at node, s), shape (S, G of mu, G of T); end cells are open."""
    open_edges = edges_G1.copy()
    open_edges[0], open_edges[-1] = -np.inf, np.inf
    distance_GG1 = open_edges[None, :] - nodes_G[:, None]
    below_SGG1 = ndtr(distance_GG1[None] / SEED_NOISES_S[:, None, None])
    return np.asarray(np.diff(below_SGG1, axis=2), dtype=np.float64)


def _log_likelihood(
    nodes_G: Floats,
    x_n: Floats,
    collapsed_n: NDArray[np.bool_],
    jitter_C: Floats,
    lapse_C: Floats,
) -> Floats:
    """Return log P(labels of one replicate | T at node, jitter, lapse), shape (G, C)."""
    signed_nG = np.where(collapsed_n, 1.0, -1.0)[:, None] * (x_n[:, None] - nodes_G[None, :])
    agree_nGC = ndtr(signed_nG[:, :, None] / jitter_C)
    total: Floats = np.log(lapse_C / 2 + (1 - lapse_C) * agree_nGC).sum(axis=0)
    return total


def _summarise(
    posterior_GS: Floats,
    edges_G1: Floats,
    x_n: Floats,
    crossing: Crossing,
    low: float,
    high: float,
) -> Threshold:
    below_G1 = np.concatenate([[0.0], np.cumsum(posterior_GS.sum(axis=1))])
    lo, median, hi = np.interp([TAIL, 0.5, 1 - TAIL], below_G1, edges_G1)
    p_below, below_high = np.interp([low, high], edges_G1, below_G1)
    return Threshold(
        verdict=_judge(crossing, x_n, float(median), low, high),
        median=float(median),
        lo=float(lo),
        hi=float(hi),
        last_healthy=crossing.last_healthy,
        first_collapsed=crossing.first_collapsed,
        transition=(
            low if crossing.last_healthy is None else crossing.last_healthy,
            high if crossing.first_collapsed is None else crossing.first_collapsed,
        ),
        p_above=float(1.0 - below_high),
        p_below=float(p_below),
        seed_noise=float(posterior_GS.sum(axis=0) @ SEED_NOISES_S),
        trials=len(x_n),
    )


def _judge(crossing: Crossing, x_n: Floats, median: float, low: float, high: float) -> Verdict:
    end_slack = 1e-3  # decades: rounding of the learning rate to four digits
    if crossing.collapsed == 0:
        reached_top = len(x_n) > 0 and x_n[-1] >= high - end_slack
        return Verdict.ABOVE if reached_top else Verdict.UNDECIDED
    if crossing.collapsed == len(x_n):
        return Verdict.BELOW if x_n[0] <= low + end_slack else Verdict.UNDECIDED
    if crossing.is_reentrant or not low <= median <= high:
        return Verdict.TRANSITION
    return Verdict.INSIDE
