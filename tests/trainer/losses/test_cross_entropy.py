"""Cross-entropy on projections: torch's own, closed forms, gradients, members."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.trainer.losses.references import unit_rows
from trainer.losses.cross_entropy import cross_entropy
from trainer.losses.pairs import PairShapeError


def random_layer(*shape: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return weight, torch.randn(*shape[:-1], generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("batch", [1, 7])
def test_agrees_with_torch_over_both_views_in_one_batch(batch: int) -> None:
    x, y = unit_rows(batch, 5, seed=1), unit_rows(batch, 5, seed=2)
    weight, bias = random_layer(4, 5)
    labels = torch.arange(batch) % 4
    expected = torch.nn.functional.cross_entropy(
        torch.cat([x, y]) @ weight.T + bias, torch.cat([labels, labels])
    )
    assert_close(cross_entropy(x, y, labels, weight, bias), expected, rtol=1e-13, atol=0)


def test_a_layer_of_zeros_scores_the_log_of_the_classes() -> None:
    x, labels = unit_rows(6, 5, seed=1), torch.arange(6) % 3
    zeros = torch.zeros(3, 5, dtype=torch.float64)
    loss = cross_entropy(x, x, labels, zeros, zeros[:, 0])
    assert loss.item() == pytest.approx(math.log(3))


def test_gradients_are_those_of_the_value() -> None:
    x, y = unit_rows(4, 3, seed=1).requires_grad_(), unit_rows(4, 3, seed=2).requires_grad_()
    weight, bias = (value.requires_grad_() for value in random_layer(2, 3))
    labels = torch.tensor([0, 1, 1, 0])

    def loss(p: Tensor, q: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return cross_entropy(p, q, labels, w, b)

    assert torch.autograd.gradcheck(loss, (x, y, weight, bias))


def test_members_with_own_layers_and_labels_are_one_call() -> None:
    x, y = unit_rows(3, 7, 4, seed=1), unit_rows(3, 7, 4, seed=2)
    weight, bias = random_layer(3, 5, 4)
    labels = torch.randint(0, 5, (3, 7), generator=torch.Generator().manual_seed(0))
    stacked = cross_entropy(x, y, labels, weight, bias)
    for i in range(3):
        alone = cross_entropy(x[i], y[i], labels[i], weight[i], bias[i])
        assert_close(stacked[i], alone, rtol=1e-14, atol=0)


def test_views_that_do_not_match_are_refused() -> None:
    x = unit_rows(4, 3, seed=1)
    with pytest.raises(PairShapeError, match=r"equally shaped"):
        cross_entropy(x, x[:3], torch.zeros(4, dtype=torch.int64), *random_layer(2, 3))
