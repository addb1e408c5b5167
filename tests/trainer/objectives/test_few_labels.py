"""SupCon where only some labels may be used."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.contracts.objective import read_settings
from trainer.losses.infonce import infonce, nt_xent
from trainer.objective import ObjectiveBatch, ObjectiveContext, build_objective

CONTEXT = ObjectiveContext(
    batch_size=8,
    embed_dim=4,
    class_count=3,
    seeds=(0,),
    device=torch.device("cpu"),
    dtype=torch.float64,
)


def make_batch(labelled: list[bool], labels: list[int]) -> ObjectiveBatch:
    generator = torch.Generator().manual_seed(0)
    views_MND = torch.randn(1, 16, 4, generator=generator, dtype=torch.float64)
    return ObjectiveBatch(views_MND, torch.tensor([labels]), torch.tensor([labelled]))


def loss_of(batch: ObjectiveBatch, variant: str) -> torch.Tensor:
    settings = read_settings(kind="supcon", variant=variant, temperature=0.3)
    return build_objective([settings], CONTEXT)({}, batch)


@pytest.mark.parametrize(("variant", "unsupervised"), [("out", nt_xent), ("cross_view", infonce)])
def test_without_any_label_it_is_the_unsupervised_loss(
    variant: str, unsupervised: Callable[[Tensor, Tensor, float], Tensor]
) -> None:
    batch = make_batch([False] * 8, [0, 1, 2, 0, 1, 2, 0, 1])
    unit_MND = batch.views_MND / batch.views_MND.norm(dim=-1, keepdim=True)
    x_MBD, y_MBD = unit_MND.chunk(2, dim=-2)
    assert_close(loss_of(batch, variant), unsupervised(x_MBD, y_MBD, 0.3))


@pytest.mark.parametrize("variant", ["out", "cross_view"])
def test_what_an_unlabelled_sample_is_changes_nothing_and_what_a_labelled_one_is_does(
    variant: str,
) -> None:
    labelled = [True] * 4 + [False] * 4
    loss = loss_of(make_batch(labelled, [0, 1, 0, 1, 2, 2, 2, 2]), variant)
    other = loss_of(make_batch(labelled, [0, 1, 0, 1, 0, 1, 0, 1]), variant)
    assert torch.equal(loss, other), "a hidden label leaks"
    assert not torch.equal(loss, loss_of(make_batch(labelled, [0, 0, 1, 1, 2, 2, 2, 2]), variant))
