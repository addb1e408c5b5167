"""Rows of embeddings, made ready for similarity objectives.

Shape legend: M = members (any leading dims), B = rows of the batch, D = embedding dim.
"""

import torch
from torch import Tensor

from trainer.losses.pairs import promote_half

COLUMN_MULTIPLE = 16
"""Columns per cache line (64 bytes) in float32; see :func:`pad_columns`."""


def normalize_rows(embeddings_MBD: Tensor) -> Tensor:
    """Return the rows scaled to unit length, with a finite gradient everywhere.

    A zero row has no direction: it stays zero and passes its gradient on unscaled, where
    ``torch.nn.functional.normalize`` multiplies it by 1e12.

    Args:
        embeddings_MBD: Floating-point rows, shape [..., B, D], any scale. Half precisions are
            promoted to float32 first.

    Returns:
        Unit rows (zero rows for zero rows), same shape, float32 or float64. A row with a NaN
        or an infinity becomes NaN and leaves its neighbours alone.
    """
    embeddings_MBD = promote_half(embeddings_MBD)
    norms_MB1 = torch.linalg.vector_norm(embeddings_MBD, dim=-1, keepdim=True)
    return embeddings_MBD / torch.where(norms_MB1 == 0, 1.0, norms_MB1)


def pad_columns(embeddings_MBD: Tensor) -> Tensor:
    """Return the rows with zero columns appended up to a multiple of 16; no copy if none.

    Zero columns change no inner product, but they put every member's rows on the same
    alignment. Without them the CPU's matrix product picks its code by the address of a
    member's slice, and the last bit of a member's loss depends on its place in the stack
    (measured with MKL 2024.2: for odd D, never for D a multiple of 4).
    """
    missing = -embeddings_MBD.shape[-1] % COLUMN_MULTIPLE
    return torch.nn.functional.pad(embeddings_MBD, (0, missing)) if missing else embeddings_MBD
