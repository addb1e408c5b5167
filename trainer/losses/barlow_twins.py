r"""Barlow Twins: the cross-correlation of the two views is to be the identity.

Any number of leading member dimensions is one call.

Shape legend: M = members (any leading dims), B = pairs, D = embedding dim.
"""

from torch import Tensor

from trainer.losses.pairs import Scalar, as_member_scalar, check_pairs, promote_half
from trainer.losses.rows import pad_columns
from trainer.losses.vicreg import squares_off_diagonal

VARIANCE_EPSILON = 1e-5
"""Added to the variance, as batch normalisation does: a constant column becomes zero."""


def barlow_twins(x_MBD: Tensor, y_MBD: Tensor, redundancy_weight: Scalar = 5e-3) -> Tensor:
    r"""Return the Barlow Twins loss of each member.

    :math:`\sum_i (1 - C_{ii})^2 + \lambda \sum_{i \ne j} C_{ij}^2`, C the cross-correlation of
    the columns of both views over the batch.

    Args:
        x_MBD: Raw projections of the first views, shape [..., B, D]; the scale of a column is
            irrelevant as long as its variance dwarfs 1e-5.
        y_MBD: Raw projections of the second views, same shape.
        redundancy_weight: lambda, a float or a tensor of shape [...].

    Returns:
        One loss per member, shape [...], >= 0: D for constant columns.

    Raises:
        PairShapeError: If the batches do not match or are empty.

    References:
        Zbontar et al. 2021, arXiv:2103.03230, eq. 1-2 and algorithm 1.
    """
    check_pairs(x_MBD, y_MBD)
    x_MBD, y_MBD = standardize_columns(x_MBD), standardize_columns(y_MBD)
    batch, dim = x_MBD.shape[-2:]
    correlation_MDD = pad_columns(x_MBD).mT @ pad_columns(y_MBD) / batch
    diagonal_MD = correlation_MDD.diagonal(dim1=-2, dim2=-1)[..., :dim]
    invariance_M = (1 - diagonal_MD).square().sum(dim=-1)
    redundancy_M = squares_off_diagonal(correlation_MDD)
    return invariance_M + as_member_scalar(redundancy_weight, x_MBD) * redundancy_M


def standardize_columns(embeddings_MBD: Tensor) -> Tensor:
    """Return columns of mean 0 and variance 1 (biased) over the batch, shape [..., B, D]."""
    embeddings_MBD = promote_half(embeddings_MBD)
    centred_MBD = embeddings_MBD - embeddings_MBD.mean(dim=-2, keepdim=True)
    variance_M1D = centred_MBD.square().mean(dim=-2, keepdim=True)
    return centred_MBD * (variance_M1D + VARIANCE_EPSILON).rsqrt()
