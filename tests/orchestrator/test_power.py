"""Power of paired comparisons: against statsmodels, and by simulation of thousands of studies."""

import numpy as np
import pytest
from numpy.random import default_rng
from scipy import stats

from orchestrator.paired import weigh_mean
from orchestrator.power import count_seeds, find_power

SEEDS_OF_PITMAN = 12


@pytest.mark.parametrize("effect", [0.25, 0.5, -0.8, 1.2])
@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
def test_seeds_are_those_of_statsmodels(effect: float, power: float) -> None:
    peer = pytest.importorskip("statsmodels.stats.power").TTestPower()
    seeds = count_seeds(effect, power)
    assert seeds is not None
    assert find_power(effect, seeds) == pytest.approx(peer.power(abs(effect), seeds, 0.05))
    assert seeds == 6 or peer.power(abs(effect), seeds - 1, 0.05) < power <= find_power(
        effect, seeds
    )


def test_the_counted_seeds_find_the_effect_as_often_as_asked() -> None:
    seeds = count_seeds(0.9, 0.8)
    assert seeds == SEEDS_OF_PITMAN
    drawn_SN = default_rng(0).normal(0.9, 1.0, (4000, seeds))
    by_t = np.mean(stats.ttest_1samp(drawn_SN, 0.0, axis=1).pvalue < 0.05)
    assert by_t == pytest.approx(0.8, abs=0.025)
    assert by_t == pytest.approx(find_power(0.9, seeds), abs=0.025)
    sided = weigh_mean(drawn_SN[:1000])
    by_flips = np.mean(2 * np.minimum(sided.above_S, sided.below_S) < 0.05)
    assert by_flips == pytest.approx(0.8, abs=0.06)


def test_a_huge_effect_needs_what_sign_flips_need_and_a_tiny_one_is_not_counted() -> None:
    assert count_seeds(50.0, 0.8) == 6
    assert 2 / 2**6 <= 0.05 < 2 / 2**5
    assert count_seeds(1e-6, 0.8) is None


def test_impossible_wishes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"between 0\.05 and 1, got 1"):
        count_seeds(0.5, 1.0)
    with pytest.raises(ValueError, match="at least 2 paired seeds, got 1"):
        find_power(0.5, 1)
