"""Instruments are written for one member; this maps them over a stack of members.

Each member is measured alone, from memory aligned like a tensor of its own. A batched product
may pick its kernel by the size of the batch or the alignment of a slice, and with it the last
bit; alone, a member's numbers cannot depend on who else is in the stack.

Shape legend: M = members (any number of leading dimensions), N = samples, D = dimension.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from trainer.collapse.errors import EmbeddingShapeError

ALIGNMENT_BYTES = 64
"""What PyTorch's allocator gives every new tensor."""


def map_members(instrument: Callable[..., Tensor], *stacks_MND: Tensor) -> Tensor:
    """Apply an instrument to every member and stack its results.

    Args:
        instrument: Takes one [N, D] matrix per stack, returns a tensor of a fixed shape.
        *stacks_MND: Tensors [..., N, D] whose leading dimensions broadcast, so that many
            members can be compared with one.

    Returns:
        The results, shape [..., *result].

    Raises:
        EmbeddingShapeError: If the leading dimensions do not broadcast.
    """
    results = torch.stack([instrument(*member) for member in iterate_members(*stacks_MND)])
    return results.reshape(leading_shape(*stacks_MND) + results.shape[1:])


def iterate_members(*stacks_MND: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Yield the matrices of each member in turn, contiguous and aligned; do not write to them.

    Raises:
        EmbeddingShapeError: If the leading dimensions do not broadcast.
    """
    leading = leading_shape(*stacks_MND)
    flat = [stack.expand(*leading, *stack.shape[-2:]) for stack in stacks_MND]
    flat = [stack.reshape(-1, *stack.shape[-2:]) for stack in flat]
    for index in range(leading.numel()):
        yield tuple(align(stack[index]) for stack in flat)


def leading_shape(*stacks_MND: Tensor) -> torch.Size:
    """Return the broadcast leading (member) shape of the stacks.

    Raises:
        EmbeddingShapeError: If the leading dimensions do not broadcast.
    """
    shapes = [tuple(stack.shape[:-2]) for stack in stacks_MND]
    try:
        return torch.Size(np.broadcast_shapes(*shapes))
    except ValueError as error:
        raise EmbeddingShapeError(f"member dimensions do not broadcast: {shapes}") from error


def align(tensor: Tensor) -> Tensor:
    """Return the tensor contiguous and aligned like one of its own; a copy only where it isn't."""
    tensor = tensor.contiguous()
    return tensor if tensor.data_ptr() % ALIGNMENT_BYTES == 0 else tensor.clone()
