"""Per-member constants of a bound objective, and how members leave the stack.

Shape legend: M = members, B = pairs, D = embedding dim.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Self, TypeVar

import torch
from torch import Tensor

from trainer.losses.pairs import promote_half
from trainer.losses.rows import pad_columns
from trainer.losses.unit_views import normalize_views
from trainer.objectives.protocol import ObjectiveBatch, ObjectiveContext

Stack = TypeVar("Stack", bound="MemberStack")

SMALLEST_BATCH_TAKEN_ALONE = 128
"""Pairs from which on a member's 2B x 2B buffers fill the cache of a core by themselves."""


@dataclass(frozen=True, slots=True)
class MemberStack:
    """Base of bound objectives: every tensor field has one row per member.

    Fields that are no tensors (variants, switches) are shared by all members.
    """

    def init_parameters(self) -> dict[str, Tensor]:
        """Return {}: most objectives have nothing to learn."""
        return {}

    def differentiate(self, batch: ObjectiveBatch) -> tuple[Tensor, Tensor] | None:
        """Return None: most objectives leave their gradient to autograd."""
        del batch
        return None

    def select(self, keep: Sequence[int]) -> Self:
        """Return the objective of the members at these positions, in this order."""
        return select_rows(self, keep)


def select_rows(stack: Stack, keep: Sequence[int]) -> Stack:
    """Return the stack with these rows of its tensors, and all that the members share."""
    rows = {
        field.name: value[list(keep)]
        for field in fields(stack)
        if isinstance(value := getattr(stack, field.name), Tensor)
    }
    return replace(stack, **rows)


def member_scalars(values: Iterable[float], context: ObjectiveContext) -> Tensor:
    """Return one number per member as a tensor, shape (M,), never in half precision."""
    return torch.tensor(tuple(values), dtype=constant_dtype(context), device=context.device)


def draw_per_member(draw: Callable[[int, int], Tensor], context: ObjectiveContext) -> Tensor:
    """Return ``draw(position, seed)`` of each member, stacked, on the members' device."""
    drawn = [draw(position, seed) for position, seed in enumerate(context.seeds)]
    return torch.stack(drawn).to(device=context.device, dtype=constant_dtype(context))


def constant_dtype(context: ObjectiveContext) -> torch.dtype:
    """Return the members' dtype, but float32 for half precisions: losses are taken in it."""
    return torch.promote_types(context.dtype, torch.float32)


def unit_views(batch: ObjectiveBatch) -> tuple[Tensor, Tensor]:
    """Return both views L2-normalised, D padded with zero columns to a multiple of 16.

    Rows that the batch calls unit rows are padded only.
    """
    if batch.is_unit:
        x_MBD, y_MBD = pad_columns(promote_half(batch.views_MND)).chunk(2, dim=-2)
        return x_MBD, y_MBD
    return normalize_views(batch.views_MND)


def apply_in_cache(loss: Callable[..., Tensor], x_MBD: Tensor, *others_M: Tensor) -> Tensor:
    """Return ``loss`` of the whole stack, taken member by member where that is faster.

    For losses that pass over 2B x 2B buffers several times: on CPU one member's buffers stay in
    cache, those of the stack do not (at B = 256, 2 to 3 times the time). The size of one member
    decides, never the number of members, so that a member's bits do not depend on the others.

    Args:
        loss: Loss over leading member dimensions.
        x_MBD: Its first argument, shape (M, B, D).
        others_M: Its other arguments, each with a leading member dimension.

    Returns:
        Losses, shape (M,).
    """
    if x_MBD.shape[1] < SMALLEST_BATCH_TAKEN_ALONE:
        return loss(x_MBD, *others_M)
    return apply_one_by_one(loss, x_MBD, *others_M)


def apply_one_by_one(loss: Callable[..., Tensor], *stacks_M: Tensor) -> Tensor:
    """Return ``loss`` of each member, taken alone on CPU; other devices take the stack.

    Args:
        loss: Function with or without leading member dimensions, to one row per member.
        stacks_M: Its arguments, each with a leading member dimension.

    Returns:
        Its results, stacked.
    """
    if stacks_M[0].device.type != "cpu":
        return loss(*stacks_M)
    members = zip(*(stack.unbind(0) for stack in stacks_M), strict=True)
    return torch.stack([loss(*member) for member in members])
