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
