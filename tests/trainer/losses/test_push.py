"""The negatives' weights: loops, and the gradients that they make up."""

import math

import pytest
import torch
from torch.testing import assert_close

from tests.trainer.losses.references import dot, unit_rows
from trainer.losses.infonce import one_way_infonce, similarity_logits
from trainer.losses.push import infonce_push, siglip_push


@pytest.mark.parametrize("tau", [0.02, 0.1, 1.0])
def test_infonce_agrees_with_a_loop(tau: float) -> None:
    x, y = 1.3 * unit_rows(5, 4, seed=0), unit_rows(5, 4, seed=1)
    expected = []
    for i in range(5):
        powers = [math.exp(dot(x[i], y[j]) / tau) for j in range(5)]
        expected.append((sum(powers) - powers[i]) / sum(powers) / tau)
    assert infonce_push(x, y, tau).tolist() == pytest.approx(expected, rel=1e-9)


def test_siglip_agrees_with_a_loop() -> None:
    x, y = unit_rows(5, 4, seed=0), unit_rows(5, 4, seed=1)
    expected = [
        sum(3 / (1 + math.exp(-(3 * dot(x[i], y[j]) - 2))) for j in range(5) if j != i)
        for i in range(5)
    ]
    assert siglip_push(x, y, 3.0, -2.0).tolist() == pytest.approx(expected, rel=1e-12)


def test_they_are_the_gradient_by_a_negative_that_all_negatives_share() -> None:
    # With all negatives at one point n: the gradient at the anchor is push * (n - partner) / B.
    anchor, partner, negative = unit_rows(3, 6, seed=2)
    x = torch.stack([anchor, negative, negative, negative]).requires_grad_()
    y = torch.stack([partner, negative, negative, negative])
    (gradient,) = torch.autograd.grad(one_way_infonce(similarity_logits(x, y, 0.2)), x)
    push = infonce_push(x.detach(), y, 0.2)[0]
    assert_close(gradient[0], push * (negative - partner) / 4, rtol=1e-10, atol=1e-12)


def test_a_small_push_is_not_lost_beside_a_sure_partner() -> None:
    x = torch.eye(4, dtype=torch.float32)
    push = infonce_push(x, x, 0.02)
    assert_close(push.double(), torch.full((4,), 3 * math.exp(-50) / 0.02, dtype=torch.float64))


def test_members_have_scalars_of_their_own() -> None:
    x, y = unit_rows(2, 5, 4, seed=0), unit_rows(2, 5, 4, seed=1)
    scalars = torch.tensor([0.1, 0.7], dtype=torch.float64)
    together = infonce_push(x, y, scalars), siglip_push(x, y, scalars, -scalars)
    for m, scalar in enumerate(scalars.tolist()):
        assert_close(together[0][m], infonce_push(x[m], y[m], scalar))
        assert_close(together[1][m], siglip_push(x[m], y[m], scalar, -scalar))
