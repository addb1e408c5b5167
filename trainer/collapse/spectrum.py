"""All measures of collapse from one pass over the Gram matrix of the unit rows.

The D x D Gram matrix Z'Z (or the N x N one ZZ', if that is smaller) holds the energies of
every direction; its eigenvalues and its centred version give all ranks and the variance
without a singular value decomposition.

Shape legend: M = members (any number of leading dimensions), N = samples, D = dimension,
S = min(N, D), the side of the Gram matrix, K = D eigenvalues.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from trainer.collapse.geometry import alignment_of_rows, check_same_shape, uniformity_of_rows
from trainer.collapse.rank import effective_rank, rankme, stable_rank
from trainer.collapse.rows import check_embeddings, normalize_rows


@dataclass(frozen=True, slots=True)
class Collapse:
    """The measures of collapse of each member; every tensor is float64 of shape [...].

    Attributes:
        effective_rank: Entropy rank of the energies, uncentred: the primary score; [1, D].
        rankme: Entropy rank of the singular values, uncentred; [1, D].
        stable_rank: Inverse share of the strongest direction, uncentred; [1, D].
        participation_ratio: Inverse sum of squared energy shares of the *centred* covariance;
            [1, D], and 0 when no variance is left above the round-off of the input.
        total_variance: Trace of the centred covariance; [0, 1].
        uniformity: Log mean Gaussian kernel over distinct pairs; [-8, 0].
        alignment: Mean squared distance to the partner, [0, 4]; None without a partner.
        spectrum_K: Eigenvalues [..., D] of Z'Z / N, descending. They sum to the share of
            rows that are not zero, usually 1.

    The ranks of all-zero embeddings are 0.
    """

    effective_rank: Tensor
    rankme: Tensor
    stable_rank: Tensor
    participation_ratio: Tensor
    total_variance: Tensor
    uniformity: Tensor
    alignment: Tensor | None
    spectrum_K: Tensor  # noqa: N815 (K is the shape letter)


def measure(embeddings_MND: Tensor, partner_MND: Tensor | None = None) -> Collapse:
    """Measure the collapse of embeddings on a fixed evaluation set.

    A member's numbers are bit for bit the same whatever other members are in the stack.

    Args:
        embeddings_MND: Raw projections [..., N, D], N >= 2, any scale; rows are
            L2-normalised here and zero rows stay zero. Use float32 or better: round-off in
            half precision fills the tail of the spectrum and hides dimensional collapse.
        partner_MND: Second view of the same samples, same shape; for ``alignment`` alone.

    Returns:
        The measures, on the input's device.

    Raises:
        EmbeddingShapeError: If the shape or dtype is wrong, or the partner's differs.
        NonFiniteEmbeddingError: If any entry is NaN or infinite: that member diverged.

    References:
        Garrido et al., "RankMe", arXiv:2210.02885; Wang & Isola, arXiv:2005.10242; Jing et
        al., "Understanding dimensional collapse", arXiv:2110.09348 (the spectrum).
    """
    check_embeddings(embeddings_MND, min_rows=2)
    rows_MND = normalize_rows(embeddings_MND)
    spectrum_MK = _eigenvalues(rows_MND)
    participation_M, variance_M = _centred_moments(rows_MND, _round_off(embeddings_MND.dtype))
    is_double = embeddings_MND.dtype == torch.float64
    return Collapse(
        effective_rank=effective_rank(spectrum_MK),
        rankme=rankme(spectrum_MK),
        stable_rank=stable_rank(spectrum_MK),
        participation_ratio=participation_M,
        total_variance=variance_M,
        uniformity=uniformity_of_rows(rows_MND if is_double else rows_MND.float()),
        alignment=None if partner_MND is None else _alignment(rows_MND, partner_MND),
        spectrum_K=spectrum_MK,
    )


def spectrum(embeddings_MND: Tensor) -> Tensor:
    """Return the eigenvalues [..., D] of Z'Z / N for unit rows Z, descending, float64.

    Args:
        embeddings_MND: Embeddings [..., N, D], any scale.

    Raises:
        EmbeddingShapeError, NonFiniteEmbeddingError: See :func:`measure`.
    """
    check_embeddings(embeddings_MND)
    return _eigenvalues(normalize_rows(embeddings_MND))


def _gram(rows_MND: Tensor) -> Tensor:
    """Return the smaller of Z'Z / N and ZZ' / N, [..., S, S], one product per member.

    A batched product may pick its kernel by the size of the batch, and with it the last bit.
    """
    n, d = rows_MND.shape[-2:]
    members = rows_MND.reshape(-1, n, d)
    grams = [rows.mT @ rows if d <= n else rows @ rows.mT for rows in members]
    side = min(n, d)
    return torch.stack(grams).reshape(*rows_MND.shape[:-2], side, side) / n


def _eigenvalues(rows_MND: Tensor) -> Tensor:
    n, d = rows_MND.shape[-2:]
    ascending_MS = torch.linalg.eigvalsh(_gram(rows_MND))
    descending_MS = ascending_MS.flip(-1).clamp(min=0.0)
    # Below this an eigenvalue is round-off of the decomposition, and its square root would
    # weigh on RankMe.
    noise_M1 = descending_MS[..., :1] * (min(n, d) * torch.finfo(torch.float64).eps)
    cleaned_MS = torch.where(descending_MS > noise_M1, descending_MS, 0.0)
    return pad(cleaned_MS, (0, d - cleaned_MS.shape[-1]))


def _centred_moments(rows_MND: Tensor, round_off: float) -> tuple[Tensor, Tensor]:
    """Return (participation ratio, total variance) of the centred rows, each [...]."""
    covariance_MSS = _gram(rows_MND - rows_MND.mean(dim=-2, keepdim=True))
    variance_M = covariance_MSS.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    energy_M = covariance_MSS.square().sum(dim=(-2, -1))
    # At full collapse what is left is round-off, which looks full-rank.
    is_spread_M = variance_M > round_off
    ratio_M = variance_M.square() / torch.where(is_spread_M, energy_M, 1.0)
    return torch.where(is_spread_M, ratio_M, 0.0), variance_M


def _round_off(dtype: torch.dtype) -> float:
    """Return the variance that rounding to ``dtype`` alone can give to equal unit rows."""
    double_eps = torch.finfo(torch.float64).eps
    return max(4 * torch.finfo(dtype).eps ** 2, 64 * double_eps**2)


def _alignment(rows_MND: Tensor, partner_MND: Tensor) -> Tensor:
    check_same_shape(rows_MND, partner_MND)
    check_embeddings(partner_MND)
    return alignment_of_rows(rows_MND, normalize_rows(partner_MND))
