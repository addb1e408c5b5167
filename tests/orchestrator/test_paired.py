"""Paired statistics: against scipy, against loops, and by simulation of thousands of studies."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.random import Generator, default_rng
from scipy import stats

from orchestrator.paired import EXACT_SEEDS, Floats, adjust_holm, bound_mean, weigh_mean

STUDIES, SEEDS = 2000, 10
values = st.lists(st.integers(-50, 50).map(lambda v: v / 8), min_size=2, max_size=9)


@settings(max_examples=40, deadline=None)
@given(values=values, target=st.sampled_from([0.0, 0.5, -1.25]))
def test_sign_flips_agree_with_scipys_exact_permutation_test(
    values: list[float], target: float
) -> None:
    ours = weigh_mean(values, target)
    shifted = np.array(values) - target
    for side, p in ((1, ours.above_S), (-1, ours.below_S)):
        reference = stats.permutation_test(
            (side * shifted,),
            np.sum,
            permutation_type="samples",
            n_resamples=10**9,  # more than there are flips: exact
            alternative="greater",
        )
        assert float(p) == pytest.approx(float(reference.pvalue), abs=1e-12)


def test_five_seeds_cannot_pass_and_nine_can_pass_nine_times_over() -> None:
    assert float(weigh_mean([1.0] * 5).above_S) == 1 / 32
    assert 9 * 2 * float(weigh_mean([1.0] * 9).above_S) < 0.05
    assert 9 * 2 * float(weigh_mean([1.0] * 8).above_S) > 0.05


def test_many_seeds_are_tested_by_drawn_flips_that_agree_with_the_t_test() -> None:
    drawn = default_rng(0).normal(0.35, 1.0, EXACT_SEEDS + 16)
    p = float(weigh_mean(drawn).above_S)
    reference = stats.ttest_1samp(drawn, 0.0, alternative="greater").pvalue
    assert 0.001 < p < 0.5
    assert p == pytest.approx(float(reference), rel=0.15)


@settings(max_examples=25, deadline=None)
@given(values=values, scale=st.sampled_from([0.01, 3.0]), shift=st.sampled_from([-2.0, 7.0]))
@example(values=[0.25, 0.25, 0.25], scale=0.01, shift=-2.0)
def test_an_interval_moves_and_grows_with_its_values_and_holds_their_mean(
    values: list[float], scale: float, shift: float
) -> None:
    plain = bound_mean(values, resamples=499)
    moved = bound_mean(scale * np.array(values) + shift, resamples=499)
    assert float(plain.low_S) <= np.mean(values) + 1e-9
    assert float(plain.high_S) >= np.mean(values) - 1e-9
    for one, other in ((plain.low_S, moved.low_S), (plain.high_S, moved.high_S)):
        assert float(other) == pytest.approx(scale * float(one) + shift, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("value", [0.25, 0.01 * 0.25 - 2.0, -1e-7, 1e9 / 3])
@pytest.mark.parametrize("seeds", [3, 7, 10])
def test_equal_values_are_a_point_whatever_their_mean_rounds_to(value: float, seeds: int) -> None:
    found = bound_mean([value] * seeds)
    assert float(found.low_S) == pytest.approx(value, rel=1e-12)
    assert float(found.high_S) == pytest.approx(value, rel=1e-12)


def test_an_interval_is_that_of_a_bootstrap_t_written_with_loops() -> None:
    drawn = default_rng(3).normal(size=8)
    draw = default_rng(4)
    ts = []
    for _ in range(20_000):
        sample = [float(v) for v in draw.choice(drawn, size=8)]
        mean = math.fsum(sample) / 8
        spread = math.sqrt(math.fsum((v - mean) ** 2 for v in sample) / 8)
        if spread > 0:
            ts.append((mean - float(drawn.mean())) / spread)
    low, high = np.quantile(ts, [0.025, 0.975])
    ours = bound_mean(drawn)
    width = float(drawn.std()) * (high - low)
    assert float(ours.low_S) == pytest.approx(drawn.mean() - high * drawn.std(), abs=0.03 * width)
    assert float(ours.high_S) == pytest.approx(drawn.mean() - low * drawn.std(), abs=0.03 * width)


def draw_normal(draw: Generator) -> Floats:
    return draw.normal(0.3, 1.0, (STUDIES, SEEDS)) - 0.3


def draw_accuracies(draw: Generator) -> Floats:
    """Differences of two accuracies on 300 images each, which are alike seed by seed."""
    levels = draw.normal(0.7, 0.03, (STUDIES, SEEDS))
    right = [draw.binomial(300, np.clip(levels, 0, 1)) for _ in range(2)]
    return np.asarray((right[0] - right[1]) / 300)


def draw_skewed(draw: Generator) -> Floats:
    return np.asarray(draw.gamma(4.0, 1.0, (STUDIES, SEEDS)) - 4.0)


@pytest.mark.parametrize("draw", [draw_normal, draw_accuracies, draw_skewed])
def test_intervals_of_ten_seeds_hold_the_truth_in_93_to_97_of_100_studies(
    draw: Callable[[Generator], Floats],
) -> None:
    interval = bound_mean(draw(default_rng(1)), resamples=1999)
    coverage = np.mean((interval.low_S <= 0) & (interval.high_S >= 0))
    assert 0.93 <= coverage <= 0.97


def test_equal_values_give_the_point_itself() -> None:
    interval = bound_mean([0.25, 0.25, 0.25])
    assert (float(interval.low_S), float(interval.high_S)) == (0.25, 0.25)


def test_equal_input_gives_equal_bits() -> None:
    first, second = (bound_mean([0.1, 0.4, -0.2, 0.3]) for _ in range(2))
    assert (first.low_S, first.high_S) == (second.low_S, second.high_S)


@pytest.mark.parametrize("values", [[], [1.0]])
def test_fewer_than_two_seeds_are_refused(values: list[float]) -> None:
    for measure in (weigh_mean, bound_mean):
        with pytest.raises(ValueError, match="at least 2 paired seeds"):
            measure(values)


def naive_holm(p_values: list[float], tests: int) -> list[float]:
    """Return the smallest level at which Holm's step-down procedure rejects each, by bisection."""

    def rejects(level: float, place: int) -> bool:
        order = sorted(range(len(p_values)), key=lambda i: p_values[i])
        for rank, i in enumerate(order):
            if p_values[i] * (tests - rank) > level:
                return False
            if i == place:
                return True
        raise AssertionError

    found = []
    for place in range(len(p_values)):
        low, high = 0.0, 1.0
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (low, middle) if rejects(middle, place) else (middle, high)
        found.append(high)
    return found


@settings(max_examples=40, deadline=None)
@given(
    p_values=st.lists(
        st.integers(0, 64).map(lambda v: v / 64), min_size=1, max_size=6, unique=True
    ),
    unknown=st.integers(0, 4),
)
def test_holm_is_the_least_level_at_which_the_procedure_rejects(
    p_values: list[int], unknown: int
) -> None:
    tests = len(p_values) + unknown
    shares = [p / 64 for p in p_values]
    expected = naive_holm(shares, tests)
    assert adjust_holm(shares, tests) == pytest.approx(expected, abs=1e-9)


def test_holm_is_that_of_statsmodels() -> None:
    peer = pytest.importorskip("statsmodels.stats.multitest").multipletests
    for seed, count in enumerate((1, 2, 9, 40)):
        shares = default_rng(seed).uniform(0, 0.3, count) ** 2
        expected = peer(shares, alpha=0.05, method="holm")[1]
        assert adjust_holm(list(shares)) == pytest.approx(list(expected))


def test_holm_refuses_fewer_tests_than_p_values() -> None:
    with pytest.raises(ValueError, match="at least 2 tests, got 1"):
        adjust_holm([0.1, 0.2], tests=1)
