"""Geometry of unit rows on the sphere: spread, uniformity, alignment, modality gap.

The public functions L2-normalise the rows themselves (a zero row stays zero) and take leading
member dimensions. The ``*_of_rows`` functions take one member's unit rows, so that one
normalisation serves many measures.

Shape legend: M = members (any number of leading dimensions), N, P = samples, D = dimension,
T = rows of a tile.
"""

import math

import torch
from torch import Tensor

from trainer.collapse.errors import EmbeddingShapeError
from trainer.collapse.members import map_members
from trainer.collapse.rows import check_embeddings, normalize_rows
from trainer.gemm import times_transposed

TILE_ROWS = 256


def total_variance(embeddings_MND: Tensor) -> Tensor:
    r"""Return :math:`1 - \|\bar z\|^2`, the variance of unit rows summed over dimensions.

    Args:
        embeddings_MND: Embeddings [..., N, D], any scale.

    Returns:
        Tensor [...] in [0, 1], float64: 0 at complete collapse. Antipodal collapse keeps it
        at 1, which is why it never stands alone. A zero row is a point at the origin.

    Raises:
        EmbeddingShapeError, NonFiniteEmbeddingError: See :func:`check_embeddings`.
    """
    check_embeddings(embeddings_MND)
    return map_members(lambda z_ND: variance_of_rows(normalize_rows(z_ND)), embeddings_MND)


def uniformity(embeddings_MND: Tensor) -> Tensor:
    r"""Return :math:`\log \mathrm{mean}_{i \neq j} \exp(-2 \|z_i - z_j\|^2)`.

    Args:
        embeddings_MND: Embeddings [..., N, D] with N >= 2, any scale. The kernel is computed
            in float32 unless they are float64.

    Returns:
        Tensor [...] in [-8, 0], float64: 0 when all rows are equal, lower is more uniform.

    Raises:
        EmbeddingShapeError, NonFiniteEmbeddingError: See :func:`check_embeddings`.

    References:
        Wang & Isola, ICML 2020, arXiv:2005.10242, eq. 2 with t = 2; the diagonal is excluded.
    """
    check_embeddings(embeddings_MND, min_rows=2)
    dtype = kernel_dtype(embeddings_MND)
    return map_members(
        lambda z_ND: uniformity_of_rows(normalize_rows(z_ND).to(dtype)), embeddings_MND
    )


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
    check_embeddings(embeddings_MND)
    check_partner(embeddings_MND, partner_MND)
    return map_members(
        lambda x_ND, y_ND: alignment_of_rows(normalize_rows(x_ND), normalize_rows(y_ND)),
        embeddings_MND,
        partner_MND,
    )


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
    return map_members(_gap, embeddings_MND, partner_MPD)


def variance_of_rows(rows_ND: Tensor) -> Tensor:
    """Return the total variance of one member's unit rows; see :func:`total_variance`."""
    return _mean_squared_distance(rows_ND, rows_ND.mean(dim=0).expand_as(rows_ND))


def alignment_of_rows(rows_ND: Tensor, partner_ND: Tensor) -> Tensor:
    """Return the alignment of one member's unit rows; see :func:`alignment`."""
    return _mean_squared_distance(rows_ND, partner_ND)


def uniformity_of_rows(rows_ND: Tensor) -> Tensor:
    """Return the uniformity of one member's unit rows, float64; see :func:`uniformity`.

    Only the tiles on and above the diagonal are computed: the kernel is symmetric.
    """
    # exp(-2|x-y|^2) = w_x exp(4 x.y) w_y with w = exp(-2|x|^2); the exponent stays within 4.
    n = rows_ND.shape[0]
    weight_N = rows_ND.square().sum(dim=-1).mul(-2).exp()
    total = torch.zeros((), dtype=torch.float64, device=rows_ND.device)
    for start in range(0, n, TILE_ROWS):
        stop = min(start + TILE_ROWS, n)
        kernel_TN = times_transposed(4 * rows_ND[start:stop], rows_ND[start:]).exp_()
        kernel_TN.diagonal().zero_()
        to_right_T = kernel_TN @ weight_N[start:]
        to_own_T = kernel_TN[:, : stop - start] @ weight_N[start:stop]
        total += (weight_N[start:stop] * (2 * to_right_T - to_own_T)).sum()
    return total.log() - math.log(n * (n - 1))


def check_partner(embeddings_MND: Tensor, partner_MND: Tensor) -> None:
    """Refuse a partner of another shape, or one that cannot be measured.

    Raises:
        EmbeddingShapeError: If the shapes differ.
        NonFiniteEmbeddingError: If any entry of the partner is NaN or infinite.
    """
    if embeddings_MND.shape != partner_MND.shape:
        raise EmbeddingShapeError(
            f"the partner must have the same shape, got {tuple(embeddings_MND.shape)} and "
            f"{tuple(partner_MND.shape)}"
        )
    check_embeddings(partner_MND)


def kernel_dtype(embeddings_MND: Tensor) -> torch.dtype:
    """Return the dtype of N x N kernels: float64 for float64 embeddings, else float32."""
    return torch.float64 if embeddings_MND.dtype == torch.float64 else torch.float32


def _gap(x_ND: Tensor, y_PD: Tensor) -> Tensor:
    difference_D = normalize_rows(x_ND).mean(dim=0) - normalize_rows(y_PD).mean(dim=0)
    return difference_D.square().sum().sqrt()


def _mean_squared_distance(a_ND: Tensor, b_ND: Tensor) -> Tensor:
    """Average |a_i - b_i|^2 by tiles: a difference that leaves the cache costs more to store."""
    total = torch.zeros((), dtype=torch.float64, device=a_ND.device)
    for start in range(0, len(a_ND), TILE_ROWS):
        difference_TD = a_ND[start : start + TILE_ROWS] - b_ND[start : start + TILE_ROWS]
        total += torch.linalg.vector_norm(difference_TD).square()
    return total / len(a_ND)
