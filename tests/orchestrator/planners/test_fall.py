"""The shape of a score's fall against its slope, and what is fitted of it against the truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.planners.surface.fall import NODES, OUTWARDS, Fall
from orchestrator.planners.world_kind import WorldKind
from tests.orchestrator.planners.lab import search_world, study_over

FALL = Fall.over(healthy=2.5, collapsed=0.7)
SIDES = st.sampled_from([0, 1])
LOG_SLOPES_K = np.random.default_rng(0).normal(-1.0, 0.7, NODES)


def slope_at(size: float, side: int) -> float:
    return float(FALL.shares(np.array([size]), side)[0] @ np.exp(LOG_SLOPES_K))


def distance_at(size: float, side: int) -> float:
    return float(FALL.lengths(np.array([size]), side)[0] @ np.exp(LOG_SLOPES_K))


@given(side=SIDES, share=st.floats(0.0, 1.0))
def test_a_distance_is_the_integral_of_the_slope(side: int, share: float) -> None:
    size = share * FALL.ends[side]
    nodes = [float(y) for y in FALL.sizes_K[OUTWARDS[side]] if y < size]
    slopes = [slope_at(y, side) for y in [*nodes, size]]
    expected = np.trapezoid(slopes, [*nodes, size])  # exact: slopes are linear between nodes
    assert distance_at(size, side) == pytest.approx(expected, abs=1e-9)


@given(side=SIDES, share=st.floats(0.0, 1.0))
def test_nodes_share_a_slope_among_them(side: int, share: float) -> None:
    shares_K = FALL.shares(np.array([share * FALL.ends[side]]), side)[0]
    assert shares_K.sum() == pytest.approx(1.0)
    assert (shares_K >= 0).all()
    assert np.count_nonzero(shares_K) <= 2


@pytest.mark.parametrize("side", [0, 1])
def test_the_slope_at_a_node_is_the_nodes_own(side: int) -> None:
    nodes = OUTWARDS[side]
    slopes_J = FALL.shares(FALL.sizes_K[nodes], side) @ np.exp(LOG_SLOPES_K)
    assert slopes_J == pytest.approx(np.exp(LOG_SLOPES_K[nodes]))


def test_both_sides_have_one_slope_at_the_threshold() -> None:
    assert slope_at(0.0, 0) == pytest.approx(slope_at(0.0, 1))


@given(side=SIDES, share=st.floats(0.0, 1.0))
def test_scores_are_found_again_by_their_distances(side: int, share: float) -> None:
    size = share * FALL.ends[side]
    found = FALL.sizes_at(np.array([distance_at(size, side)]), side, LOG_SLOPES_K)[0]
    assert found == pytest.approx(size, abs=0.02 * FALL.ends[side])  # it is tabulated


@pytest.mark.parametrize("side", [0, 1])
def test_nothing_is_farther_than_the_last_node(side: int) -> None:
    reach = float(FALL.reach()[side] @ np.exp(LOG_SLOPES_K))
    assert distance_at(10.0, side) == pytest.approx(reach)
    far = FALL.sizes_at(np.array([100.0]), side, LOG_SLOPES_K)
    assert far == pytest.approx([FALL.ends[side]])


def test_many_trials_of_one_slice_show_the_seed_noise_and_the_slope_as_they_are() -> None:
    # Were a reading's noise taken from where the reading itself says that its threshold lies,
    # these would come out at half and at three quarters of the truth.
    fits = [
        search_world(WorldKind.SMOOTH, study_over(0, replicates=256), seed, trials=192).search.fit()
        for seed in range(4)
    ]
    seed_noise = np.mean([fit.seed_noise for fit in fits])
    slope = np.mean([np.exp(fit.layout.link(fit.vector).log_slopes_K[0]) for fit in fits])
    assert seed_noise == pytest.approx(np.hypot(0.04, 0.01), rel=0.15)
    # The world's logistic falls by (score - 1) (1 - share) / softness a decade; level 2 of 24.
    assert slope == pytest.approx(0.27 * 2.0 / (1.0 - 1.0 / 23.0), rel=0.15)
