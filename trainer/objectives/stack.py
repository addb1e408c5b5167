"""Per-member constants of a bound objective, and how members leave the stack.

Shape legend: M = members, B = pairs, D = embedding dim.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor

from trainer.losses.rows import normalize_rows, pad_columns
from trainer.objectives.protocol import ObjectiveBatch, ObjectiveContext

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

    def select(self, keep: Sequence[int]) -> Self:
        """Return the objective of the members at these positions, in this order."""
        rows = {
            field.name: value[list(keep)]
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        return replace(self, **rows)


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
    """Return both views L2-normalised, D padded with zero columns to a multiple of 16."""
    return normalize_rows(pad_columns(batch.x_MBD)), normalize_rows(pad_columns(batch.y_MBD))


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
    if x_MBD.device.type != "cpu" or x_MBD.shape[1] < SMALLEST_BATCH_TAKEN_ALONE:
        return loss(x_MBD, *others_M)
    members = zip(x_MBD.unbind(0), *(other.unbind(0) for other in others_M), strict=True)
    return torch.stack([loss(*member) for member in members])
