"""What may be said of the boundary at a place: one crossing, none in the range, or several.

A trial contradicts the surface when its label is wrong farther from it than noise explains. One
such trial is a lapse; three in a row along the learning rate, with no agreeing one between, in
the neighbourhood of a place, are a second crossing. Trials nearby are compared by their distance
from the surface, so that a slope of the boundary is no disagreement.

Shape legend: n = trials.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from orchestrator.planners.surface.fit import Fit
from orchestrator.planners.surface.kernel import Places
from orchestrator.planners.surface.trials import Trials
from orchestrator.planners.threshold import Threshold, Verdict, estimate_threshold

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

BAND_SDS = 1.959963984540054
CLEARANCE_DECADES = 0.3
CLEARANCE_SDS = 3.5
RUN = 3  # contradicting trials in a row that make a second crossing
NEARBY_CORRELATION = 0.6
SURE = 0.975  # probability from which "outside the range" is said
NEAREST = 24  # trials looked at where none nearby crosses
VAGUE_SHARE = 0.5  # of the range: a wider band is no answer


@dataclass(frozen=True, slots=True)
class Disagreement:
    """How trials lie to the fitted surface.

    Attributes:
        above_n: Decades above the surface.
        contradicts_n: Whether the label is wrong beyond what noise explains.
    """

    above_n: Floats
    contradicts_n: Bools

    @classmethod
    def of(cls, trials: Trials, fit: Fit) -> "Disagreement":
        """Compare every trial with the surface."""
        mean, variance = fit.belief.at(trials.places)
        above = trials.x_n - mean
        noise = np.hypot(fit.spread(variance), fit.seed_noise_at(trials.places))
        clear = np.abs(above) > np.maximum(CLEARANCE_DECADES, CLEARANCE_SDS * noise)
        return cls(above, clear & (trials.is_collapsed_n != (above > 0)))


def judge_places(
    places: Places, trials: Trials, fit: Fit, low: float, high: float
) -> list[Threshold]:
    """Return the boundary at every place."""
    mean, variance = fit.belief.at(places)
    spread = fit.spread(np.maximum(variance, 1e-12))
    disagreement = Disagreement.of(trials, fit)
    seed_noise = fit.seed_noise_at(places)
    correlation = _correlate(places, trials.places, fit)
    same = _same_place(places, trials.places)
    found: list[Threshold] = []
    for i in range(len(places)):
        alone = None
        if not low <= mean[i] <= high:
            alone = _without_crossing(trials, correlation[i], low, high)
        masks = (correlation[i] >= NEARBY_CORRELATION, same[i])
        here = (float(mean[i]), float(spread[i]), float(seed_noise[i]))
        found.append(alone or _judge(*here, trials, disagreement, masks, (low, high)))
    return found


def _correlate(places: Places, others: Places, fit: Fit) -> Floats:
    kernel = fit.belief.basis.kernel
    found: Floats = kernel.hills(places, others) / kernel.amplitude**2
    return found


def _same_place(places: Places, others: Places) -> Bools:
    units = np.abs(places.units_nA[:, None] - others.units_nA[None]).sum(axis=2) < 1e-9
    words = (places.words_nB[:, None] == others.words_nB[None]).all(axis=2)
    return np.asarray(units & words, dtype=bool)


def _judge(
    mean: float,
    spread: float,
    seed_noise: float,
    trials: Trials,
    disagreement: Disagreement,
    masks: tuple[Bools, Bools],
    bounds: tuple[float, float],
) -> Threshold:
    nearby, here = masks
    low, high = bounds
    p_above = float(ndtr((mean - high) / spread))
    p_below = float(ndtr((low - mean) / spread))
    interval = _second_crossing(mean, disagreement, nearby)
    last_healthy, first_collapsed = _bracket(trials.x_n[here], trials.is_collapsed_n[here])
    transition = (
        low if last_healthy is None else last_healthy,
        high if first_collapsed is None else first_collapsed,
    )
    if interval is not None:
        transition = (max(interval[0], low), min(interval[1], high))
        verdict = Verdict.TRANSITION
    else:
        verdict = _say(mean, spread, (p_above, p_below), bounds)
    return Threshold(
        verdict=verdict,
        median=mean,
        lo=mean - BAND_SDS * spread,
        hi=mean + BAND_SDS * spread,
        last_healthy=last_healthy,
        first_collapsed=first_collapsed,
        transition=transition,
        p_above=p_above,
        p_below=p_below,
        seed_noise=seed_noise,
        trials=int(here.sum()),
    )


def _say(
    mean: float, spread: float, outside: tuple[float, float], bounds: tuple[float, float]
) -> Verdict:
    low, high = bounds
    if outside[0] >= SURE:
        return Verdict.ABOVE
    if outside[1] >= SURE:
        return Verdict.BELOW
    if low <= mean <= high and 2 * BAND_SDS * spread <= VAGUE_SHARE * (high - low):
        return Verdict.INSIDE
    return Verdict.UNDECIDED


def _without_crossing(
    trials: Trials, correlation_n: Floats, low: float, high: float
) -> Threshold | None:
    """Return the threshold of a neighbourhood whose trials all agree; None if they do not.

    The surface is a Gaussian there, which knows no "beyond the range, who knows how far"; the
    slice's own posterior does.
    """
    nearby = np.flatnonzero(correlation_n >= NEARBY_CORRELATION)
    labels = trials.is_collapsed_n[nearby]
    if len(nearby) == 0 or labels.any() != labels.all():
        return None
    farthest_n = trials.x_n[nearby] * (1.0 if labels.any() else -1.0)
    nearest = nearby[np.lexsort((farthest_n, -correlation_n[nearby].round(3)))][:NEAREST]
    inside = nearest[(trials.x_n[nearest] >= low) & (trials.x_n[nearest] <= high)]
    return estimate_threshold(
        [float(x) for x in trials.x_n[inside]],
        [bool(label) for label in trials.is_collapsed_n[inside]],
        [int(r) for r in trials.replicate_n[inside]],
        low,
        high,
    )


def _bracket(x_n: Floats, is_collapsed_n: Bools) -> tuple[float | None, float | None]:
    """Return the last healthy and the first collapsed position of trials at one place."""
    healthy, collapsed = np.sort(x_n[~is_collapsed_n]), np.sort(x_n[is_collapsed_n])
    safe = healthy[healthy < collapsed[0]] if len(collapsed) else healthy
    lost = collapsed[collapsed > healthy[-1]] if len(healthy) else collapsed
    return (
        float(safe[-1]) if len(safe) else None,
        float(lost[0]) if len(lost) else None,
    )


def _second_crossing(
    mean: float, disagreement: Disagreement, nearby: Bools
) -> tuple[float, float] | None:
    """Return the interval outside which nearby trials agree; None for one crossing."""
    index = np.flatnonzero(nearby)
    index = index[np.argsort(disagreement.above_n[index], kind="stable")]
    run = longest = 0
    for is_wrong in disagreement.contradicts_n[index]:
        run = run + 1 if is_wrong else 0
        longest = max(longest, run)
    if longest < RUN:
        return None
    wrong = disagreement.above_n[index][disagreement.contradicts_n[index]]
    lowest, highest = min(0.0, float(wrong.min())), max(0.0, float(wrong.max()))
    agreed = disagreement.above_n[index][~disagreement.contradicts_n[index]]
    below, above = agreed[agreed < lowest - 1e-9], agreed[agreed > highest + 1e-9]
    return (
        mean + (float(below.max()) if len(below) and lowest < 0 else lowest),
        mean + (float(above.min()) if len(above) and highest > 0 else highest),
    )
