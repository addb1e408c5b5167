"""Drift of an audio-text member, by gradient and by step, under the names of its measures.

First views are captions, second views sounds, as in every batch of pairs.

Shape legend: M = members of one group, B = pairs of the probe batch, N = 2B rows, D = dimension.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from trainer.collapse.rows import normalize_rows
from trainer.drift import drift_of_gradients, drift_step
from trainer.losses.rows import normalize_rows as normalize_as_trained
from trainer.objective import Objective, ObjectiveBatch
from trainer.objectives.redundancy import BarlowTwins, VICReg


def drift_grad_measures(
    objective: Objective, parameters: Mapping[str, Tensor], batch: ObjectiveBatch
) -> list[dict[str, float]]:
    """Return how far each member's loss pulls its embeddings towards their positives.

    The leaves are the embeddings as the loss takes them: unit rows, differentiated as points of
    the ambient space (:attr:`~trainer.objectives.protocol.ObjectiveBatch.is_unit`), or raw
    projections for VICReg and Barlow Twins. The tangent measures drop what is along the
    embedding itself, which no step on the sphere can follow.

    Args:
        objective: Of one group of M members.
        parameters: The objective's, as trained so far; untouched.
        batch: Raw projections of a fixed probe batch and its labels. Its size is that of a
            training batch for DynamicSVR, whose networks have that width.

    Returns:
        Per member ``drift_grad_audio``, ``drift_grad_text``, ``drift_grad_tangent_audio`` and
        ``drift_grad_tangent_text``, mean cosines in [-1, 1]; {} where an embedding or a gradient
        is not finite. A member's are the same whatever else is in the stack.

    Raises:
        PredictorWidthError: If DynamicSVR's networks are for another number of pairs.
        NoNegativeError: If the objective is one that needs a negative, and the batch has none.

    References:
        Luo et al., "SupCLAP", arXiv:2509.21033, Fig. 1.
    """
    is_raw = isinstance(objective, VICReg | BarlowTwins)
    views_MND = batch.views_MND.detach()
    rows_MND = views_MND.clone() if is_raw else normalize_as_trained(views_MND)
    with torch.enable_grad():
        leaf_MND = rows_MND.requires_grad_()
        losses_M = objective(parameters, replace(batch, views_MND=leaf_MND, is_unit=not is_raw))
        (gradient_MND,) = torch.autograd.grad(losses_M.sum(), leaf_MND)
    is_finite_M = _finite_members(leaf_MND.detach(), gradient_MND)
    x, y = _halves(leaf_MND.detach(), is_finite_M)
    found = drift_of_gradients(*_halves(gradient_MND, is_finite_M), x, y)
    return _columns(
        is_finite_M,
        drift_grad_text=found.x,
        drift_grad_audio=found.y,
        drift_grad_tangent_text=found.tangent_x,
        drift_grad_tangent_audio=found.tangent_y,
    )


def drift_step_measures(before_MND: Tensor, after_MND: Tensor) -> list[dict[str, float]]:
    """Return how far an optimiser step moved each member's embeddings towards their positives.

    Args:
        before_MND: Raw projections of a fixed probe batch before the step.
        after_MND: The same rows after it, same shape (M, 2B, D).

    Returns:
        Per member ``drift_step_audio`` and ``drift_step_text``, mean cosines in [-1, 1] between
        the movement of the normalised row and its way to its positive; {} where a projection is
        not finite.

    References:
        Luo et al., "SupCLAP", arXiv:2509.21033, Fig. 1.
    """
    is_finite_M = _finite_members(before_MND, after_MND)
    x_before, y_before = map(normalize_rows, _halves(before_MND, is_finite_M))
    x_after, y_after = map(normalize_rows, _halves(after_MND, is_finite_M))
    found = drift_step(x_before, y_before, x_after, y_after)
    return _columns(is_finite_M, drift_step_text=found.x, drift_step_audio=found.y)


def _finite_members(*stacks_MND: Tensor) -> Tensor:
    """Return which members are finite in all of them, shape (M,)."""
    finite = [stack.isfinite().flatten(1).all(dim=1) for stack in stacks_MND]
    return torch.stack(finite).all(dim=0)


def _halves(rows_MND: Tensor, is_finite_M: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rows of both views, zeros for members that are not finite."""
    x_MBD, y_MBD = rows_MND.where(is_finite_M[:, None, None], 0.0).chunk(2, dim=1)
    return x_MBD, y_MBD


def _columns(is_finite_M: Tensor, **measures_M: Tensor) -> list[dict[str, float]]:
    table = torch.stack(list(measures_M.values()), dim=1).tolist()
    return [
        dict(zip(measures_M, row, strict=True)) if is_finite else {}
        for is_finite, row in zip(is_finite_M.tolist(), table, strict=True)
    ]
