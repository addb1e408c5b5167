"""Both views of a batch scaled to unit rows in one go, with a backward written by hand.

For small members a step's time is the number of kernels it starts, not their work: both views
are one tensor, and it takes five kernels back where autograd through the formula takes two dozen.

Shape legend: M = members (any leading dims), B = pairs, D = embedding dim, P = D filled up to a
multiple of 16, N = 2B rows.
"""

from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from trainer.losses.once import refuse_second_derivatives
from trainer.losses.pairs import promote_half
from trainer.losses.rows import pad_columns


def normalize_views(views_MND: Tensor) -> tuple[Tensor, Tensor]:
    """Return both views with rows of unit length and zero columns up to a multiple of 16.

    As :func:`trainer.losses.rows.normalize_rows` of each: a zero row stays zero and passes its
    gradient on unscaled, a row with a NaN or an infinity becomes NaN, half precisions are
    promoted. Differentiable once.

    Args:
        views_MND: Floating-point rows of any scale, first views before second ones,
            shape [..., 2B, D].

    Returns:
        Two tensors of shape [..., B, P], neighbours in memory: each member's rows of x, then of y.
    """
    views: tuple[Tensor, Tensor] = _UnitViews.apply(promote_half(views_MND))  # type: ignore[no-untyped-call]
    return views


class UnitRows(NamedTuple):
    """Unit rows of both views, padded, (M, N, P), and the norms they were divided by, (M, N, 1)."""

    unit_MNP: Tensor
    norms_MN1: Tensor

    @classmethod
    def of(cls, views_MND: Tensor) -> Self:
        """Scale rows to unit length; a zero row stays zero."""
        norms_MN1 = torch.linalg.vector_norm(views_MND, dim=-1, keepdim=True)
        norms_MN1.masked_fill_(norms_MN1 == 0, 1.0)
        return cls(pad_columns(views_MND / norms_MN1), norms_MN1)

    @property
    def views(self) -> tuple[Tensor, Tensor]:
        """Return both views, each (M, B, P)."""
        x_MBP, y_MBP = self.unit_MNP.chunk(2, dim=-2)
        return x_MBP, y_MBP

    def pull_back(self, grad_x_MBP: Tensor, grad_y_MBP: Tensor, dim: int) -> Tensor:
        """Return the gradient by the raw rows, (M, N, D = dim), from those by both views."""
        # Laid out row by row: how gradients arrive depends on the form of the loss that the other
        # members took, and sums over a row depend on its layout.
        grad_MNP = torch.cat([grad_x_MBP, grad_y_MBP], dim=-2)
        along_MN1 = (grad_MNP * self.unit_MNP).sum(dim=-1, keepdim=True)
        grad_MNP.addcmul_(self.unit_MNP, along_MN1, value=-1).div_(self.norms_MN1)
        return grad_MNP[..., :dim]


class _UnitViews(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, views_MND: Tensor) -> tuple[Tensor, Tensor]:
        rows = UnitRows.of(views_MND)
        ctx.save_for_backward(*rows)
        ctx.dim = views_MND.shape[-1]
        return rows.views

    @staticmethod
    def backward(ctx: Any, grad_x_MBP: Tensor, grad_y_MBP: Tensor) -> Tensor:
        refuse_second_derivatives()
        return UnitRows(*ctx.saved_tensors).pull_back(grad_x_MBP, grad_y_MBP, ctx.dim)
