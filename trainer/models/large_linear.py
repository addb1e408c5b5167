"""Linear layers of members that are large enough to be multiplied one by one, on CPU.

oneDNN multiplies single float32 matrices at up to twice the speed of MKL's batched product, but
has no batched one of its own and starts slowly (see :mod:`trainer.gemm`). On one core of an EPYC
with AVX-512, 512 rows, forward / gradient by the input / by the weight, in GFLOP/s: width
512 x 512 MKL 84 / 88 / 85, oneDNN 146 / 166 / 122; 128 x 128 73 / 67 / 73 and 93 / 135 / 86;
64 x 64 63 / 50 / 70 and 77 / 54 / 47. The size of one member decides, never their number, so
that a member's bits don't depend on the others.

Shape legend: M = members, N = samples, F, G = features.
"""

from typing import Any

import torch
from torch import Tensor

from trainer.gemm import HAS_ONEDNN, times, times_transposed, transposed_times
from trainer.losses.rows import COLUMN_MULTIPLE

SMALLEST_PRODUCT = 512 * 64 * 128
"""Multiplications per member from which on oneDNN is the faster one, by whole steps."""

SMALLEST_WEIGHT_PRODUCT = 512 * 128 * 128
"""The same for the weight's gradient, which needs its first operand transposed."""


def suits_one_by_one(x_MNF: Tensor, weight_MFG: Tensor) -> bool:
    """Whether :func:`large_linear` is the faster product, and may be used."""
    return (
        HAS_ONEDNN
        and x_MNF.device.type == "cpu"
        and x_MNF.dtype == weight_MFG.dtype == torch.float32
        and x_MNF.shape[-2] * weight_MFG.shape[-2:].numel() >= SMALLEST_PRODUCT
        and not torch.is_autocast_enabled("cpu")
    )


def large_linear(
    x_MNF: Tensor, weight_MFG: Tensor, bias_M1G: Tensor, *, rectify: bool = False
) -> Tensor:
    """Return x W + b, or its positive part, shape (M, N, G), each member multiplied alone.

    Differentiable once.
    """
    out_MNG: Tensor = _LargeLinear.apply(x_MNF, weight_MFG, bias_M1G, rectify)  # type: ignore[no-untyped-call]
    return out_MNG


class _LargeLinear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x_MNF: Tensor, weight_MFG: Tensor, bias_M1G: Tensor, rectify: bool
    ) -> Tensor:
        out_MNG = x_MNF.new_empty(*x_MNF.shape[:-1], weight_MFG.shape[-1])
        for out, x, weight, bias in zip(out_MNG, x_MNF, weight_MFG, bias_M1G, strict=True):
            torch.add(times(x, weight), bias, out=out)
            if rectify:
                out.relu_()
        ctx.save_for_backward(x_MNF, weight_MFG, out_MNG if rectify else None)
        return out_MNG

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_MNG: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        x_MNF, weight_MFG, rectified_MNG = ctx.saved_tensors
        if rectified_MNG is not None:
            grad_MNG = torch.ops.aten.threshold_backward(grad_MNG, rectified_MNG, 0)
        grad_x_MNF: Tensor | None = None
        if ctx.needs_input_grad[0]:
            grads_x = map(times_transposed, grad_MNG, weight_MFG)
            grad_x_MNF = torch.stack(list(grads_x))
        if _multiplies_weight_alone(x_MNF, weight_MFG):
            grad_weight_MFG = torch.stack(list(map(transposed_times, x_MNF, grad_MNG)))
        else:
            grad_weight_MFG = x_MNF.mT @ grad_MNG
        return grad_x_MNF, grad_weight_MFG, grad_MNG.sum(dim=-2, keepdim=True), None


def _multiplies_weight_alone(x_MNF: Tensor, weight_MFG: Tensor) -> bool:
    # MKL's bits depend on where a member's slice starts unless rows fill whole cache lines.
    is_ragged = any(width % COLUMN_MULTIPLE for width in weight_MFG.shape[-2:])
    products = x_MNF.shape[-2] * weight_MFG.shape[-2:].numel()
    return is_ragged or products >= SMALLEST_WEIGHT_PRODUCT
