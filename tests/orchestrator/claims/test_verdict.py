"""The verdict rule: what it says of plain cases, and how often it is wrong in simulated papers."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.random import default_rng

from orchestrator.claims.result import BoundResult, ClaimVerdict, ContrastResult
from orchestrator.claims.verdict import ALPHA, correct, judge, judge_bound, lean, weigh
from orchestrator.paired import Floats, weigh_mean
from search_spaces.claim import Contrast

SEEDS = 10
ABOVE = Contrast(label="higher", measure="knn_accuracy", expect="above")
BELOW = Contrast(label="lower", measure="knn_accuracy", expect="below")
NEAR = Contrast(label="alike", measure="knn_accuracy", expect="near", margin=0.5)


def result_of(values: Sequence[float], contrast: Contrast) -> ContrastResult:
    weight = weigh(values, contrast)
    return ContrastResult(
        label=contrast.label,
        measure=contrast.measure,
        is_slope=False,
        expect=contrast.expect,
        target=contrast.target,
        margin=contrast.margin,
        seeds=tuple(range(len(values))),
        arms=(),
        values=tuple(values),
        mean=weight.mean,
        low=weight.low,
        high=weight.high,
        p_support=weight.p_support,
        p_against=weight.p_against,
        censored=0,
        dropped=0,
    )


def judge_alone(*contrasts: ContrastResult) -> ClaimVerdict:
    leaning = lean(contrasts)
    return judge(leaning, leaning.p)


def around(mean: float, spread: float = 0.1) -> list[float]:
    return [float(v) for v in mean + spread * np.linspace(-1, 1, SEEDS)]


@pytest.mark.parametrize(
    ("censored", "verdict"), [(20, ClaimVerdict.SUPPORTED), (21, ClaimVerdict.INCONCLUSIVE)]
)
def test_thresholds_that_mostly_lie_beyond_the_range_decide_nothing(
    censored: int, verdict: ClaimVerdict
) -> None:
    clear = result_of(around(1.0), ABOVE)
    counted = clear.model_copy(update={"thresholds": 100, "censored": censored})
    assert judge_alone(clear, counted) is verdict


@pytest.mark.parametrize(
    ("values", "contrast", "verdict"),
    [
        (around(1.0), ABOVE, ClaimVerdict.SUPPORTED),
        (around(-1.0), ABOVE, ClaimVerdict.CONTRADICTED),
        (around(0.01), ABOVE, ClaimVerdict.INCONCLUSIVE),
        (around(-1.0), BELOW, ClaimVerdict.SUPPORTED),
        (around(0.0), NEAR, ClaimVerdict.SUPPORTED),
        (around(0.5), NEAR, ClaimVerdict.INCONCLUSIVE),
        (around(-0.9), NEAR, ClaimVerdict.CONTRADICTED),
        ([1.0] * 5, ABOVE, ClaimVerdict.INCONCLUSIVE),  # five seeds can decide nothing
        ([1.0], ABOVE, ClaimVerdict.INCONCLUSIVE),
        ([], ABOVE, ClaimVerdict.INCONCLUSIVE),
    ],
)
def test_one_contrast(values: list[float], contrast: Contrast, verdict: ClaimVerdict) -> None:
    assert judge_alone(result_of(values, contrast)) is verdict


def test_fewer_than_five_seeds_have_a_mean_and_no_interval() -> None:
    four, five = (result_of([1.0, 2.0, 3.0, 4.0, 5.0][:n], ABOVE) for n in (4, 5))
    assert (four.mean, four.low, four.high) == (2.5, None, None)
    assert five.low is not None
    assert five.high is not None
    assert five.low < 3.0 < five.high


def test_all_contrasts_must_hold_and_one_refutes() -> None:
    good, vague = result_of(around(1.0), ABOVE), result_of(around(0.01), ABOVE)
    bad = result_of(around(-1.0), ABOVE)
    assert judge_alone(good, good) is ClaimVerdict.SUPPORTED
    assert judge_alone(good, vague) is ClaimVerdict.INCONCLUSIVE
    assert judge_alone(good, bad) is ClaimVerdict.CONTRADICTED


def test_holms_correction_can_take_a_verdict_back() -> None:
    values = [0.3, 0.4, 0.5, 0.6, -0.1, 0.2, 0.7, 0.1, 0.2, -0.05]
    leaning = lean([result_of(values, ABOVE)])
    alone, among_nine = correct([leaning], 1)[0], correct([leaning], 9)[0]
    assert judge(leaning, alone) is ClaimVerdict.SUPPORTED
    assert judge(leaning, among_nine) is ClaimVerdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("checked", "violated", "verdict"),
    [
        (0, 0, ClaimVerdict.INCONCLUSIVE),
        (9, 0, ClaimVerdict.SUPPORTED),
        (9, 1, ClaimVerdict.CONTRADICTED),
    ],
)
def test_a_bound_is_broken_by_one_violation(
    checked: int, violated: int, verdict: ClaimVerdict
) -> None:
    bound = BoundResult(label="b", checked=checked, violated=violated, least=None)
    assert judge_bound(bound) is verdict


def count_decided(papers_PCN: Floats, contrast: Contrast) -> float:
    """Return the share of papers (P) of which any claim (C) gets a verdict.

    Corrected p-values are at least the plain ones, so that claims whose plain p says nothing need
    not be weighed: they enter the correction as what they are.
    """
    sided = weigh_mean(papers_PCN, contrast.target)
    plain_PC = np.minimum(1.0, 2 * np.minimum(sided.above_S, sided.below_S))
    if contrast.margin is not None:
        plain_PC = np.zeros_like(plain_PC)
    decided = 0
    for claims_CN, p_C in zip(papers_PCN, plain_PC, strict=True):
        promising = [c for c, p in zip(claims_CN, p_C, strict=True) if p < ALPHA]
        leanings = [lean([result_of(list(values), contrast)]) for values in promising]
        corrected = correct(leanings, len(claims_CN))
        verdicts = [judge(one, p) for one, p in zip(leanings, corrected, strict=True)]
        decided += any(v is not ClaimVerdict.INCONCLUSIVE for v in verdicts)
    return decided / len(papers_PCN)


@pytest.mark.parametrize(("papers", "claims"), [(1000, 1), (1000, 9)])
@pytest.mark.parametrize("shape", ["normal", "heavy tails", "unequal spread"])
def test_of_papers_without_any_effect_at_most_one_in_twenty_gets_a_verdict(
    papers: int, claims: int, shape: str
) -> None:
    draw = default_rng(claims)
    size = (papers, claims, SEEDS)
    if shape == "normal":
        drawn = draw.normal(size=size)
    elif shape == "heavy tails":
        drawn = draw.standard_t(3, size=size)
    else:
        drawn = draw.normal(size=size) * draw.uniform(0.2, 5.0, size=(1, 1, SEEDS))
    assert count_decided(drawn, ABOVE) <= 0.05 + 1.64 * np.sqrt(0.05 * 0.95 / papers)


def test_an_effect_at_the_end_of_its_margin_is_called_near_in_at_most_one_of_twenty() -> None:
    papers = default_rng(5).normal(0.5, 0.2, size=(600, 1, SEEDS))
    assert count_decided(papers, NEAR) <= 0.05 + 1.64 * np.sqrt(0.05 * 0.95 / 600)


def test_an_effect_of_three_spreads_is_found_among_nine_claims() -> None:
    papers = default_rng(6).normal(0.0, 1.0, size=(100, 9, SEEDS))
    papers[:, 0] += 3.0
    assert count_decided(papers, ABOVE) > 0.9
