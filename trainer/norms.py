"""Euclidean norms of stacked tensors, and clipping by them.

Shape legend: M = members; tensors are (M, ...).
"""

from collections.abc import Iterable

import torch
from torch import Tensor

_EPS = 1e-6
"""As in torch.nn.utils.clip_grad_norm_."""


def member_norms(stack: Tensor) -> Tensor:
    """Return each member's Euclidean norm over everything else, shape (M,)."""
    rows = stack.flatten(1) if stack.ndim > 1 else stack[:, None]
    norms_M: Tensor = torch.linalg.vector_norm(rows, dim=1)
    return norms_M


def clip_members(gradients: Iterable[dict[str, Tensor]], most: float) -> None:
    """Scale each member's gradients in place so that their joint norm is at most ``most``.

    Step for step ``torch.nn.utils.clip_grad_norm_`` of each member alone: what is shorter stays
    as it is, what is longer gets the length ``most`` (less 1e-6 of it).

    Args:
        gradients: Tensors of the same members, one row each; all of them count.
        most: Largest norm, above 0.
    """
    tensors = [tensor for named in gradients for tensor in named.values()]
    # Tensors along the rows: a sum over the leading dim rounds by the number of members.
    norms_MT = torch.stack([member_norms(tensor) for tensor in tensors], dim=1)
    norm_M: Tensor = torch.linalg.vector_norm(norms_MT, dim=1)
    scale_M = (most / (norm_M + _EPS)).clamp(max=1.0)
    for tensor in tensors:
        tensor.mul_(scale_M.view(-1, *[1] * (tensor.ndim - 1)))
