"""Large linear layers: exact, blind to their neighbours, and only where they are meant to be."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from trainer.models.large_linear import SMALLEST_PRODUCT, large_linear, suits_one_by_one
from trainer.models.layers import linear

# Samples, widths in and out: aligned, ragged, and the weight's gradient by either library.
SIZES = [(512, 64, 128), (512, 128, 128), (520, 127, 65), (300, 200, 100), (513, 33, 257)]
every_size = pytest.mark.parametrize("size", SIZES, ids=str)


def draw(size: tuple[int, int, int], members: int = 3) -> list[Tensor]:
    """Return inputs, weights, biases and a gradient."""
    samples, fan_in, fan_out = size
    generator = torch.Generator().manual_seed(0)
    shapes = [
        (members, samples, fan_in),
        (members, fan_in, fan_out),
        (members, 1, fan_out),
        (members, samples, fan_out),
    ]
    return [torch.randn(shape, generator=generator) for shape in shapes]


def differentiate(x: Tensor, weight: Tensor, bias: Tensor, pull: Tensor) -> list[Tensor]:
    """Return the output of :func:`linear` and its gradients by all arguments."""
    leaves = [tensor.detach().requires_grad_() for tensor in (x, weight, bias)]
    out = linear(*leaves)
    return [out.detach(), *torch.autograd.grad(out, leaves, pull)]


@every_size
def test_values_and_gradients_are_exact(size: tuple[int, int, int]) -> None:
    x, weight, bias, pull = draw(size)
    assert suits_one_by_one(x, weight)
    x64, weight64, bias64, pull64 = (t.double() for t in (x, weight, bias, pull))
    exact = [
        x64 @ weight64 + bias64,
        pull64 @ weight64.mT,
        x64.mT @ pull64,
        pull64.sum(dim=1, keepdim=True),
    ]
    for ours, theirs in zip(differentiate(x, weight, bias, pull), exact, strict=True):
        assert_close(ours.double(), theirs, rtol=1e-4, atol=1e-3)


@every_size
def test_a_members_bits_do_not_depend_on_its_neighbours(size: tuple[int, int, int]) -> None:
    everything = draw(size)
    together = differentiate(*everything)
    for m in range(3):
        alone = differentiate(*(tensor[m : m + 1].clone() for tensor in everything))
        for ours, theirs in zip(alone, together, strict=True):
            assert torch.equal(ours[0], theirs[m])


def test_inputs_that_need_no_gradient_get_none() -> None:
    x, weight, bias, pull = draw(SIZES[0])
    weight.requires_grad_()
    (gradient,) = torch.autograd.grad(large_linear(x, weight, bias), weight, pull)
    assert_close(gradient, x.mT @ pull, rtol=1e-4, atol=1e-3)


def test_members_may_share_their_inputs() -> None:
    x, weight, bias, _ = draw(SIZES[1])
    shared = x[:1].expand(3, -1, -1)
    assert torch.equal(linear(shared, weight, bias), linear(shared.clone(), weight, bias))


def test_small_members_other_dtypes_and_autocast_go_the_stacked_way() -> None:
    x, weight, _, _ = draw(SIZES[0])
    assert not suits_one_by_one(x[:, :-1], weight)
    assert x[:, :-1].shape[1] * weight[0].numel() < SMALLEST_PRODUCT
    assert not suits_one_by_one(x.double(), weight.double())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not suits_one_by_one(x, weight)
