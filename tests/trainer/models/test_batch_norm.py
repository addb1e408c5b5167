"""Stacked batch norm is torch.nn.BatchNorm1d of each member, in values, gradients and statistics.

Shape legend: M = members, N = samples, F = features.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from trainer.models.batch_norm import normalise_batch, normalise_by


@settings(max_examples=25, deadline=None)
@given(
    members=st.integers(1, 4),
    samples=st.integers(2, 40),
    width=st.integers(1, 40),
    offset=st.floats(-100, 100),
    seed=st.integers(0, 2**16),
)
def test_agrees_with_one_batch_norm_module_per_member(
    members: int, samples: int, width: int, offset: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    draw = torch.randn(members, samples, width, generator=generator, dtype=torch.float64)
    pushed = torch.randn(draw.shape, generator=generator, dtype=torch.float64)
    x = (draw + offset).requires_grad_()
    mean, var = torch.zeros(members, 1, width).double(), torch.ones(members, 1, width).double()
    out = normalise_batch(x, mean, var)
    (gradient,) = torch.autograd.grad(out, x, pushed)
    evaluated = normalise_by(x, mean, var)
    for m in range(members):
        module = torch.nn.BatchNorm1d(width, dtype=torch.float64)
        alone = x[m].detach().requires_grad_()
        expected = module(alone)
        (expected_gradient,) = torch.autograd.grad(expected, alone, pushed[m])
        assert_close(out[m], expected, rtol=1e-8, atol=1e-8)
        assert_close(gradient[m], expected_gradient, rtol=1e-6, atol=1e-6)
        assert module.running_mean is not None
        assert module.running_var is not None
        assert_close(mean[m, 0], module.running_mean)
        assert_close(var[m, 0], module.running_var)
        assert_close(evaluated[m], module.eval()(alone))


@pytest.mark.parametrize("width", [16, 33, 64])
def test_a_members_bits_do_not_depend_on_its_place_in_the_stack(width: int) -> None:
    x = torch.randn(9, 50, width, generator=torch.Generator().manual_seed(0))
    pushed = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))

    def differentiate(rows: slice) -> list[torch.Tensor]:
        leaf = x[rows].clone().requires_grad_()
        mean, var = torch.zeros(len(leaf), 1, width), torch.ones(len(leaf), 1, width)
        out = normalise_batch(leaf, mean, var)
        return [out, *torch.autograd.grad(out, leaf, pushed[rows]), mean, var]

    together = differentiate(slice(None))
    for m in range(len(x)):
        for alone, stacked in zip(differentiate(slice(m, m + 1)), together, strict=True):
            assert torch.equal(alone[0], stacked[m])
