"""VICReg: loops over columns, terms that vanish, gradients, members."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from trainer.losses.pairs import PairShapeError
from trainer.losses.vicreg import covariance_penalty, variance_hinge, vicreg


def random_rows(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def covariance(columns: list[list[float]], a: int, b: int) -> float:
    count = len(columns[a])
    mean_a, mean_b = sum(columns[a]) / count, sum(columns[b]) / count
    products = [(p - mean_a) * (q - mean_b) for p, q in zip(columns[a], columns[b], strict=True)]
    return sum(products) / (count - 1)


def loop_vicreg(x: Tensor, y: Tensor, weights: tuple[float, float, float]) -> float:
    dim = x.shape[1]
    gaps = [float(a - b) ** 2 for a, b in zip(x.flatten(), y.flatten(), strict=True)]
    hinge = penalty = 0.0
    for view in (x, y):
        columns = [[float(value) for value in column] for column in view.T]
        for a in range(dim):
            spread = math.sqrt(covariance(columns, a, a) + 1e-4)
            hinge += max(0.0, 1 - spread) / dim / 2
            penalty += sum(covariance(columns, a, b) ** 2 for b in range(dim) if b != a) / dim
    return weights[0] * sum(gaps) / len(gaps) + weights[1] * hinge + weights[2] * penalty


@settings(max_examples=25, deadline=None)
@given(
    batch=st.integers(2, 9),
    dim=st.integers(1, 6),
    scale=st.floats(0.01, 10.0),
    weights=st.tuples(st.floats(0, 30), st.floats(0, 30), st.floats(0, 30)),
    seed=st.integers(0, 2**16),
)
def test_agrees_with_a_loop_over_columns(
    batch: int, dim: int, scale: float, weights: tuple[float, float, float], seed: int
) -> None:
    x = scale * random_rows(batch, dim, seed=seed)
    y = x + random_rows(batch, dim, seed=seed + 1)
    expected = loop_vicreg(x, y, weights)
    assert vicreg(x, y, *weights).item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_white_columns_of_unit_variance_cost_nothing() -> None:
    # Rows +-c e_k: zero mean, no covariance, variance 2 c^2 / 7 of each of 4 columns.
    rows = math.sqrt(3.5) * torch.cat([torch.eye(4), -torch.eye(4)]).double()
    assert vicreg(rows, rows).item() == 0.0


def test_collapsed_columns_cost_the_whole_hinge() -> None:
    rows = torch.full((6, 4), 3.0, dtype=torch.float64)
    assert variance_hinge(rows).item() == pytest.approx(1 - math.sqrt(1e-4))
    assert covariance_penalty(rows).item() == 0.0


def test_gradient_is_that_of_the_value() -> None:
    x, y = random_rows(5, 3, seed=1).requires_grad_(), random_rows(5, 3, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(vicreg, (x, y))


def test_members_with_own_weights_are_one_call() -> None:
    x, y = random_rows(3, 6, 5, seed=1), random_rows(3, 6, 5, seed=2)
    weights = torch.tensor([[25.0, 1.0, 0.0], [25.0, 2.0, 1.0], [1.0, 0.5, 3.0]])
    stacked = vicreg(x, y, *weights)
    for i in range(3):
        alone = vicreg(x[i], y[i], weights[0, i], weights[1, i], weights[2, i])
        assert_close(stacked[i], alone, rtol=1e-14, atol=0)


def test_views_that_do_not_match_are_refused() -> None:
    with pytest.raises(PairShapeError, match=r"equally shaped"):
        vicreg(torch.zeros(4, 3), torch.zeros(4, 2))
