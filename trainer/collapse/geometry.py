"""Geometry of unit rows on the sphere: spread, uniformity, alignment, modality gap.

Every function L2-normalises the rows itself (a zero row stays zero) and takes leading member
dimensions. The ``*_of_rows`` forms take rows that are unit already, for one normalisation
shared by many measures.

Shape legend: M = members (any number of leading dimensions), N = samples, D = dimension,
T = rows of a tile.
"""

import math

import torch
from torch import Tensor

from trainer.collapse.errors import EmbeddingShapeError
from trainer.collapse.rows import check_embeddings, normalize_rows

TILE_ROWS = 256


def total_variance(embeddings_MND: Tensor) -> Tensor:
    r"""Return :math:`1 - \|\bar z\|^2`, the variance of unit rows summed over dimensions.

    Args:
        embeddings_MND: Embeddings [..., N, D], any scale.

    Returns:
        Tensor [...] in [0, 1], float64: 0 at complete collapse. Antipodal collapse keeps it
        at 1, which is why it never stands alone. Zero rows count as rows at the origin.

    Raises:
        EmbeddingShapeError, NonFiniteEmbeddingError: See :mod:`trainer.collapse.rows`.
    """
    check_embeddings(embeddings_MND)
    rows_MND = normalize_rows(embeddings_MND)
    centred_MND = rows_MND - rows_MND.mean(dim=-2, keepdim=True)
    return centred_MND.square().sum(dim=-1).mean(dim=-1)


def uniformity(embeddings_MND: Tensor) -> Tensor:
    r"""Return :math:`\log \mathrm{mean}_{i \neq j} \exp(-2 \|z_i - z_j\|^2)`.

    Args:
        embeddings_MND: Embeddings [..., N, D] with N >= 2, any scale.

    Returns:
        Tensor [...] in [-8, 0], float64: 0 when all rows are equal, lower is more uniform.

    Raises:
        EmbeddingShapeError, NonFiniteEmbeddingError: See :mod:`trainer.collapse.rows`.

    References:
        Wang & Isola, ICML 2020, arXiv:2005.10242, eq. 2 with t = 2; the diagonal is excluded.
    """
    check_embeddings(embeddings_MND, min_rows=2)
    return uniformity_of_rows(_in_single_or_double(embeddings_MND))


def uniformity_of_rows(rows_MND: Tensor) -> Tensor:
    """Return the uniformity [...] of unit rows [..., N, D]; see :func:`uniformity`."""
    members = rows_MND.flatten(0, -3) if rows_MND.ndim > 2 else rows_MND.unsqueeze(0)
    # One member at a time: its N x N tiles stay in cache, and its bits cannot depend on who
    # else is in the stack.
    values = torch.stack([_uniformity_of_member(rows_ND) for rows_ND in members])
    return values.reshape(rows_MND.shape[:-2])


def alignment(embeddings_MND: Tensor, partner_MND: Tensor) -> Tensor:
    r"""Return :math:`\mathrm{mean}_i \|x_i - y_i\|^2` over positive pairs of unit rows.

    Args:
        embeddings_MND: Embeddings [..., N, D] of one view or modality, any scale.
        partner_MND: Embeddings of the same shape; row i is the positive of row i.

    Returns:
        Tensor [...] in [0, 4], float64: 0 when every pair coincides.

    Raises:
        EmbeddingShapeError: Also if the two shapes differ.
        NonFiniteEmbeddingError: If any entry is NaN or infinite.

    References:
        Wang & Isola, ICML 2020, arXiv:2005.10242, eq. 1 with alpha = 2.
    """
    check_same_shape(embeddings_MND, partner_MND)
    check_embeddings(embeddings_MND)
    check_embeddings(partner_MND)
    return alignment_of_rows(normalize_rows(embeddings_MND), normalize_rows(partner_MND))


def alignment_of_rows(rows_MND: Tensor, partner_MND: Tensor) -> Tensor:
    """Return the alignment [...] of unit rows [..., N, D]; see :func:`alignment`."""
    return (rows_MND - partner_MND).square().sum(dim=-1).mean(dim=-1)


def modality_gap(embeddings_MND: Tensor, partner_MPD: Tensor) -> Tensor:
    r"""Return :math:`\|\bar x - \bar y\|`, the distance of the two modalities' centres.

    Args:
        embeddings_MND: Embeddings [..., N, D] of one modality, any scale.
        partner_MPD: Embeddings [..., P, D] of the other; P may differ from N.

    Returns:
        Tensor [...] in [0, 2], float64.

    Raises:
        EmbeddingShapeError: Also if the embedding dimensions differ.
        NonFiniteEmbeddingError: If any entry is NaN or infinite.

    References:
        Liang et al., "Mind the Gap", NeurIPS 2022, arXiv:2203.02053.
    """
    check_embeddings(embeddings_MND)
    check_embeddings(partner_MPD)
    if embeddings_MND.shape[-1] != partner_MPD.shape[-1]:
        raise EmbeddingShapeError(
            f"both modalities need the same dimension, got {embeddings_MND.shape[-1]} and "
            f"{partner_MPD.shape[-1]}"
        )
    mean_x_MD = normalize_rows(embeddings_MND).mean(dim=-2)
    mean_y_MD = normalize_rows(partner_MPD).mean(dim=-2)
    gap_M: Tensor = torch.linalg.vector_norm(mean_x_MD - mean_y_MD, dim=-1)
    return gap_M


def check_same_shape(embeddings_MND: Tensor, partner_MND: Tensor) -> None:
    """Refuse a partner of another shape.

    Raises:
        EmbeddingShapeError: If the shapes differ.
    """
    if embeddings_MND.shape != partner_MND.shape:
        raise EmbeddingShapeError(
            f"the partner must have the same shape, got {tuple(embeddings_MND.shape)} and "
            f"{tuple(partner_MND.shape)}"
        )


def _in_single_or_double(embeddings_MND: Tensor) -> Tensor:
    rows_MND = normalize_rows(embeddings_MND)
    return rows_MND if embeddings_MND.dtype == torch.float64 else rows_MND.float()


def _uniformity_of_member(rows_ND: Tensor) -> Tensor:
    """Sum the kernel over the tiles on and above the diagonal; the rest is symmetric."""
    # exp(-2|x-y|^2) = w_x exp(4 x.y) w_y with w = exp(-2|x|^2), at most e^4 inside.
    n = rows_ND.shape[0]
    weight_N = rows_ND.square().sum(dim=-1).mul(-2).exp()
    total = torch.zeros((), dtype=torch.float64, device=rows_ND.device)
    for start in range(0, n, TILE_ROWS):
        stop = min(start + TILE_ROWS, n)
        kernel_TN = (4 * rows_ND[start:stop] @ rows_ND[start:].mT).exp_()
        kernel_TN.diagonal().zero_()
        weighted_T = kernel_TN @ weight_N[start:]
        block_T = kernel_TN[:, : stop - start] @ weight_N[start:stop]
        total += (weight_N[start:stop] * (2 * weighted_T - block_T)).sum()
    return total.log() - math.log(n * (n - 1))
