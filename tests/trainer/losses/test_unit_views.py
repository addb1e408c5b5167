"""Both views made unit rows at once: the values and gradients of each view alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from trainer.losses.once import SecondDerivativeError
from trainer.losses.rows import normalize_rows, pad_columns
from trainer.losses.unit_views import normalize_views


def draw(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def both_views(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Reference: the formula of one view, differentiated by autograd."""
    return pad_columns(normalize_rows(x)), pad_columns(normalize_rows(y))


@settings(max_examples=25, deadline=None)
@given(
    members=st.integers(1, 4),
    pairs=st.integers(1, 9),
    dim=st.integers(1, 40),
    zero=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_values_and_gradients_are_those_of_each_view_alone(
    members: int, pairs: int, dim: int, zero: bool, seed: int
) -> None:
    x, y = (draw(members, pairs, dim, seed=seed + i) for i in range(2))
    if zero:
        x[0, 0], y[-1, -1] = 0.0, 0.0
    leaves = [view.requires_grad_() for view in (x, y)]
    ours, theirs = normalize_views(torch.cat(leaves, dim=-2)), both_views(*leaves)
    pulls = [draw(*view.shape, seed=seed + 2) for view in ours]
    for mine, reference in zip(ours, theirs, strict=True):
        assert_close(mine, reference, rtol=1e-14, atol=1e-14)
    gradients = [torch.autograd.grad(views, leaves, pulls) for views in (ours, theirs)]
    for mine, reference in zip(*gradients, strict=True):
        assert_close(mine, reference, rtol=1e-11, atol=1e-13)


def test_only_one_view_may_be_used() -> None:
    x, y = (draw(2, 5, 3, seed=i).requires_grad_() for i in range(2))
    grad_x, grad_y = torch.autograd.grad(
        normalize_views(torch.cat([x, y], dim=-2))[1].sum(), (x, y), materialize_grads=True
    )
    assert not grad_x.any()
    assert grad_y.any()


def test_a_row_that_is_not_finite_leaves_the_others_alone() -> None:
    x, y = draw(2, 5, 3, seed=0), draw(2, 5, 3, seed=1)
    x[0, 1, 2], y[1, 4, 0] = torch.nan, torch.inf
    unit_x, unit_y = normalize_views(torch.cat([x, y], dim=-2))
    assert unit_x[0, 1, :3].isnan().all()
    assert unit_y[1, 4].isnan().any()
    for view in (unit_x, unit_y):
        assert view.isfinite().all(dim=-1).sum().item() == 9


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precisions_are_promoted(dtype: torch.dtype) -> None:
    x, y = draw(1, 4, 3, seed=0, dtype=dtype), draw(1, 4, 3, seed=1, dtype=dtype)
    for mine, exact in zip(
        normalize_views(torch.cat([x, y], dim=-2)), both_views(x.float(), y.float()), strict=True
    ):
        assert mine.dtype == torch.float32
        assert_close(mine, exact)


@pytest.mark.parametrize("dim", [3, 16])
def test_a_members_bits_do_not_depend_on_its_neighbours(dim: int) -> None:
    x, y = (draw(9, 7, dim, seed=i, dtype=torch.float32).requires_grad_() for i in range(2))
    pull = draw(9, 7, 16, seed=2, dtype=torch.float32)
    views = normalize_views(torch.cat([x, y], dim=-2))
    gradients = torch.autograd.grad(views, (x, y), (pull, pull))
    for m in range(9):
        own = [leaf.detach()[m : m + 1].clone().requires_grad_() for leaf in (x, y)]
        alone = normalize_views(torch.cat(own, dim=-2))
        of_own = torch.autograd.grad(alone, own, (pull[m : m + 1],) * 2)
        for mine, crowd in zip((*alone, *of_own), (*views, *gradients), strict=True):
            assert torch.equal(mine[0], crowd[m])


def test_second_derivatives_are_refused() -> None:
    x, y = (draw(2, 5, 3, seed=i).requires_grad_() for i in range(2))
    with pytest.raises(SecondDerivativeError, match="differentiated once"):
        torch.autograd.grad(
            normalize_views(torch.cat([x, y], dim=-2))[0].square().sum(), x, create_graph=True
        )
