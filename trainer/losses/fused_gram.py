r"""The log-sum-exps of a batch against itself, some rows excluded, with a backward by hand.

The similarities of N rows among themselves are symmetric, so only the blocks on and above the
diagonal are formed, exponentiated and kept: little more than half of the N x N matrix. A block
above the diagonal serves its rows by summing along and its columns by summing down. With
:math:`E_{ij} = \exp(z_i \cdot z_j / \tau)` and weights :math:`w_i = g_i / \sum_j E_{ij}` the
gradient is :math:`\tau^{-1} H z` with the symmetric :math:`H_{ij} = E_{ij} (w_i + w_j)`, again
block by block.

Exponents are in bits (``exp2`` is four times as fast as ``exp`` on CPU).

Shape legend: M = members, N = rows, D = embedding dim, R = rows of one block, T = columns from the
block's diagonal on. A part is one member, or the whole stack (see :mod:`trainer.losses.parts`).
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from trainer.gemm import times, times_transposed, transposed_times
from trainer.losses.exponent import BITS_PER_NAT, NATS_PER_BIT
from trainer.losses.once import refuse_second_derivatives
from trainer.losses.parts import join_stack, split_stack

BLOCK_ROWS = 512


def self_log_sums(
    z_MND: Tensor, inverse_temperature_M: Tensor, labels_MN: Tensor | None = None
) -> Tensor:
    """Return log sum_j exp(z_i . z_j / tau) for every row i, shape [M, N], N >= 2.

    j runs over the other rows, or, with labels, over the rows with another label: there must be
    one. Differentiable once, in the first two arguments. The caller has checked ``exp_is_safe``.
    """
    scale_M = inverse_temperature_M * BITS_PER_NAT
    sums: Tensor = _SelfLogSums.apply(z_MND, scale_M, labels_MN)  # type: ignore[no-untyped-call]
    return sums


class _SelfLogSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z_MND: Tensor, scale_M: Tensor, labels_MN: Tensor | None) -> Tensor:
        scaled_MND, zs = z_MND * scale_M[:, None, None], split_stack(z_MND)
        labels = len(zs) * [None] if labels_MN is None else split_stack(labels_MN, like=z_MND)
        parts = list(map(_exponentiate, split_stack(scaled_MND), zs, labels))
        sums_MN = join_stack([sums for sums, _ in parts], like=z_MND)
        powers = [block for _, blocks in parts for block in blocks]
        ctx.save_for_backward(z_MND, scale_M, sums_MN, *powers)
        return sums_MN.log()

    @staticmethod
    def backward(ctx: Any, grad_MN: Tensor) -> Any:
        refuse_second_derivatives()
        z_MND, scale_M, sums_MN, *powers = ctx.saved_tensors
        zs = split_stack(z_MND)
        weights = split_stack(grad_MN / sums_MN * NATS_PER_BIT, like=z_MND)
        share = len(powers) // len(zs)
        part_powers = (powers[n * share : (n + 1) * share] for n in range(len(zs)))
        gradients = list(map(_differentiate, zs, weights, part_powers))
        grad_MND = join_stack(gradients, like=z_MND)
        # Each logit is counted in H from both ends, hence the half.
        grad_scale_M = (grad_MND * z_MND).sum(dim=(-2, -1)) / 2 if ctx.needs_input_grad[1] else None
        return grad_MND * scale_M[:, None, None], grad_scale_M, None


def _exponentiate(
    scaled_ND: Tensor, z_ND: Tensor, labels_N: Tensor | None
) -> tuple[Tensor, list[Tensor]]:
    sums_N, powers = torch.zeros_like(z_ND[..., 0]), []
    for rows in _block_rows(z_ND.shape[-2]):
        powers_RT = times_transposed(scaled_ND[..., rows, :], z_ND[..., rows.start :, :]).exp2_()
        if labels_N is None:
            powers_RT.diagonal(0, -2, -1).zero_()
        else:
            is_same_RT = labels_N[..., rows, None] == labels_N[..., None, rows.start :]
            powers_RT.masked_fill_(is_same_RT, 0)
        sums_N[..., rows] += powers_RT.sum(-1)
        sums_N[..., rows.stop :] += powers_RT[..., rows.stop - rows.start :].sum(-2)
        powers.append(powers_RT)
    return sums_N, powers


def _differentiate(z_ND: Tensor, weight_N: Tensor, powers: list[Tensor]) -> Tensor:
    """Return H z of one part, block by block."""
    grad_ND = torch.zeros_like(z_ND)
    for rows, powers_RT in zip(_block_rows(z_ND.shape[-2]), powers, strict=True):
        weight_RT = weight_N[..., rows, None] + weight_N[..., None, rows.start :]
        h_RT = weight_RT.mul_(powers_RT)
        grad_ND[..., rows, :] += times(h_RT, z_ND[..., rows.start :, :])
        if rows.stop < z_ND.shape[-2]:
            above_diagonal = h_RT[..., rows.stop - rows.start :]
            grad_ND[..., rows.stop :, :] += transposed_times(above_diagonal, z_ND[..., rows, :])
    return grad_ND


def _block_rows(count: int) -> Iterator[slice]:
    for start in range(0, count, BLOCK_ROWS):
        yield slice(start, min(start + BLOCK_ROWS, count))
