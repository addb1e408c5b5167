"""classify and is_settled: the definitions, their precedence, persistence, refusals."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.collapse.errors import MeasurementError
from trainer.collapse.regime import (
    COMPLETE_BELOW,
    CollapseLevel,
    Persistence,
    RankMetric,
    Regime,
    classify,
    is_settled,
)
from trainer.collapse.spectrum import measure

FIVE = CollapseLevel("effective_rank", 5.0)
TWO = CollapseLevel("effective_rank", 2.0)


@pytest.mark.parametrize(
    ("rank", "level", "expected"),
    [
        (1.0, FIVE, Regime.COMPLETE),
        (1.999, FIVE, Regime.COMPLETE),
        (2.0, FIVE, Regime.DIMENSIONAL),
        (4.999, FIVE, Regime.DIMENSIONAL),
        (5.0, FIVE, Regime.HEALTHY),
        (1.999, TWO, Regime.COMPLETE),
        (2.0, TWO, Regime.HEALTHY),
        (0.0, TWO, Regime.COMPLETE),
    ],
)
def test_regimes_by_rank(rank: float, level: CollapseLevel, expected: Regime) -> None:
    assert classify(rank, level, effective_rank=rank, is_finite=True) is expected


@settings(max_examples=50, deadline=None)
@given(rank=st.floats(0, 64))
def test_with_the_level_at_two_dimensional_cannot_occur(rank: float) -> None:
    verdict = classify(rank, TWO, effective_rank=rank, is_finite=True)
    assert verdict is (Regime.COMPLETE if rank < COMPLETE_BELOW else Regime.HEALTHY)


@settings(max_examples=50, deadline=None)
@given(low=st.floats(0, 64), high=st.floats(0, 64), below=st.floats(0.5, 40))
def test_a_higher_rank_never_gets_a_worse_regime(low: float, high: float, below: float) -> None:
    order = [Regime.COMPLETE, Regime.DIMENSIONAL, Regime.HEALTHY]
    level = CollapseLevel("effective_rank", below)
    ranks = sorted((low, high))
    verdicts = [classify(rank, level, effective_rank=rank, is_finite=True) for rank in ranks]
    assert order.index(verdicts[0]) <= order.index(verdicts[1])


def test_divergence_comes_first_whatever_the_rank_says() -> None:
    for rank in (1.0, 30.0, math.nan):
        assert classify(rank, FIVE, effective_rank=rank, is_finite=False) is Regime.DIVERGED


@pytest.mark.parametrize(
    ("utility", "expected"),
    [(0.5, Regime.HEALTHY), (0.1, Regime.UNDERTRAINED), (0.05, Regime.UNDERTRAINED)],
)
def test_undertrained_is_no_better_than_at_initialisation(utility: float, expected: Regime) -> None:
    verdict = classify(
        9.0, FIVE, effective_rank=9.0, is_finite=True, utility=utility, utility_at_init=0.1
    )
    assert verdict is expected


def test_collapse_explains_a_useless_trial_better_than_undertraining() -> None:
    for rank, expected in [(1.2, Regime.COMPLETE), (3.0, Regime.DIMENSIONAL)]:
        verdict = classify(
            rank, FIVE, effective_rank=rank, is_finite=True, utility=0.1, utility_at_init=0.1
        )
        assert verdict is expected


def test_complete_is_about_effective_rank_even_if_the_study_scores_another_metric() -> None:
    level = CollapseLevel("rankme", 20.0)
    assert classify(25.0, level, effective_rank=1.5, is_finite=True) is Regime.COMPLETE
    assert classify(19.0, level, effective_rank=9.0, is_finite=True) is Regime.DIMENSIONAL


@pytest.mark.parametrize(
    "metric", ["effective_rank", "rankme", "stable_rank", "participation_ratio"]
)
def test_a_level_reads_its_own_metric(metric: RankMetric) -> None:
    collapse = measure(torch.randn(3, 20, 8, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(CollapseLevel(metric, 2.0).score(collapse), getattr(collapse, metric))


def test_a_finite_trial_with_a_non_finite_rank_is_an_error_not_a_regime() -> None:
    with pytest.raises(MeasurementError, match="non-finite effective_rank"):
        classify(3.0, FIVE, effective_rank=math.nan, is_finite=True)
    with pytest.raises(MeasurementError, match="non-finite utility "):
        classify(
            9.0, FIVE, effective_rank=9.0, is_finite=True, utility=math.inf, utility_at_init=0.0
        )


def test_half_a_utility_comparison_is_refused() -> None:
    with pytest.raises(MeasurementError, match="both or neither"):
        classify(9.0, FIVE, effective_rank=9.0, is_finite=True, utility=0.5)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        pytest.param([], False, id="nothing-yet"),
        pytest.param([1.0], False, id="one-check"),
        pytest.param([9.0, 4.4, 4.4], True, id="two-in-a-row"),
        pytest.param([4.4, 9.0, 4.4], False, id="transient"),
        pytest.param([4.4, 4.4, 9.0], False, id="recovered"),
        pytest.param([4.4, 4.5], False, id="inside-the-margin"),
        pytest.param([4.4, math.nan], False, id="not-finite"),
        pytest.param([4.4, -math.inf], False, id="minus-infinity"),
    ],
)
def test_settled_needs_persistence_and_a_margin(scores: list[float], expected: bool) -> None:
    assert is_settled(scores, FIVE, Persistence(checks=2, margin=0.5)) is expected


@settings(max_examples=50, deadline=None)
@given(
    scores=st.lists(st.floats(0, 10), max_size=8),
    checks=st.integers(1, 4),
    margin=st.floats(0, 3),
)
def test_a_stricter_rule_never_settles_what_a_laxer_one_does_not(
    scores: list[float], checks: int, margin: float
) -> None:
    lax = is_settled(scores, FIVE, Persistence(checks, margin))
    assert lax or not is_settled(scores, FIVE, Persistence(checks + 1, margin))
    assert lax or not is_settled(scores, FIVE, Persistence(checks, margin + 1))


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"positive and finite, got 0\.0"):
        CollapseLevel("effective_rank", 0.0)
    with pytest.raises(ValueError, match="at least 1 check"):
        Persistence(checks=0, margin=0.1)
    with pytest.raises(ValueError, match="margin must be finite"):
        Persistence(margin=-0.1)


def test_missing_is_not_a_regime() -> None:
    assert {regime.value for regime in Regime} == {
        "healthy",
        "dimensional",
        "complete",
        "diverged",
        "undertrained",
    }
