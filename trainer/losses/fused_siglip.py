r"""The sum of pairwise sigmoid losses, differentiated while it is computed.

Each term depends on one logit only, so a chunk of rows yields its share of the value and of every
gradient at once, and is then forgotten: memory O(B x chunk). With :math:`e = \exp(-z\,l)` one
exponential gives the loss log(1 + e) and its derivative -z e / (1 + e).

Shape legend: M = members, A = rows, B = candidates, D = embedding dim, R = rows of one chunk.
A part is one member, or the whole stack (see :mod:`trainer.losses.parts`).
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from trainer.gemm import times, times_transposed, transposed_times
from trainer.losses.exponent import BITS_PER_NAT
from trainer.losses.once import refuse_second_derivatives
from trainer.losses.parts import add, concatenate, join_stack, row_chunks, split_stack


def siglip_sum(x_MAD: Tensor, y_MBD: Tensor, bias_M: Tensor, first: int = 0) -> Tensor:
    """Return sum_ij log(1 + exp(-z_ij (x_i . y_j + b))), z = +1 for partners and -1 otherwise.

    Args:
        x_MAD: A <= B rows that already carry the scale, shape [M, A, D].
        y_MBD: Rows they are compared with, shape [M, B, D].
        first: Row of ``y_MBD`` that is the partner of row 0 of ``x_MAD``; the others follow.
        bias_M: b, shape [M]. The caller has checked ``exp_is_safe`` for all logits.

    Returns:
        Shape [M]. Differentiable once in all arguments.
    """
    wants_gradient = torch.is_grad_enabled() and any(
        t.requires_grad for t in (x_MAD, y_MBD, bias_M)
    )
    total: Tensor = _SiglipSum.apply(x_MAD, y_MBD, bias_M, first, wants_gradient)  # type: ignore[no-untyped-call]
    return total


class _SiglipSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x_MBD: Tensor, y_MBD: Tensor, bias_M: Tensor, first: int, wants_gradient: bool
    ) -> Tensor:
        biases = split_stack(bias_M[:, None, None], like=x_MBD)
        work = partial(_differentiate if wants_gradient else _evaluate, first=first)
        parts = list(map(work, split_stack(x_MBD), split_stack(y_MBD, like=x_MBD), biases))
        total_M, *gradients = (join_stack(p, like=x_MBD) for p in zip(*parts, strict=True))
        ctx.save_for_backward(*gradients)
        return total_M

    @staticmethod
    def backward(ctx: Any, grad_M: Tensor) -> Any:
        refuse_second_derivatives()
        grad_x_MBD, grad_y_MBD, grad_bias_M = ctx.saved_tensors
        grad_M11 = grad_M[:, None, None]
        return grad_x_MBD * grad_M11, grad_y_MBD * grad_M11, grad_bias_M * grad_M, None, None


def _powers(x_RD: Tensor, y_BD: Tensor, bias_11: Tensor, partner: int) -> Tensor:
    """Return exp(-z l) of a chunk of rows, shape [..., R, B]."""
    logits_RB = times_transposed(x_RD * BITS_PER_NAT, y_BD).add_(bias_11 * BITS_PER_NAT)
    logits_RB.diagonal(partner, -2, -1).neg_()
    return logits_RB.exp2_()


def _evaluate(x_BD: Tensor, y_BD: Tensor, bias_11: Tensor, first: int) -> tuple[Tensor]:
    total: Tensor | None = None
    for start, x_RD in row_chunks(x_BD):
        total = add(total, _powers(x_RD, y_BD, bias_11, first + start).log1p_().sum((-2, -1)))
    assert total is not None
    return (total,)


def _differentiate(x_BD: Tensor, y_BD: Tensor, bias_11: Tensor, first: int) -> tuple[Tensor, ...]:
    """Return the value and its gradients by x, y and the bias."""
    total: Tensor | None = None
    grad_y_BD: Tensor | None = None
    grad_bias: Tensor | None = None
    grads_x = []
    for start, x_RD in row_chunks(x_BD):
        powers_RB = _powers(x_RD, y_BD, bias_11, first + start)
        total = add(total, powers_RB.log1p().sum((-2, -1)))
        grad_logits_RB = powers_RB.div_(powers_RB + 1)
        grad_logits_RB.diagonal(first + start, -2, -1).neg_()
        grads_x.append(times(grad_logits_RB, y_BD))
        grad_y_BD = add(grad_y_BD, transposed_times(grad_logits_RB, x_RD))
        grad_bias = add(grad_bias, grad_logits_RB.sum((-2, -1)))
    assert total is not None
    assert grad_y_BD is not None
    assert grad_bias is not None
    return total, concatenate(grads_x, -2), grad_y_BD, grad_bias
