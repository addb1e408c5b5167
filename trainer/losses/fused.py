r"""The log-sum-exps of a batch against another, with a backward written by hand.

For :math:`E_{ij} = \exp(x_i \cdot y_j / \tau)` one B x B buffer and one exponential per logit give
the row sums, the column sums and, in the backward, both softmaxes:
:math:`\partial L / \partial s_{ij} = E_{ij} (g_i / \sum_j E_{ij} + h_j / \sum_i E_{ij})`, formed a
few rows at a time so that there is no second B x B buffer. There is no max pass: the caller
promises unit rows, so logits lie in [-1/tau, 1/tau], and :mod:`trainer.losses.exponent` says for
which temperatures that fits the dtype.

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


def cross_log_sums(
    x_MBD: Tensor, y_MBD: Tensor, inverse_temperature_M: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return log-sum-exp per row, per column, and the positive logits, each of shape [M, B].

    Differentiable once, in all arguments. The caller has checked ``exp_is_safe``.
    """
    in_bits_MBD = x_MBD * (inverse_temperature_M * BITS_PER_NAT)[:, None, None]
    sums: tuple[Tensor, Tensor, Tensor] = _CrossLogSums.apply(in_bits_MBD, y_MBD)  # type: ignore[no-untyped-call]
    return sums


class _Sums(NamedTuple):
    """What the forward learns of one part; ``powers`` are its chunks of exp2(logits)."""

    rows: Tensor
    columns: Tensor
    positives: Tensor
    powers: list[Tensor]


class _CrossLogSums(torch.autograd.Function):
    """Rows, columns and diagonal of x y' where x is scaled so that the logits are in bits."""

    @staticmethod
    def forward(ctx: Any, x_MBD: Tensor, y_MBD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        parts = list(map(_exponentiate, split_stack(x_MBD), split_stack(y_MBD)))
        rows_MB = join_stack([part.rows for part in parts], like=x_MBD)
        columns_MB = join_stack([part.columns for part in parts], like=x_MBD)
        positives_MB = join_stack([part.positives for part in parts], like=x_MBD)
        powers = [chunk for part in parts for chunk in part.powers]
        ctx.save_for_backward(x_MBD, y_MBD, rows_MB, columns_MB, *powers)
        return rows_MB.log(), columns_MB.log(), positives_MB * NATS_PER_BIT

    @staticmethod
    def backward(ctx: Any, rows_MB: Tensor, columns_MB: Tensor, positives_MB: Tensor) -> Any:
        refuse_second_derivatives()
        x_MBD, y_MBD, row_sums_MB, column_sums_MB, *powers = ctx.saved_tensors
        weights = (
            (rows_MB / row_sums_MB * NATS_PER_BIT)[:, :, None],
            (columns_MB / column_sums_MB * NATS_PER_BIT)[:, None, :],
            (positives_MB * NATS_PER_BIT)[:, :, None],
        )
        xs, ys = split_stack(x_MBD), split_stack(y_MBD)
        part_weights = zip(*(split_stack(w, like=x_MBD) for w in weights), strict=True)
        share = len(powers) // len(xs)
        part_powers = (powers[n * share : (n + 1) * share] for n in range(len(xs)))
        gradients = map(_differentiate, xs, ys, part_weights, part_powers)
        grads_x, grads_y = zip(*gradients, strict=True)
        return join_stack(grads_x, like=x_MBD), join_stack(grads_y, like=x_MBD)


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


def _differentiate(
    x_BD: Tensor,
    y_BD: Tensor,
    weights: tuple[Tensor, ...],
    powers: list[Tensor],
) -> tuple[Tensor, Tensor]:
    """Return the gradients of one part: G y and G' x, G formed chunk by chunk."""
    row_weight_B1, column_weight_1B, diagonal_B1 = weights
    grads_x: list[Tensor] = []
    grad_y_BD: Tensor | None = None
    for powers_RB, (start, x_RD) in zip(powers, row_chunks(x_BD), strict=True):
        rows = slice(start, start + x_RD.shape[-2])
        grad_logits_RB = (row_weight_B1[..., rows, :] + column_weight_1B).mul_(powers_RB)
        grad_logits_RB.diagonal(start, -2, -1).add_(diagonal_B1[..., rows, 0])
        grads_x.append(times(grad_logits_RB, y_BD))
        grad_y_BD = add(grad_y_BD, transposed_times(grad_logits_RB, x_RD))
    assert grad_y_BD is not None
    return concatenate(grads_x, -2), grad_y_BD
