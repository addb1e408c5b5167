r"""Symmetric InfoNCE, differentiated while it is computed.

For :math:`E_{ij} = \exp(x_i \cdot y_j / \tau)` one B x B buffer and one exponential per logit give
the row sums, the column sums and both softmaxes:
:math:`\partial L / \partial s_{ij} = (E_{ij} / \sum_j E_{ij} + E_{ij} / \sum_i E_{ij}
- 2 \delta_{ij}) / B`. A member's gradient is taken at once, while its buffer is in the cache, and
only the gradients are kept. There is no max pass: the caller promises unit rows, so logits lie in
[-1/tau, 1/tau], and :mod:`trainer.losses.exponent` says for which temperatures that fits the
dtype.

Exponents are in bits (``exp2`` is four times as fast as ``exp`` on CPU).

Shape legend: M = members, B = pairs, D = embedding dim, R = rows of one chunk. A part is one
member, or the whole stack of them (see :mod:`trainer.losses.parts`), hence no M in its names.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from trainer.gemm import times, times_transposed, transposed_times
from trainer.losses.exponent import BITS_PER_NAT, NATS_PER_BIT
from trainer.losses.once import refuse_second_derivatives
from trainer.losses.parts import add, concatenate, join_stack, row_chunks, split_stack


def infonce_fused(x_MBD: Tensor, y_MBD: Tensor, tau_M: Tensor) -> Tensor:
    """Return symmetric InfoNCE, shape [M], for one leading dim and ``exp_is_safe`` logits.

    Differentiable once, in all arguments. See :func:`trainer.losses.infonce.infonce`.
    """
    wants_gradient = torch.is_grad_enabled() and any(t.requires_grad for t in (x_MBD, y_MBD, tau_M))
    losses_M: Tensor = _InfoNCE.apply(x_MBD, y_MBD, tau_M.reciprocal(), wants_gradient)  # type: ignore[no-untyped-call]
    return losses_M


class _Sums(NamedTuple):
    """What one part adds up; ``powers`` are its chunks of exp2(logits)."""

    rows: Tensor
    columns: Tensor
    positives: Tensor
    powers: list[Tensor]


class _InfoNCE(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x_MBD: Tensor, y_MBD: Tensor, inverse_temperature_M: Tensor, wants_gradient: bool
    ) -> Tensor:
        scale_M11 = _bits_scale(inverse_temperature_M)
        losses_M, own = _run(x_MBD, y_MBD, scale_M11, wants_gradient=wants_gradient)
        ctx.save_for_backward(x_MBD if ctx.needs_input_grad[2] else None, scale_M11, *own)
        return losses_M

    @staticmethod
    def backward(ctx: Any, grad_M: Tensor) -> Any:
        refuse_second_derivatives()
        x_MBD, scale_M11, grad_in_bits_MBD, grad_y_MBD = ctx.saved_tensors
        share_M = grad_M * (NATS_PER_BIT / grad_y_MBD.shape[-2])
        share_M11 = share_M.view(-1, 1, 1)
        grad_inverse_M: Tensor | None = None
        if x_MBD is not None:
            grad_inverse_M = (grad_in_bits_MBD * x_MBD).sum((-2, -1)) * share_M * BITS_PER_NAT
        grad_x_MBD = grad_in_bits_MBD * (scale_M11 * share_M11)
        return grad_x_MBD, grad_y_MBD * share_M11, grad_inverse_M, None


def infonce_by_hand(x_MBD: Tensor, y_MBD: Tensor, tau_M: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return losses, shape (M,), and the gradients of their sum by x and y, without a graph.

    For constant temperatures. The bits are those of :func:`infonce_fused` and autograd.
    """
    scale_M11 = _bits_scale(tau_M.reciprocal())
    losses_M, (grad_in_bits_MBD, grad_y_MBD) = _run(x_MBD, y_MBD, scale_M11, wants_gradient=True)
    share = NATS_PER_BIT / y_MBD.shape[-2]
    return losses_M, grad_in_bits_MBD.mul_(scale_M11 * share), grad_y_MBD.mul_(share)


def _bits_scale(inverse_temperature_M: Tensor) -> Tensor:
    """Return 1 / (tau ln 2), shape (M, 1, 1): similarities times it are logits in bits."""
    return (inverse_temperature_M * BITS_PER_NAT).view(-1, 1, 1)


def _run(
    x_MBD: Tensor, y_MBD: Tensor, scale_M11: Tensor, *, wants_gradient: bool
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return losses, and B / ln 2 times the gradients by the logits' factors, or nothing."""
    sums, gradients = [], []
    for x_BD, y_BD in zip(split_stack(x_MBD * scale_M11), split_stack(y_MBD), strict=True):
        part = _exponentiate(x_BD, y_BD)
        sums.append(part[:3])
        if wants_gradient:
            gradients.append(_differentiate(x_BD, y_BD, part))
    own = tuple(join_stack(p, like=x_MBD) for p in zip(*gradients, strict=True))
    rows_MB, columns_MB, positives_MB = (join_stack(p, like=x_MBD) for p in zip(*sums, strict=True))
    surprise_MB = rows_MB.log().add_(columns_MB.log())
    return surprise_MB.sub_(2 * NATS_PER_BIT * positives_MB).mean(dim=-1), own


def _exponentiate(x_BD: Tensor, y_BD: Tensor) -> _Sums:
    rows, positives, powers = [], [], []
    columns_B: Tensor | None = None
    for start, x_RD in row_chunks(x_BD):
        logits_RB = times_transposed(x_RD, y_BD)
        positives.append(logits_RB.diagonal(start, -2, -1).clone())
        powers_RB = logits_RB.exp2_()
        rows.append(powers_RB.sum(-1))
        columns_B = add(columns_B, powers_RB.sum(-2))
        powers.append(powers_RB)
    assert columns_B is not None
    return _Sums(concatenate(rows, -1), columns_B, concatenate(positives, -1), powers)


def _differentiate(x_BD: Tensor, y_BD: Tensor, sums: _Sums) -> tuple[Tensor, Tensor]:
    """Return B / ln 2 times the gradients of one part: G y and G' x, G formed chunk by chunk."""
    row_weight_B1 = sums.rows.reciprocal().unsqueeze(-1)
    column_weight_1B = sums.columns.reciprocal().unsqueeze(-2)
    grads_x: list[Tensor] = []
    grad_y_BD: Tensor | None = None
    for powers_RB, (start, x_RD) in zip(sums.powers, row_chunks(x_BD), strict=True):
        row_weight_R1 = row_weight_B1[..., start : start + x_RD.shape[-2], :]
        grad_logits_RB = powers_RB.mul_(row_weight_R1 + column_weight_1B)
        grad_logits_RB.diagonal(start, -2, -1).sub_(2)
        grads_x.append(times(grad_logits_RB, y_BD))
        grad_y_BD = add(grad_y_BD, transposed_times(grad_logits_RB, x_RD))
    assert grad_y_BD is not None
    return concatenate(grads_x, -2), grad_y_BD
