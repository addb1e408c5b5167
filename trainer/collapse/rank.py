"""Ranks: how many directions a spectrum uses, each a function of eigenvalues alone.

The eigenvalues are those of the second moment M = Z'Z / N of unit rows Z; any positive
multiple gives the same ranks. An all-zero spectrum has rank 0.

Shape legend: M = members (any number of leading dimensions), K = eigenvalues.
"""

import torch
from torch import Tensor


def effective_rank(eigenvalues_MK: Tensor) -> Tensor:
    r"""Return :math:`\exp(-\sum_k p_k \log p_k)` with p the eigenvalues over their sum.

    The project's primary score: the entropy rank of the energies, so one direction that
    holds most of the energy lowers it, which RankMe hardly notices.

    Args:
        eigenvalues_MK: Non-negative eigenvalues [..., K] of the uncentred second moment.

    Returns:
        Tensor [...] in directions: 1 when all rows are equal or antipodal, at most K.

    References:
        Roy & Vetterli, "The effective rank", EUSIPCO 2007, on energies.
    """
    return _entropy_rank(eigenvalues_MK)


def rankme(eigenvalues_MK: Tensor) -> Tensor:
    r"""Return the entropy rank of the singular values :math:`\sigma_k = \sqrt{N \lambda_k}`.

    Args:
        eigenvalues_MK: Non-negative eigenvalues [..., K] of the uncentred second moment.

    Returns:
        Tensor [...] in directions, in [1, K]; never below :func:`effective_rank`.

    References:
        Garrido et al., "RankMe", ICML 2023, arXiv:2210.02885, eq. 1 (without its additive
        epsilon, so that the bounds are exact).
    """
    return _entropy_rank(eigenvalues_MK.sqrt())


def stable_rank(eigenvalues_MK: Tensor) -> Tensor:
    """Return the inverse of the largest eigenvalue's share, [...] in [1, K]."""
    largest_M = eigenvalues_MK.amax(dim=-1)
    return _divide_or_zero(eigenvalues_MK.sum(dim=-1), largest_M)


def _entropy_rank(weights_MK: Tensor) -> Tensor:
    total_M1 = weights_MK.sum(dim=-1, keepdim=True)
    entropy_M = torch.special.entr(_divide_or_zero(weights_MK, total_M1)).sum(dim=-1)
    return torch.where(total_M1.squeeze(-1) > 0, entropy_M.exp(), 0.0)


def _divide_or_zero(numerator: Tensor, divisor: Tensor) -> Tensor:
    return torch.where(divisor > 0, numerator / torch.where(divisor > 0, divisor, 1.0), 0.0)
