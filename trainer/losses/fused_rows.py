r"""One direction of InfoNCE, differentiated while it is computed.

A softmax over rows is complete once its row is, so a chunk of rows yields its share of the value
and of both gradients at once, and is then forgotten: memory O(B x chunk). Each row is shifted by
its maximum, so rows of any length and any temperature are safe (support vectors are longer than 1).

Shape legend: M = members, A = anchors, B = candidates, D = embedding dim, R = rows of one chunk.
A part is one member, or the whole stack (see :mod:`trainer.losses.parts`).
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from trainer.gemm import times, times_transposed, transposed_times
from trainer.losses.exponent import BITS_PER_NAT, NATS_PER_BIT
from trainer.losses.once import refuse_second_derivatives
from trainer.losses.parts import add, concatenate, join_stack, row_chunks, split_stack


def one_way_infonce_fused(
    anchors_MBD: Tensor, partners_MBD: Tensor, inverse_temperature_M: Tensor
) -> Tensor:
    """Return the mean over i of -log softmax_j(p_i . y_j / tau)_i, shape [M].

    Differentiable once in all arguments; anchors need not be normalised.
    """
    total_M = surprise_sum(anchors_MBD, partners_MBD, inverse_temperature_M)
    return total_M / anchors_MBD.shape[-2]


def surprise_sum(
    anchors_MAD: Tensor, partners_MBD: Tensor, inverse_temperature_M: Tensor, first: int = 0
) -> Tensor:
    """Return the sum over anchors of -log softmax at the partner, in nats, shape [M].

    Args:
        anchors_MAD: A <= B anchors, shape [M, A, D].
        partners_MBD: All candidates, shape [M, B, D].
        inverse_temperature_M: 1 / tau, shape [M].
        first: Row of ``partners_MBD`` that is the partner of anchor 0; the others follow.
    """
    in_bits_MAD = anchors_MAD * (inverse_temperature_M * BITS_PER_NAT)[:, None, None]
    wants_gradient = torch.is_grad_enabled() and (
        in_bits_MAD.requires_grad or partners_MBD.requires_grad
    )
    total_M: Tensor = _RowSurprise.apply(in_bits_MAD, partners_MBD, first, wants_gradient)  # type: ignore[no-untyped-call]
    return total_M * NATS_PER_BIT


class _RowSurprise(torch.autograd.Function):
    """Sum over rows of -log2 softmax at the diagonal; x is scaled so that logits are in bits."""

    @staticmethod
    def forward(ctx: Any, x_MBD: Tensor, y_MBD: Tensor, first: int, wants_gradient: bool) -> Tensor:
        work = partial(_differentiate if wants_gradient else _evaluate, first=first)
        parts = list(map(work, split_stack(x_MBD), split_stack(y_MBD, like=x_MBD)))
        total_M, *gradients = (join_stack(p, like=x_MBD) for p in zip(*parts, strict=True))
        ctx.save_for_backward(*gradients)
        return total_M

    @staticmethod
    def backward(ctx: Any, grad_M: Tensor) -> Any:
        refuse_second_derivatives()
        grad_x_MBD, grad_y_MBD = ctx.saved_tensors
        grad_M11 = grad_M[:, None, None]
        return grad_x_MBD * grad_M11, grad_y_MBD * grad_M11, None, None


def _powers(x_RD: Tensor, y_BD: Tensor, partner: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return 2^(logit - row maximum), its row sums [..., R, 1], and the rows' total surprise."""
    logits_RB = times_transposed(x_RD, y_BD)
    positives_R = logits_RB.diagonal(partner, -2, -1).clone()
    largest_R1 = logits_RB.amax(-1, keepdim=True)
    powers_RB = logits_RB.sub_(largest_R1).exp2_()
    sums_R1 = powers_RB.sum(-1, keepdim=True)
    surprise_R = sums_R1.log2().add_(largest_R1)[..., 0] - positives_R
    return powers_RB, sums_R1, surprise_R.sum(-1)


def _evaluate(x_BD: Tensor, y_BD: Tensor, first: int) -> tuple[Tensor]:
    total: Tensor | None = None
    for start, x_RD in row_chunks(x_BD):
        total = add(total, _powers(x_RD, y_BD, first + start)[2])
    assert total is not None
    return (total,)


def _differentiate(x_BD: Tensor, y_BD: Tensor, first: int) -> tuple[Tensor, ...]:
    """Return the value and its gradients by x and y."""
    total: Tensor | None = None
    grad_y_BD: Tensor | None = None
    grads_x = []
    for start, x_RD in row_chunks(x_BD):
        powers_RB, sums_R1, surprise = _powers(x_RD, y_BD, first + start)
        total = add(total, surprise)
        grad_logits_RB = powers_RB.div_(sums_R1)
        grad_logits_RB.diagonal(first + start, -2, -1).sub_(1)
        grads_x.append(times(grad_logits_RB, y_BD))
        grad_y_BD = add(grad_y_BD, transposed_times(grad_logits_RB, x_RD))
    assert total is not None
    assert grad_y_BD is not None
    return total, concatenate(grads_x, -2), grad_y_BD
