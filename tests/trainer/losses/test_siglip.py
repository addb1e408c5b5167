"""SigLIP: loops, closed forms, gradients of embeddings, scale and bias, members, refusals."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.trainer.losses.references import dot, unit_rows
from trainer.losses.pairs import PairShapeError
from trainer.losses.siglip import siglip, siglip_plain

Form = Callable[..., Tensor]
FORMS = [siglip, siglip_plain]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("scale", "bias"), [(10.0, -10.0), (1.0, 0.0), (200.0, -3.0), (0.0, 2.0)])
@pytest.mark.parametrize("batch", [1, 6])
def test_agrees_with_a_loop_over_pairs(form: Form, scale: float, bias: float, batch: int) -> None:
    x, y = unit_rows(batch, 4, seed=1), unit_rows(batch, 4, seed=2)
    total = 0.0
    for i in range(batch):
        for j in range(batch):
            logit = (1 if i == j else -1) * (scale * dot(x[i], y[j]) + bias)
            total += max(-logit, 0.0) + math.log1p(math.exp(-abs(logit)))
    assert form(x, y, scale, bias).item() == pytest.approx(total / batch, rel=1e-12)
    assert form(x.float(), y.float(), scale, bias).item() == pytest.approx(
        total / batch, rel=1e-5, abs=1e-5
    )


def test_initial_bias_starts_near_the_share_of_positives() -> None:
    # Orthogonal rows at k = 10, b = -10: the positive's logit is 0, every negative's is -10.
    eye = torch.eye(5, dtype=torch.float64)
    expected = math.log(2) + 4 * math.log1p(math.exp(-10))
    assert siglip(eye, eye, 10.0, -10.0).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("scale", "bias"), [(10.0, -10.0), (3.0, 1.0), (900.0, 0.0)])
def test_gradients_reach_embeddings_scale_and_bias(form: Form, scale: float, bias: float) -> None:
    x, y = unit_rows(2, 4, 3, seed=3), unit_rows(2, 4, 3, seed=4)
    k = torch.tensor([scale, scale / 2], dtype=torch.float64)
    b = torch.tensor([bias, bias + 1], dtype=torch.float64)
    inputs = [t.requires_grad_() for t in (x, y, k, b)]
    assert torch.autograd.gradcheck(form, inputs, eps=1e-6 / scale, rtol=1e-2)


def test_a_tiny_surprise_is_not_rounded_away() -> None:
    # log(1 + e^-30) is 9e-14: 1 + e^-30 is 1 in float32, and the loss must not be 0.
    x = torch.tensor([[1.0, 0.0]])
    assert siglip(x, x, 30.0, 0.0).item() == pytest.approx(math.exp(-30), rel=1e-5)


def test_a_member_has_the_same_bits_whatever_shares_its_stack() -> None:
    x = unit_rows(6, 256, 32, seed=7, dtype=torch.float32)
    y = unit_rows(6, 256, 32, seed=8, dtype=torch.float32)
    scale = torch.tensor([10.0, 100.0, 1.0, 300.0, 20.0, 5.0])
    bias = torch.tensor([-10.0, 0.0, 1.0, -5.0, -20.0, 2.0])

    def run(members: slice) -> list[Tensor]:
        leaves = [t[members].clone().requires_grad_() for t in (x, y, scale, bias)]
        loss = siglip(*leaves)
        return [loss.detach(), *torch.autograd.grad(loss.sum(), leaves)]

    stacked = run(slice(None))
    for members in (slice(0, 1), slice(3, 4), slice(2, 5)):
        for alone, together in zip(run(members), stacked, strict=True):
            assert torch.equal(alone, together[members])


def test_half_precision_is_promoted_and_bad_shapes_are_refused() -> None:
    x = unit_rows(4, 3, seed=1, dtype=torch.bfloat16)
    loss = siglip(x, x, 10.0, -10.0)
    assert loss.dtype == torch.float32
    assert_close(loss, siglip_plain(x.float(), x.float(), 10.0, -10.0))
    with pytest.raises(PairShapeError, match="equally shaped, non-empty"):
        siglip(x, x[:2], 10.0, -10.0)
