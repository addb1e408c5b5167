r"""VICReg: invariance, variance, covariance; no negatives and no normalisation of rows.

Any number of leading member dimensions is one call.

Shape legend: M = members (any leading dims), B = pairs, D = embedding dim.
"""

import torch
from torch import Tensor

from trainer.losses.pairs import Scalar, as_member_scalar, check_pairs, promote_half
from trainer.losses.rows import pad_columns

STD_EPSILON = 1e-4
"""Added to the variance under the root (authors' code): a finite slope for constant columns."""


def vicreg(
    x_MBD: Tensor,
    y_MBD: Tensor,
    invariance_weight: Scalar = 25.0,
    variance_weight: Scalar = 25.0,
    covariance_weight: Scalar = 1.0,
) -> Tensor:
    """Return the VICReg loss of each member.

    The three terms as the authors' code weighs them: invariance is the mean squared difference
    of the views, variance the mean of both views, covariance the sum of both views.

    Args:
        x_MBD: Raw projections of the first views, shape [..., B, D], any scale.
        y_MBD: Raw projections of the second views, same shape.
        invariance_weight: lambda of the paper, a float or a tensor of shape [...].
        variance_weight: mu of the paper.
        covariance_weight: nu of the paper.

    Returns:
        One loss per member, shape [...], >= 0. A single pair has no spread: its variance counts
        as 0.

    Raises:
        PairShapeError: If the batches do not match or are empty.

    References:
        Bardes, Ponce & LeCun 2022, arXiv:2105.04906, eq. 1-6.
    """
    check_pairs(x_MBD, y_MBD)
    x_MBD, y_MBD = promote_half(x_MBD), promote_half(y_MBD)
    invariance_M = (x_MBD - y_MBD).square().mean(dim=(-2, -1))
    variance_M = (variance_hinge(x_MBD) + variance_hinge(y_MBD)) / 2
    covariance_M = covariance_penalty(x_MBD) + covariance_penalty(y_MBD)
    return (
        as_member_scalar(invariance_weight, x_MBD) * invariance_M
        + as_member_scalar(variance_weight, x_MBD) * variance_M
        + as_member_scalar(covariance_weight, x_MBD) * covariance_M
    )


def variance_hinge(embeddings_MBD: Tensor) -> Tensor:
    """Return how far the columns' standard deviations stay below 1, mean over D, shape [...]."""
    centred_MBD = embeddings_MBD - embeddings_MBD.mean(dim=-2, keepdim=True)
    freedom = max(embeddings_MBD.shape[-2] - 1, 1)
    variance_MD = centred_MBD.square().sum(dim=-2) / freedom
    return (1 - (variance_MD + STD_EPSILON).sqrt()).relu().mean(dim=-1)


def covariance_penalty(embeddings_MBD: Tensor) -> Tensor:
    """Return the sum of squared covariances of different columns, over D, shape [...]."""
    batch, dim = embeddings_MBD.shape[-2:]
    centred_MBD = pad_columns(embeddings_MBD - embeddings_MBD.mean(dim=-2, keepdim=True))
    covariance_MDD = centred_MBD.mT @ centred_MBD / max(batch - 1, 1)
    return squares_off_diagonal(covariance_MDD) / dim


def squares_off_diagonal(square_MDD: Tensor) -> Tensor:
    """Return the sum of squared entries off the diagonal, shape [...]."""
    is_diagonal_DD = torch.eye(square_MDD.shape[-1], dtype=torch.bool, device=square_MDD.device)
    return square_MDD.masked_fill(is_diagonal_DD, 0.0).square().sum(dim=(-2, -1))
