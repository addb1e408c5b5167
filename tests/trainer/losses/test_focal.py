"""Asymmetric focal contrastive loss: loops, its limits, saturation, gradients, members."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from tests.trainer.losses.references import unit_rows
from tests.trainer.losses.supervised_references import loop_focal
from trainer.losses.focal import Normalizer, asymmetric_focal
from trainer.losses.pairs import PairShapeError
from trainer.losses.supcon import supcon

LABELS = torch.tensor([0, 0, 0, 0, 1, 1, 2])


@pytest.mark.parametrize("normalizer", ["positives", "views"])
@settings(max_examples=25, deadline=None)
@given(
    labels=st.lists(st.integers(0, 2), min_size=2, max_size=7),
    tau=st.floats(0.05, 2.0),
    gamma=st.floats(0, 10),
    eta=st.floats(0, 300),
    seed=st.integers(0, 2**16),
)
def test_agrees_with_a_loop_over_anchors(
    labels: list[int], tau: float, gamma: float, eta: float, seed: int, normalizer: Normalizer
) -> None:
    x, y = unit_rows(len(labels), 4, seed=seed), unit_rows(len(labels), 4, seed=seed + 1)
    ours = asymmetric_focal(x, y, torch.tensor(labels), tau, gamma, eta, normalizer=normalizer)
    expected = loop_focal(x, y, labels, tau, gamma, eta, normalizer)
    assert ours.item() == pytest.approx(expected, rel=1e-9, abs=1e-9)


def released_code(x: Tensor, y: Tensor, labels: Tensor, tau: float, g: float, e: float) -> Tensor:
    """The authors' steps: a dense softmax without the diagonal, plain means over columns."""
    views, classes = torch.cat([x, y]), torch.cat([labels, labels])
    off = 1 - torch.eye(len(views), dtype=views.dtype)
    logits = views @ views.T / tau
    log_p = logits - (logits.exp() * off).sum(dim=1, keepdim=True).log()
    positive = (classes[:, None] == classes) * off
    not_p = (1 - log_p.exp()).fill_diagonal_(1.0)
    pull = ((1 - log_p.exp()) ** g * positive * log_p * off).mean(dim=1)
    push = ((1 - positive) * off * not_p.log()).mean(dim=1)
    return -(pull + e * push).mean()


def test_with_the_views_normaliser_it_is_the_released_code() -> None:
    x, y = unit_rows(7, 4, seed=1), unit_rows(7, 4, seed=2)
    ours = asymmetric_focal(x, y, LABELS, 0.5, 2.0, 60.0, normalizer="views")
    assert_close(ours, released_code(x, y, LABELS, 0.5, 2.0, 60.0), rtol=1e-12, atol=0)


def test_without_focus_and_asymmetry_it_is_supcon() -> None:
    x, y = unit_rows(7, 4, seed=1), unit_rows(7, 4, seed=2)
    ours = asymmetric_focal(x, y, LABELS, 0.1, 0.0, 0.0)
    assert_close(ours, supcon(x, y, LABELS, 0.1), rtol=1e-12, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_negative_that_takes_the_whole_softmax_keeps_a_finite_push(dtype: torch.dtype) -> None:
    # Views of two classes coincide while the partner is opposite: p of the negative rounds to 1,
    # where log(1 - p) written plainly is -inf.
    row = torch.tensor([1.0, 0.0], dtype=dtype)
    x = torch.stack([row, row]).requires_grad_()
    loss = asymmetric_focal(x, -x, torch.tensor([0, 1]), 0.005, 2.0, 1.0)
    (slope,) = torch.autograd.grad(loss, x)
    assert loss.isfinite()
    assert slope.isfinite().all()
    assert loss.item() == pytest.approx(800.0, rel=1e-2)


def test_focus_only_lowers_the_loss() -> None:
    x, y = unit_rows(7, 4, seed=1), unit_rows(7, 4, seed=2)
    losses = [asymmetric_focal(x, y, LABELS, 0.5, gamma).item() for gamma in (0.0, 0.5, 2.0, 10.0)]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_gradient_is_that_of_the_value(gamma: float) -> None:
    x, y = unit_rows(4, 3, seed=1).requires_grad_(), unit_rows(4, 3, seed=2).requires_grad_()
    labels = torch.tensor([0, 1, 0, 2])
    assert torch.autograd.gradcheck(
        lambda p, q: asymmetric_focal(p, q, labels, 0.3, gamma, 2.0), (x, y)
    )


def test_members_with_own_scalars_are_one_call() -> None:
    x, y = unit_rows(3, 7, 4, seed=1), unit_rows(3, 7, 4, seed=2)
    tau, gamma, eta = torch.tensor([[0.1, 0.5, 1.0], [0.0, 2.0, 5.0], [0.0, 1.0, 60.0]]).double()
    stacked = asymmetric_focal(x, y, LABELS, tau, gamma, eta)
    for i in range(3):
        alone = asymmetric_focal(x[i], y[i], LABELS, tau[i], gamma[i], eta[i])
        assert_close(stacked[i], alone, rtol=1e-13, atol=0)


def test_views_that_do_not_match_are_refused() -> None:
    with pytest.raises(PairShapeError, match=r"equally shaped"):
        asymmetric_focal(torch.zeros(4, 3), torch.zeros(4, 2), LABELS[:4], 0.1)
