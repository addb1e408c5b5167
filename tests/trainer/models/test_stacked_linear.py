"""Stacked linear layers: the definition member by member, gradients, rectified and not."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from trainer.losses.once import SecondDerivativeError
from trainer.models.stacked_linear import stacked_linear, stacked_linear_plain

sizes = st.tuples(*(st.integers(1, most) for most in (4, 9, 35, 35)))


def draw(size: tuple[int, int, int, int], seed: int = 0) -> list[Tensor]:
    """Return float64 inputs, weights, biases and a gradient for (M, N, F, G)."""
    members, samples, fan_in, fan_out = size
    generator = torch.Generator().manual_seed(seed)
    shapes = [
        (members, samples, fan_in),
        (members, fan_in, fan_out),
        (members, 1, fan_out),
        (members, samples, fan_out),
    ]
    return [torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]


def define(x: Tensor, weight: Tensor, bias: Tensor, *, rectify: bool) -> Tensor:
    """Return what each member's own linear layer makes of its inputs."""
    rows = [torch.nn.functional.linear(x[m], weight[m].T, bias[m, 0]) for m in range(len(weight))]
    return torch.stack([row.relu() if rectify else row for row in rows])


@settings(max_examples=40, deadline=None)
@given(size=sizes, rectify=st.booleans(), seed=st.integers(0, 2**16))
def test_values_and_gradients_are_those_of_each_members_own_layer(
    size: tuple[int, int, int, int], rectify: bool, seed: int
) -> None:
    *arguments, pull = draw(size, seed)
    leaves = [a.requires_grad_() for a in arguments]
    ours = stacked_linear(*leaves, rectify=rectify)
    theirs = define(*leaves, rectify=rectify)
    assert_close(ours, theirs)
    for found, expected in zip(
        torch.autograd.grad(ours, leaves, pull),
        torch.autograd.grad(theirs, leaves, pull),
        strict=True,
    ):
        assert_close(found, expected)


@pytest.mark.parametrize("rectify", [False, True])
@pytest.mark.parametrize("size", [(2, 3, 16, 16), (2, 3, 5, 17)], ids=["aligned", "ragged"])
def test_gradients_agree_with_finite_differences(
    size: tuple[int, int, int, int], rectify: bool
) -> None:
    x, weight, bias, _ = (a.requires_grad_() for a in draw(size))
    assert torch.autograd.gradcheck(
        lambda *given: stacked_linear(*given, rectify=rectify), (x, weight, bias)
    )


def test_the_plain_form_has_the_same_bits() -> None:
    x, weight, bias, _ = (a.float() for a in draw((3, 40, 20, 30)))
    assert torch.equal(stacked_linear(x, weight, bias), stacked_linear_plain(x, weight, bias))


@pytest.mark.parametrize("rectify", [False, True])
def test_a_members_bits_do_not_depend_on_its_neighbours(rectify: bool) -> None:
    *arguments, pull = (a.float() for a in draw((5, 33, 20, 30)))

    def differentiate(members: slice) -> list[Tensor]:
        leaves = [a[members].clone().requires_grad_() for a in arguments]
        out = stacked_linear(*leaves, rectify=rectify)
        return [out.detach(), *torch.autograd.grad(out, leaves, pull[members])]

    together = differentiate(slice(0, 5))
    for m in range(5):
        for alone, among in zip(differentiate(slice(m, m + 1)), together, strict=True):
            assert torch.equal(alone[0], among[m])


def test_inputs_that_need_no_gradient_get_none() -> None:
    x, weight, bias, pull = draw((2, 4, 6, 5))
    weight.requires_grad_()
    (gradient,) = torch.autograd.grad(stacked_linear(x, weight, bias), weight, pull)
    assert_close(gradient, x.mT @ pull)


def test_a_second_derivative_is_refused_rather_than_wrong() -> None:
    x, weight, bias, _ = (a.requires_grad_() for a in draw((1, 2, 3, 4)))
    with pytest.raises(SecondDerivativeError, match="can be differentiated once"):
        torch.autograd.grad(stacked_linear(x, weight, bias).sum(), x, create_graph=True)
