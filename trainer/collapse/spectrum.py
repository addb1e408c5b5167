"""All measures of collapse from one pass over the Gram matrix of the unit rows.

The D x D Gram matrix Z'Z (or the N x N one ZZ', if that is smaller) holds the energies of
every direction; its eigenvalues and its centred version give all ranks and the variance
without a singular value decomposition.

Shape legend: M = members (any number of leading dimensions), N = samples, D = dimension,
S = min(N, D), the side of the Gram matrix, K = D eigenvalues.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from trainer.collapse.geometry import (
    alignment_of_rows,
    check_partner,
    kernel_dtype,
    uniformity_of_rows,
    variance_of_rows,
)
from trainer.collapse.members import iterate_members, map_members
from trainer.collapse.rank import effective_rank, rankme, stable_rank
from trainer.collapse.rows import check_embeddings, normalize_rows, round_off_variance
from trainer.gemm import transposed_times

SINGLE_ABOVE_SIDE = 128
"""Gram matrices up to this side are always decomposed in float64: there it costs nothing."""

SINGLE_ABOVE_SHARE = 1e-3
"""Smallest over largest eigenvalue above which a large Gram matrix may stay in float32."""


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
    spectrum_K: Tensor


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
    if partner_MND is not None:
        check_partner(embeddings_MND, partner_MND)
    leading = embeddings_MND.shape[:-2]
    stacks = [embeddings_MND] if partner_MND is None else [embeddings_MND, partner_MND]
    return _stack([_measure_member(*member) for member in iterate_members(*stacks)], leading)


def spectrum(embeddings_MND: Tensor) -> Tensor:
    """Return the eigenvalues [..., D] of Z'Z / N for unit rows Z, descending, float64.

    Args:
        embeddings_MND: Embeddings [..., N, D], any scale.

    Raises:
        EmbeddingShapeError, NonFiniteEmbeddingError: See :func:`measure`.
    """
    check_embeddings(embeddings_MND)
    return map_members(lambda z_ND: _moments(normalize_rows(z_ND))[0], embeddings_MND)


def _measure_member(embeddings_ND: Tensor, partner_ND: Tensor | None = None) -> Collapse:
    rows_ND = normalize_rows(embeddings_ND)
    spectrum_K, energy = _moments(rows_ND)
    variance = variance_of_rows(rows_ND)
    # At full collapse what is left is round-off, which looks full-rank.
    is_spread = variance > round_off_variance(embeddings_ND.dtype)
    return Collapse(
        effective_rank=effective_rank(spectrum_K),
        rankme=rankme(spectrum_K),
        stable_rank=stable_rank(spectrum_K),
        participation_ratio=torch.where(is_spread, variance.square() / energy, 0.0),
        total_variance=variance,
        uniformity=uniformity_of_rows(rows_ND.to(kernel_dtype(embeddings_ND))),
        alignment=None
        if partner_ND is None
        else alignment_of_rows(rows_ND, normalize_rows(partner_ND)),
        spectrum_K=spectrum_K,
    )


def _moments(rows_ND: Tensor) -> tuple[Tensor, Tensor]:
    """Return the spectrum [K] and the centred energy ||C||_F^2, in float32 where that is safe.

    Rounding to float32 moves an eigenvalue by about 1e-7 of the largest. Only a large matrix
    whose smallest eigenvalue stays far above that, hence not a collapsed one, is left at it.
    """
    if min(rows_ND.shape) > SINGLE_ABOVE_SIDE:
        spectrum_K, energy = _moments_in_single(rows_ND.float())
        if spectrum_K[min(rows_ND.shape) - 1] > SINGLE_ABOVE_SHARE * spectrum_K[0]:
            return spectrum_K, energy
    centred_ND = rows_ND - rows_ND.mean(dim=0)
    return _eigenvalues(_gram(rows_ND), rows_ND.shape[1]), _gram(centred_ND).square().sum()


def _moments_in_single(rows_ND: Tensor) -> tuple[Tensor, Tensor]:
    gram_SS = _gram(rows_ND)
    if rows_ND.shape[1] <= rows_ND.shape[0]:
        mean_D = rows_ND.mean(dim=0)
        centred_SS = gram_SS - mean_D.outer(mean_D)
    else:
        mean_S = gram_SS.mean(dim=0)
        centred_SS = gram_SS - mean_S - mean_S.unsqueeze(1) + mean_S.mean()
    return _eigenvalues(gram_SS, rows_ND.shape[1]).double(), centred_SS.square().sum().double()


def _gram(rows_ND: Tensor) -> Tensor:
    """Return the smaller of Z'Z / N and ZZ' / N, [S, S]; both have the same eigenvalues."""
    n, d = rows_ND.shape
    return (transposed_times(rows_ND, rows_ND) if d <= n else rows_ND @ rows_ND.mT) / n


def _eigenvalues(gram_SS: Tensor, dimensions: int) -> Tensor:
    descending_S = torch.linalg.eigvalsh(gram_SS).flip(0).clamp(min=0.0)
    # Below this an eigenvalue is round-off of the decomposition, and its square root would
    # weigh on RankMe.
    noise = descending_S[0] * (len(descending_S) * torch.finfo(descending_S.dtype).eps)
    cleaned_S = torch.where(descending_S > noise, descending_S, 0.0)
    return pad(cleaned_S, (0, dimensions - len(cleaned_S)))


def _stack(members: list[Collapse], leading: torch.Size) -> Collapse:
    def stack(pick: Callable[[Collapse], Tensor]) -> Tensor:
        values = torch.stack([pick(member) for member in members])
        return values.reshape(leading + values.shape[1:])

    aligned = [member.alignment for member in members if member.alignment is not None]
    return Collapse(
        effective_rank=stack(lambda member: member.effective_rank),
        rankme=stack(lambda member: member.rankme),
        stable_rank=stack(lambda member: member.stable_rank),
        participation_ratio=stack(lambda member: member.participation_ratio),
        total_variance=stack(lambda member: member.total_variance),
        uniformity=stack(lambda member: member.uniformity),
        alignment=torch.stack(aligned).reshape(leading) if aligned else None,
        spectrum_K=stack(lambda member: member.spectrum_K),
    )
