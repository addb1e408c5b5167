"""Euclidean norms of stacked tensors, and clipping by them.

Shape legend: M = members; tensors are (M, ...).
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

_EPS = 1e-6
"""As in torch.nn.utils.clip_grad_norm_."""


def member_norms(stack: Tensor) -> Tensor:
    """Return each member's Euclidean norm over everything else, shape (M,)."""
    rows = stack.flatten(1) if stack.ndim > 1 else stack[:, None]
    norms_M: Tensor = torch.linalg.vector_norm(rows, dim=1)
    return norms_M


def clip_scales(gradients: Sequence[Tensor], most: float) -> Tensor:
    """Return what each member's gradients are multiplied by so that their norm is at most ``most``.

    Step for step ``torch.nn.utils.clip_grad_norm_`` of each member alone: what is shorter stays
    as it is, what is longer gets the length ``most`` (less 1e-6 of it).

    Args:
        gradients: All gradient tensors of the members, one row each.
        most: Largest norm, above 0.

    Returns:
        Factors in (0, 1], shape (M,); NaN for a member with a NaN.
    """
    # Tensors along the rows: a sum over the leading dim rounds by the number of members.
    norms_MT = torch.stack([member_norms(gradient) for gradient in gradients], dim=1)
    norm_M: Tensor = torch.linalg.vector_norm(norms_MT, dim=1)
    return (most / (norm_M + _EPS)).clamp(max=1.0)


def scale_members(tensors: Mapping[str, Tensor], scale_M: Tensor) -> dict[str, Tensor]:
    """Return stacked tensors (M, ...), each member's rows multiplied by its number."""
    return {
        name: tensor * scale_M.view(-1, *[1] * (tensor.ndim - 1))
        for name, tensor in tensors.items()
    }
