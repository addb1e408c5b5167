"""How the fused objectives cut their work: members one by one, and rows in chunks.

On CPU a member of a few hundred pairs is worked on alone, so that its B x B buffer stays in the
cache of one core, and because oneDNN has no batched float32 product. Small members, and members on
other devices, are worked on as one stack.

Shape legend: M = members, B = pairs, R = rows of one chunk. Trailing dims are free.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

CHUNK_ROWS = 256
CHUNK_ENTRIES = 2**20
"""Similarities worked on at a time, 4 MiB in float32, where that is fewer than CHUNK_ROWS rows."""

SMALLEST_BATCH_TAKEN_ALONE = 192
STACK_ALIGNMENT_BYTES = 128


def split_stack(stack_MB: Tensor, like: Tensor | None = None) -> tuple[Tensor, ...]:
    """Split a stack into what is worked on at a time: single members, or all of it.

    Args:
        stack_MB: Tensor with one leading member dim.
        like: The stack [M, B, ...] whose size decides; ``stack_MB`` itself by default.
    """
    decider_MB = stack_MB if like is None else like
    return stack_MB.unbind(0) if _go_one_by_one(decider_MB) else (stack_MB,)


def join_stack(parts: Sequence[Tensor], like: Tensor) -> Tensor:
    """Put results for the parts of ``like`` back into one tensor with a member dim."""
    return torch.stack(tuple(parts)) if _go_one_by_one(like) else parts[0]


def row_chunks(part_BD: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Yield (first row, rows) for chunks [..., R, D] of at most CHUNK_ROWS rows."""
    batch = part_BD.shape[-2]
    height = min(CHUNK_ROWS, max(CHUNK_ENTRIES // batch, 1))
    if batch <= height:
        yield 0, part_BD
        return
    for start in range(0, batch, height):
        yield start, part_BD[..., start : start + height, :]


def concatenate(chunks: Sequence[Tensor], dim: int) -> Tensor:
    """Concatenate, without a copy when there is one chunk only."""
    return chunks[0] if len(chunks) == 1 else torch.cat(tuple(chunks), dim)


def add(total: Tensor | None, term: Tensor) -> Tensor:
    """Add in place to a running total that starts as nothing."""
    return term if total is None else total.add_(term)


def _go_one_by_one(stack_MBD: Tensor) -> bool:
    # Looks at one member only: its bits must not depend on how many others there are. That is
    # also why members that don't fill whole vector registers go alone: torch's exp2 rounds the
    # last, incomplete register of a tensor differently, and MKL products depend on alignment.
    if stack_MBD.device.type != "cpu":
        return False
    _, batch, dim = stack_MBD.shape
    bytes_each = batch * stack_MBD.element_size()
    is_ragged = (
        bytes_each * batch % STACK_ALIGNMENT_BYTES or bytes_each * dim % STACK_ALIGNMENT_BYTES
    )
    return batch >= SMALLEST_BATCH_TAKEN_ALONE or bool(is_ragged)
