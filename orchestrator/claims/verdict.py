"""The rule by which numbers decide a claim: stated here and nowhere else.

1. Every contrast gives one number a seed; seeds are paired (same first weights, batches, views).
2. Its mean is tested by exact sign flips, one-sided, towards what the claim says and against it.
   "Near a target" is tested by two one-sided tests at the ends of its margin (TOST).
3. All contrasts of a claim must hold: its p in favour is the largest of theirs. One that is
   refuted refutes the claim: its p against is the smallest of theirs times their number.
4. The claim's p is twice the smaller of the two, so that both verdicts together are wrong in at
   most 5 % of cases; Holm's correction then runs over all claims of the paper, those not run
   counting as p = 1.
5. *supported* if the corrected p is below 0.05 in favour and every contrast's 95 % interval lies
   where the claim says; *contradicted* if it is below 0.05 against and the refuting contrast's
   interval lies opposite; else *inconclusive*.
6. A contrast of critical learning rates decides nothing if more than a fifth of them lie beyond
   the studied range: they are taken to be its end, so the numbers would be the range's.

Two-sided, n seeds cannot give less than p = 2 / 2^n, and nine claims make that nine times as
much: nine seeds are the fewest that can decide (0.035), the studies have ten.

A bound is no matter of chance: one violation contradicts it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from orchestrator.claims.result import BoundResult, ClaimVerdict, ContrastResult
from orchestrator.paired import MINIMUM_SEEDS, adjust_holm, bound_mean, weigh_mean
from search_spaces.claim import Contrast

ALPHA = 0.05
MOST_CENSORED = 0.2
INTERVAL_SEEDS = 5
"""Fewer values have hardly any resamples that differ: a bootstrap of them says nothing."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What a contrast's numbers weigh; without two seeds nothing."""

    mean: float | None
    low: float | None
    high: float | None
    p_support: float
    p_against: float


@dataclass(frozen=True, slots=True)
class Leaning:
    """A claim's p before Holm's correction, the way it leans, and what else a verdict needs.

    ``is_in_range``: the studied range holds the thresholds that the claim is decided by.
    """

    p: float
    is_for: bool
    intervals_agree: bool
    is_in_range: bool


def weigh(values: Sequence[float], contrast: Contrast) -> Weight:
    """Weigh one number a seed against where the contrast expects their mean."""
    if len(values) < MINIMUM_SEEDS:
        mean = values[0] if values else None
        return Weight(mean, None, None, 1.0, 1.0)
    has_interval = len(values) >= INTERVAL_SEEDS
    interval = bound_mean(values)
    p_support, p_against = _test(values, contrast)
    return Weight(
        mean=float(np.mean(values)),
        low=float(interval.low_S) if has_interval else None,
        high=float(interval.high_S) if has_interval else None,
        p_support=p_support,
        p_against=p_against,
    )


def _test(values: Sequence[float], contrast: Contrast) -> tuple[float, float]:
    """Return p-values for and against."""
    match contrast.expect:
        case "above" | "below":
            sided = weigh_mean(values, contrast.target)
            pair = float(sided.above_S), float(sided.below_S)
            return pair if contrast.expect == "above" else pair[::-1]
        case "near":
            assert contrast.margin is not None, "the claim file is checked for it"
            low = weigh_mean(values, contrast.target - contrast.margin)
            high = weigh_mean(values, contrast.target + contrast.margin)
            outside = 2 * min(float(low.below_S), float(high.above_S))
            return max(float(low.above_S), float(high.below_S)), min(outside, 1.0)
        case unreachable:
            assert_never(unreachable)


def lean(contrasts: Sequence[ContrastResult]) -> Leaning:
    """Combine a claim's contrasts: rules 3, 4 and 6 but for Holm's correction."""
    p_for = max(c.p_support for c in contrasts)
    refuting = min(contrasts, key=lambda c: c.p_against)
    p_against = min(1.0, len(contrasts) * refuting.p_against)
    is_for = p_for <= p_against
    agree = all(map(lies_as_claimed, contrasts)) if is_for else lies_opposite(refuting)
    in_range = all(c.censored <= MOST_CENSORED * c.thresholds for c in contrasts)
    return Leaning(min(1.0, 2 * min(p_for, p_against)), is_for, agree, in_range)


def lies_as_claimed(contrast: ContrastResult) -> bool:
    """Return whether the whole interval lies where the claim says."""
    if contrast.low is None or contrast.high is None:
        return False
    lowest, highest = _region(contrast)
    return lowest < contrast.low and contrast.high < highest


def lies_opposite(contrast: ContrastResult) -> bool:
    """Return whether no part of the interval lies where the claim says."""
    if contrast.low is None or contrast.high is None:
        return False
    lowest, highest = _region(contrast)
    return contrast.high < lowest or contrast.low > highest


def _region(contrast: ContrastResult) -> tuple[float, float]:
    match contrast.expect:
        case "above":
            return contrast.target, np.inf
        case "below":
            return -np.inf, contrast.target
        case "near":
            margin = contrast.margin or 0.0
            return contrast.target - margin, contrast.target + margin
        case unreachable:
            assert_never(unreachable)


def correct(leanings: Sequence[Leaning], claims_of_paper: int) -> list[float]:
    """Return the claims' p-values after Holm's correction over a whole paper."""
    return adjust_holm([leaning.p for leaning in leanings], claims_of_paper)


def judge(leaning: Leaning, p_holm: float) -> ClaimVerdict:
    """Return the verdict: rules 5 and 6."""
    if p_holm >= ALPHA or not (leaning.intervals_agree and leaning.is_in_range):
        return ClaimVerdict.INCONCLUSIVE
    return ClaimVerdict.SUPPORTED if leaning.is_for else ClaimVerdict.CONTRADICTED


def judge_bound(bound: BoundResult) -> ClaimVerdict:
    """Return the verdict on a bound; unchecked, it is inconclusive."""
    if bound.checked == 0:
        return ClaimVerdict.INCONCLUSIVE
    return ClaimVerdict.CONTRADICTED if bound.violated else ClaimVerdict.SUPPORTED
