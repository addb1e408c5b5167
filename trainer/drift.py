"""Drift: how much of an update goes along the pull of the positive pair.

Two measures that are never mixed up: ``drift_grad`` looks at the gradient of a loss on the
embeddings themselves, ``drift_step`` at what an optimiser step of the network did to them.
Both are mean cosines, so higher means less drift.

Shape legend: M = members (any number of leading dimensions), B = pairs, D = dimension.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.collapse.errors import EmbeddingShapeError
from trainer.collapse.members import map_members
from trainer.collapse.rows import check_embeddings, normalize_rows, round_off_variance

PairLoss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class GradientDrift:
    """Mean cosines [...] in [-1, 1], float64, with x and with y as the anchors.

    Attributes:
        x: Between -dL/dx_i and its positive y_i.
        y: Between -dL/dy_i and its positive x_i.
        tangent_x: As ``x``, both vectors projected on the tangent plane of the sphere at x_i.
        tangent_y: As ``y``, both vectors projected on the tangent plane of the sphere at y_i.
    """

    x: Tensor
    y: Tensor
    tangent_x: Tensor
    tangent_y: Tensor


@dataclass(frozen=True, slots=True)
class StepDrift:
    """Mean cosines [...] in [-1, 1], float64, between movement and pull.

    Attributes:
        x: Between x_i after - x_i before and y_i before - x_i before.
        y: Between y_i after - y_i before and x_i before - y_i before.
    """

    x: Tensor
    y: Tensor


def drift_grad(loss: PairLoss, x_MBD: Tensor, y_MBD: Tensor) -> GradientDrift:
    """Measure how far the loss pulls each embedding towards its positive.

    A vanishing gradient, or in the tangent plane a positive that coincides with its anchor,
    counts as cosine 0. Neither the loss's parameters nor their ``.grad`` are touched.

    Args:
        loss: Takes (x, y), returns the loss of each member [...]; members must not interact.
        x_MBD: Embeddings [..., B, D] of one modality, as the loss takes them (unit rows).
        y_MBD: Embeddings of the other, same shape; row i is the positive of row i.

    Returns:
        The drift of both modalities, in the ambient space and in the tangent plane.

    Raises:
        EmbeddingShapeError: If the shapes differ or are not [..., B, D].
        NonFiniteEmbeddingError: If an embedding or a gradient is NaN or infinite.

    References:
        Luo et al., "SupCLAP", arXiv:2509.21033, Fig. 1.
    """
    _check_same_shape(x_MBD, y_MBD)
    leaves = (x_MBD.detach().requires_grad_(), y_MBD.detach().requires_grad_())
    with torch.enable_grad():
        gradient_x, gradient_y = torch.autograd.grad(loss(*leaves).sum(), leaves)
    return drift_of_gradients(gradient_x, gradient_y, x_MBD, y_MBD)


def drift_of_gradients(
    gradient_x_MBD: Tensor, gradient_y_MBD: Tensor, x_MBD: Tensor, y_MBD: Tensor
) -> GradientDrift:
    """Measure :func:`drift_grad` from gradients that are known already.

    Args:
        gradient_x_MBD: dL/dx, shape [..., B, D].
        gradient_y_MBD: dL/dy, same shape.
        x_MBD: The embeddings they were taken at, same shape.
        y_MBD: Their positives, same shape.

    Returns:
        The drift of both modalities, in the ambient space and in the tangent plane.

    Raises:
        EmbeddingShapeError: If the shapes differ or are not [..., B, D].
        NonFiniteEmbeddingError: If an embedding or a gradient is NaN or infinite.
    """
    _check_same_shape(x_MBD, y_MBD, gradient_x_MBD, gradient_y_MBD)
    return GradientDrift(
        x=map_members(_mean_cosine, -gradient_x_MBD, y_MBD),
        y=map_members(_mean_cosine, -gradient_y_MBD, x_MBD),
        tangent_x=map_members(_tangent_cosine, -gradient_x_MBD, y_MBD, x_MBD),
        tangent_y=map_members(_tangent_cosine, -gradient_y_MBD, x_MBD, y_MBD),
    )


def drift_step(
    x_before_MBD: Tensor, y_before_MBD: Tensor, x_after_MBD: Tensor, y_after_MBD: Tensor
) -> StepDrift:
    """Measure whether an optimiser step moved each embedding towards its positive.

    An embedding that did not move, or that coincides with its positive, counts as cosine 0.

    Args:
        x_before_MBD: Embeddings [..., B, D] of one modality on a fixed probe batch, before
            the step.
        y_before_MBD: Those of the other modality; row i is the positive of row i.
        x_after_MBD: ``x`` on the same batch after the step.
        y_after_MBD: ``y`` on the same batch after the step.

    Returns:
        The drift of both modalities.

    Raises:
        EmbeddingShapeError: If the shapes differ or are not [..., B, D].
        NonFiniteEmbeddingError: If any entry is NaN or infinite.

    References:
        Luo et al., "SupCLAP", arXiv:2509.21033, Fig. 1.
    """
    _check_same_shape(x_before_MBD, y_before_MBD, x_after_MBD, y_after_MBD)
    x, y = x_before_MBD.detach().double(), y_before_MBD.detach().double()
    return StepDrift(
        x=map_members(_mean_cosine, x_after_MBD.detach().double() - x, y - x),
        y=map_members(_mean_cosine, y_after_MBD.detach().double() - y, x - y),
    )


def _mean_cosine(update_BD: Tensor, pull_BD: Tensor) -> Tensor:
    cosine_B = (normalize_rows(update_BD) * normalize_rows(pull_BD)).sum(dim=-1)
    return cosine_B.sum() / len(cosine_B)


def _tangent_cosine(update_BD: Tensor, pull_BD: Tensor, anchor_BD: Tensor) -> Tensor:
    anchor_unit_BD = normalize_rows(anchor_BD)
    return _mean_cosine(_project(update_BD, anchor_unit_BD), _project(pull_BD, anchor_unit_BD))


def _project(vector_BD: Tensor, normal_BD: Tensor) -> Tensor:
    """Return unit rows without their part along the normal; zero where only round-off is left."""
    unit_BD = normalize_rows(vector_BD)
    tangent_BD = unit_BD - (unit_BD * normal_BD).sum(dim=-1, keepdim=True) * normal_BD
    is_left_B1 = tangent_BD.square().sum(dim=-1, keepdim=True) > round_off_variance(vector_BD.dtype)
    return torch.where(is_left_B1, tangent_BD, 0.0)


def _check_same_shape(*stacks_MBD: Tensor) -> None:
    shapes = [tuple(stack.shape) for stack in stacks_MBD]
    if len(set(shapes)) > 1:
        raise EmbeddingShapeError(f"both modalities must have the same shape, got {shapes}")
    for stack in stacks_MBD:
        check_embeddings(stack)
