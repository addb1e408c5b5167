"""SupCon and its cross-view variant: loops, closed forms, limits, gradients, members."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from tests.trainer.losses.references import unit_rows
from tests.trainer.losses.supervised_references import loop_supcon, loop_supcon_cross_view
from trainer.losses.infonce import infonce, nt_xent
from trainer.losses.pairs import PairShapeError
from trainer.losses.supcon import supcon, supcon_cross_view

Supervised = Callable[[Tensor, Tensor, Tensor, float | Tensor], Tensor]
Reference = Callable[[Tensor, Tensor, list[int], float], float]

AGAINST_LOOPS = [
    pytest.param(supcon, loop_supcon, id="out"),
    pytest.param(supcon_cross_view, loop_supcon_cross_view, id="cross-view"),
]
OBJECTIVES = [supcon, supcon_cross_view]


@pytest.mark.parametrize(("objective", "loop"), AGAINST_LOOPS)
@settings(max_examples=25, deadline=None)
@given(
    labels=st.lists(st.integers(0, 3), min_size=1, max_size=9),
    dim=st.integers(1, 6),
    tau=st.floats(0.005, 2.0),
    seed=st.integers(0, 2**16),
)
def test_agrees_with_a_loop_over_anchors_and_positives(
    objective: Supervised, loop: Reference, labels: list[int], dim: int, tau: float, seed: int
) -> None:
    x, y = unit_rows(len(labels), dim, seed=seed), unit_rows(len(labels), dim, seed=seed + 1)
    expected = loop(x, y, labels, tau)
    assert objective(x, y, torch.tensor(labels), tau).item() == pytest.approx(
        expected, rel=1e-10, abs=1e-10
    )


@pytest.mark.parametrize("tau", [0.005, 0.07])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_float32_stays_accurate_at_small_temperatures(objective: Supervised, tau: float) -> None:
    x, y, labels = unit_rows(64, 8, seed=1), unit_rows(64, 8, seed=2), torch.arange(64) % 5
    assert_close(
        objective(x.float(), y.float(), labels, tau).double(),
        objective(x, y, labels, tau),
        rtol=1e-5,
        atol=1e-4,
    )


def test_with_all_labels_different_supcon_is_nt_xent_and_cross_view_is_infonce() -> None:
    x, y, labels = unit_rows(8, 5, seed=1), unit_rows(8, 5, seed=2), torch.arange(8)
    assert_close(supcon(x, y, labels, 0.1), nt_xent(x, y, 0.1), rtol=1e-12, atol=0)
    assert_close(supcon_cross_view(x, y, labels, 0.1), infonce(x, y, 0.1), rtol=1e-12, atol=0)


def test_indistinguishable_rows_score_the_log_of_the_candidates() -> None:
    same = unit_rows(1, 5, seed=1).expand(6, 5)
    labels = torch.tensor([0, 0, 1, 1, 1, 2])
    assert supcon(same, same, labels, 0.1).item() == pytest.approx(math.log(11))
    # Two directions, each the mean over anchors of log(6 / size of the class).
    expected = 2 * sum(math.log(6 / size) for size in (2, 2, 3, 3, 3, 1)) / 6
    assert supcon_cross_view(same, same, labels, 0.1).item() == pytest.approx(expected)


def test_cross_view_asks_nothing_of_a_single_class() -> None:
    x, y = unit_rows(6, 5, seed=1), unit_rows(6, 5, seed=2)
    assert supcon_cross_view(x, y, torch.zeros(6, dtype=torch.int64), 0.1).item() == 0.0


def test_only_equality_of_labels_matters_not_their_values() -> None:
    x, y, labels = unit_rows(8, 5, seed=1), unit_rows(8, 5, seed=2), torch.arange(8) % 3
    renamed = torch.tensor([900, -7, 12])[labels]
    for objective in OBJECTIVES:
        assert torch.equal(objective(x, y, labels, 0.1), objective(x, y, renamed, 0.1))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_gradient_is_that_of_the_value(objective: Supervised) -> None:
    x, y = unit_rows(5, 3, seed=1).requires_grad_(), unit_rows(5, 3, seed=2).requires_grad_()
    labels = torch.tensor([0, 1, 0, 2, 1])
    assert torch.autograd.gradcheck(lambda p, q: objective(p, q, labels, 0.2), (x, y))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_members_with_own_temperatures_and_labels_are_one_call(objective: Supervised) -> None:
    x, y = unit_rows(2, 3, 7, 4, seed=1), unit_rows(2, 3, 7, 4, seed=2)
    tau = torch.linspace(0.05, 1.0, 6).reshape(2, 3)
    labels = torch.randint(0, 3, (2, 3, 7), generator=torch.Generator().manual_seed(0))
    stacked = objective(x, y, labels, tau)
    assert stacked.shape == (2, 3)
    for i, j in ((0, 0), (0, 2), (1, 1)):
        alone = objective(x[i, j], y[i, j], labels[i, j], tau[i, j])
        assert_close(stacked[i, j], alone, rtol=1e-14, atol=0)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_labels_without_member_dimension_are_shared(objective: Supervised) -> None:
    x, y, labels = unit_rows(3, 7, 4, seed=1), unit_rows(3, 7, 4, seed=2), torch.arange(7) % 2
    assert torch.equal(
        objective(x, y, labels, 0.1), objective(x, y, labels.expand(3, 7).clone(), 0.1)
    )


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_refuses_views_that_do_not_match_and_temperatures_that_divide_by_zero(
    objective: Supervised,
) -> None:
    x, labels = unit_rows(4, 3, seed=1), torch.zeros(4, dtype=torch.int64)
    with pytest.raises(PairShapeError, match=r"equally shaped"):
        objective(x, x[:3], labels, 0.1)
    with pytest.raises(ValueError, match=r"temperature must be positive"):
        objective(x, x, labels, 0.0)
