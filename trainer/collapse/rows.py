"""Checked embeddings and unit rows: the common first step of every instrument.

Shape legend: M = members (any number of leading dimensions), N = samples, D = dimension.
"""

import torch
from torch import Tensor

from trainer.collapse.errors import EmbeddingShapeError, NonFiniteEmbeddingError


def check_embeddings(embeddings_MND: Tensor, *, min_rows: int = 1) -> None:
    """Refuse what no instrument can measure.

    Args:
        embeddings_MND: Candidate embeddings [..., N, D].
        min_rows: The fewest rows N that the instrument is defined for.

    Raises:
        EmbeddingShapeError: If the tensor is not floating point, has fewer than two
            dimensions, an empty one, or fewer than ``min_rows`` rows.
        NonFiniteEmbeddingError: If any entry is NaN or infinite.
    """
    shape = tuple(embeddings_MND.shape)
    if not embeddings_MND.is_floating_point():
        raise EmbeddingShapeError(f"expected floating-point embeddings, got {embeddings_MND.dtype}")
    if embeddings_MND.ndim < 2 or embeddings_MND.numel() == 0:
        raise EmbeddingShapeError(f"expected non-empty embeddings [..., N, D], got shape {shape}")
    if embeddings_MND.shape[-2] < min_rows:
        raise EmbeddingShapeError(f"expected at least {min_rows} rows, got shape {shape}")
    # A sum meets every NaN and infinity and is far cheaper; it may overflow, so look again.
    if not embeddings_MND.sum().isfinite() and not embeddings_MND.isfinite().all():
        bad = int((~embeddings_MND.isfinite()).sum())
        raise NonFiniteEmbeddingError(
            f"{bad} of {embeddings_MND.numel()} entries are NaN or infinite: mark the member "
            "diverged before measuring it"
        )


def normalize_rows(embeddings_MND: Tensor) -> Tensor:
    """Scale every row to unit length in float64; a zero row stays zero.

    Rows are first divided by their largest entry, so that no representable scale under- or
    overflows on the way to the norm.

    Args:
        embeddings_MND: Finite embeddings [..., N, D], any floating dtype and scale.

    Returns:
        Unit rows [..., N, D], float64.
    """
    # In place on the one copy: fresh float64 temporaries cost more than the arithmetic.
    rows_MND = embeddings_MND.to(torch.float64, copy=True)
    high_MN1, low_MN1 = embeddings_MND.amax(-1, keepdim=True), embeddings_MND.amin(-1, keepdim=True)
    rows_MND /= _one_where_zero(torch.maximum(high_MN1, -low_MN1).double())
    rows_MND /= _one_where_zero(torch.linalg.vector_norm(rows_MND, dim=-1, keepdim=True))
    return rows_MND


def round_off_variance(dtype: torch.dtype) -> float:
    """Return the variance that rounding to ``dtype`` alone can give to equal unit rows.

    A centred measure whose total variance is no larger than this measures round-off.
    """
    return max(4 * torch.finfo(dtype).eps ** 2, 64 * torch.finfo(torch.float64).eps ** 2)


def _one_where_zero(divisor: Tensor) -> Tensor:
    return torch.where(divisor == 0, torch.ones_like(divisor), divisor)
