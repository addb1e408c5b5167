"""Barlow Twins: loops over columns, closed forms, gradients, members."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from trainer.losses.barlow_twins import barlow_twins
from trainer.losses.pairs import PairShapeError


def random_rows(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def standardized(column: Tensor) -> list[float]:
    values = [float(value) for value in column]
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / len(values)
    return [(value - mean) / math.sqrt(variance + 1e-5) for value in values]


def loop_barlow_twins(x: Tensor, y: Tensor, weight: float) -> float:
    left, right = [standardized(c) for c in x.T], [standardized(c) for c in y.T]
    total = 0.0
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            correlation = sum(p * q for p, q in zip(a, b, strict=True)) / len(a)
            total += (1 - correlation) ** 2 if i == j else weight * correlation**2
    return total


@settings(max_examples=25, deadline=None)
@given(
    batch=st.integers(1, 9),
    dim=st.integers(1, 6),
    weight=st.floats(0, 1),
    seed=st.integers(0, 2**16),
)
def test_agrees_with_a_loop_over_columns(batch: int, dim: int, weight: float, seed: int) -> None:
    x, y = random_rows(batch, dim, seed=seed), random_rows(batch, dim, seed=seed + 1)
    expected = loop_barlow_twins(x, y, weight)
    assert barlow_twins(x, y, weight).item() == pytest.approx(expected, rel=1e-10, abs=1e-10)


def test_equal_views_with_uncorrelated_columns_cost_nothing_but_the_epsilon() -> None:
    rows = 1e3 * torch.cat([torch.eye(4), -torch.eye(4)]).double()
    assert barlow_twins(rows, rows).item() == pytest.approx(0.0, abs=1e-18)


def test_constant_columns_cost_one_each() -> None:
    rows = torch.full((6, 4), 3.0, dtype=torch.float64)
    assert barlow_twins(rows, rows).item() == 4.0


def test_gradient_is_that_of_the_value() -> None:
    x, y = random_rows(5, 3, seed=1).requires_grad_(), random_rows(5, 3, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(barlow_twins, (x, y))


def test_members_with_own_weights_are_one_call() -> None:
    x, y, weight = random_rows(3, 6, 5, seed=1), random_rows(3, 6, 5, seed=2), torch.rand(3)
    stacked = barlow_twins(x, y, weight)
    for i in range(3):
        assert_close(stacked[i], barlow_twins(x[i], y[i], weight[i]), rtol=1e-14, atol=0)


def test_views_that_do_not_match_are_refused() -> None:
    with pytest.raises(PairShapeError, match=r"equally shaped"):
        barlow_twins(torch.zeros(4, 3), torch.zeros(4, 2))
