"""Stacks of members: what is stacked, drawn, selected, and taken one by one."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.contracts.objective import context_for, random_batch
from trainer.losses.supcon import supcon_plain
from trainer.objectives.stack import (
    SMALLEST_BATCH_TAKEN_ALONE,
    MemberStack,
    apply_in_cache,
    draw_per_member,
    member_scalars,
    unit_views,
)


@dataclass(frozen=True, slots=True)
class Example(MemberStack):
    numbers_M: Tensor
    rows_MK: Tensor
    shared: str


def test_selecting_takes_rows_of_tensors_and_keeps_what_is_shared() -> None:
    example = Example(torch.arange(3), torch.arange(6).reshape(3, 2), "same")
    kept = example.select([2, 0])
    assert kept.numbers_M.tolist() == [2, 0]
    assert kept.rows_MK.tolist() == [[4, 5], [0, 1]]
    assert kept.shared == "same"


@pytest.mark.parametrize("pairs", [SMALLEST_BATCH_TAKEN_ALONE - 1, SMALLEST_BATCH_TAKEN_ALONE])
def test_taking_members_one_by_one_changes_nothing(pairs: int) -> None:
    batch = random_batch(pairs, 5)
    views = unit_views(batch)
    tau = torch.tensor([0.1, 0.5, 1.0], dtype=torch.float64)
    ours = apply_in_cache(supcon_plain, *views, batch.labels_MB, tau)
    assert_close(ours, supcon_plain(*views, batch.labels_MB, tau), rtol=1e-13, atol=0)


def test_arguments_of_another_number_of_members_are_refused() -> None:
    batch = random_batch(SMALLEST_BATCH_TAKEN_ALONE, 5)
    with pytest.raises(ValueError, match=r"zip\(\) argument"):
        apply_in_cache(supcon_plain, *unit_views(batch), batch.labels_MB, torch.ones(2))


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
    ids=str,
)
def test_constants_are_never_rounded_to_half_precision(
    dtype: torch.dtype, expected: torch.dtype
) -> None:
    context = replace(context_for(random_batch(4, 5)), dtype=dtype)
    assert member_scalars([0.1, 0.2, 0.3], context).dtype == expected
    drawn = draw_per_member(lambda position, seed: torch.tensor([position, seed]), context)
    assert drawn.dtype == expected
    assert drawn.tolist() == [[0, 0], [1, 1], [2, 2]]
