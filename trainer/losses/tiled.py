r"""InfoNCE with memory O(B x tile): similarities are computed twice and never kept.

A first sweep over tiles of rows adds up rows and columns, a second forms
:math:`\partial L / \partial s_{ij} = (E_{ij} / r_i + E_{ij} / c_j - 2 \delta_{ij}) / B` tile by
tile. It costs four products of B x B x D where the fused form needs three.

Shape legend: M = members, B = pairs, D = embedding dim, R = rows of one tile. A part is one
member, or the whole stack (see :mod:`trainer.losses.parts`).
"""

from typing import Any

import torch
from torch import Tensor

from trainer.gemm import times, times_transposed, transposed_times
from trainer.losses.exponent import BITS_PER_NAT, NATS_PER_BIT
from trainer.losses.once import refuse_second_derivatives
from trainer.losses.parts import add, concatenate, join_stack, row_chunks, split_stack


def infonce_tiled(x_MBD: Tensor, y_MBD: Tensor, tau_M: Tensor) -> Tensor:
    """Return symmetric InfoNCE, shape [M], for one leading dim and ``exp_is_safe`` logits.

    See :func:`trainer.losses.infonce.infonce` for the definition.
    """
    in_bits_MBD = x_MBD * (BITS_PER_NAT / tau_M)[:, None, None]
    wants_gradient = torch.is_grad_enabled() and (in_bits_MBD.requires_grad or y_MBD.requires_grad)
    total_M: Tensor = _TiledSurprise.apply(in_bits_MBD, y_MBD, wants_gradient)  # type: ignore[no-untyped-call]
    return total_M * (NATS_PER_BIT / x_MBD.shape[-2])


class _TiledSurprise(torch.autograd.Function):
    """Sum over rows and columns of -log2 softmax at the diagonal, logits in bits."""

    @staticmethod
    def forward(ctx: Any, x_MBD: Tensor, y_MBD: Tensor, wants_gradient: bool) -> Tensor:
        totals, grads_x, grads_y = [], [], []
        for x_BD, y_BD in zip(split_stack(x_MBD), split_stack(y_MBD), strict=True):
            rows_B, columns_B, positives_B = _sum_tiles(x_BD, y_BD)
            surprise_B = rows_B.log2() + columns_B.log2() - 2 * positives_B
            totals.append(surprise_B.sum(-1))
            if wants_gradient:
                grad_x_BD, grad_y_BD = _differentiate(x_BD, y_BD, rows_B, columns_B)
                grads_x.append(grad_x_BD)
                grads_y.append(grad_y_BD)
        if wants_gradient:
            ctx.save_for_backward(join_stack(grads_x, like=x_MBD), join_stack(grads_y, like=x_MBD))
        return join_stack(totals, like=x_MBD)

    @staticmethod
    def backward(ctx: Any, grad_M: Tensor) -> Any:
        refuse_second_derivatives()
        grad_x_MBD, grad_y_MBD = ctx.saved_tensors
        grad_M11 = grad_M[:, None, None]
        return grad_x_MBD * grad_M11, grad_y_MBD * grad_M11, None


def _sum_tiles(x_BD: Tensor, y_BD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return row sums, column sums and positive logits of one part."""
    rows, positives = [], []
    columns_B: Tensor | None = None
    for start, x_RD in row_chunks(x_BD):
        logits_RB = times_transposed(x_RD, y_BD)
        positives.append(logits_RB.diagonal(start, -2, -1).clone())
        powers_RB = logits_RB.exp2_()
        rows.append(powers_RB.sum(-1))
        columns_B = add(columns_B, powers_RB.sum(-2))
    assert columns_B is not None
    return concatenate(rows, -1), columns_B, concatenate(positives, -1)


def _differentiate(
    x_BD: Tensor, y_BD: Tensor, rows_B: Tensor, columns_B: Tensor
) -> tuple[Tensor, Tensor]:
    row_weight_B1, column_weight_1B = rows_B.reciprocal()[..., None], columns_B.reciprocal()
    grads_x = []
    grad_y_BD: Tensor | None = None
    for start, x_RD in row_chunks(x_BD):
        powers_RB = times_transposed(x_RD, y_BD).exp2_()
        weight_R1 = row_weight_B1[..., start : start + x_RD.shape[-2], :]
        grad_logits_RB = powers_RB.mul_(weight_R1 + column_weight_1B[..., None, :])
        grad_logits_RB.diagonal(start, -2, -1).sub_(2)
        grads_x.append(times(grad_logits_RB, y_BD))
        grad_y_BD = add(grad_y_BD, transposed_times(grad_logits_RB, x_RD))
    assert grad_y_BD is not None
    return concatenate(grads_x, -2), grad_y_BD
