"""Linear layers of members multiplied in one batched product, with a backward written by hand.

For small members a step's time is the number of kernels it starts, not their work: product, bias,
ReLU and the zeros that fill up widths are one node of the graph where autograd makes up to seven.

At widths that are no multiple of 16 MKL picks its code by the address at which a member's slice
starts, so the last bit would depend on the member's place in the stack (measured, see
:func:`trainer.losses.rows.pad_columns`): such layers go through wider ones.

Shape legend: M = members, N = samples, F, G = features, P = F or G filled up to a multiple of 16.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from trainer.losses.once import refuse_second_derivatives
from trainer.losses.rows import COLUMN_MULTIPLE, pad_columns


class Product(NamedTuple):
    """What the gradients of one layer are computed from.

    ``rectified_MNG`` is the layer's output if a ReLU is part of it, ``fans`` are the widths F and
    G, without the columns that fill them up.
    """

    x_MNP: Tensor
    weight_MPP: Tensor
    rectified_MNG: Tensor | None
    fans: tuple[int, int]


def multiply(
    x_MNF: Tensor, weight_MFG: Tensor, bias_M1G: Tensor, *, rectify: bool
) -> tuple[Tensor, Product]:
    """Return x W + b, or its positive part, (M, N, G), and what :func:`differentiate` asks for.

    For use where autograd does not record: a ReLU is taken in place.
    """
    fan_in, fan_out = weight_MFG.shape[-2:]
    x_MNP, weight_MPP = pad_columns(x_MNF), _pad_weight(weight_MFG)
    out_MNG = torch.baddbmm(pad_columns(bias_M1G), x_MNP, weight_MPP)
    if rectify:
        out_MNG.relu_()
    out_MNG = _cut(out_MNG, fan_out)
    return out_MNG, Product(x_MNP, weight_MPP, out_MNG if rectify else None, (fan_in, fan_out))


def differentiate(
    product: Product, grad_MNG: Tensor, *, wants_x: bool
) -> tuple[Tensor | None, Tensor, Tensor]:
    """Return the gradients by x (None if not wanted), W and b from that by the output."""
    x_MNP, weight_MPP, rectified_MNG, (fan_in, fan_out) = product
    if rectified_MNG is not None:
        grad_MNG = torch.ops.aten.threshold_backward(grad_MNG, rectified_MNG, 0)
    grad_MNP = pad_columns(grad_MNG)
    grad_x_MNF: Tensor | None = None
    if wants_x:
        grad_x_MNF = _cut(torch.bmm(grad_MNP, weight_MPP.mT), fan_in)
    grad_weight_MPP = torch.bmm(x_MNP.mT, grad_MNP)
    grad_weight_MFG = _cut(grad_weight_MPP[:, :fan_in], fan_out).contiguous()
    grad_bias_M1P = grad_MNP.sum(dim=-2, keepdim=True)
    return grad_x_MNF, grad_weight_MFG, _cut(grad_bias_M1P, fan_out).contiguous()


def stacked_linear(
    x_MNF: Tensor, weight_MFG: Tensor, bias_M1G: Tensor, *, rectify: bool = False
) -> Tensor:
    """Return x W + b, or its positive part, shape (M, N, G). Differentiable once."""
    out_MNG: Tensor = _StackedLinear.apply(x_MNF, weight_MFG, bias_M1G, rectify)  # type: ignore[no-untyped-call]
    return out_MNG


def stacked_linear_plain(x_MNF: Tensor, weight_MFG: Tensor, bias_M1G: Tensor) -> Tensor:
    """Return x W + b, differentiated by autograd: for autocast, which casts kernel by kernel."""
    out_MNP = torch.baddbmm(pad_columns(bias_M1G), pad_columns(x_MNF), _pad_weight(weight_MFG))
    return out_MNP[..., : weight_MFG.shape[-1]]


class _StackedLinear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x_MNF: Tensor, weight_MFG: Tensor, bias_M1G: Tensor, rectify: bool
    ) -> Tensor:
        out_MNG, (*tensors, ctx.fans) = multiply(x_MNF, weight_MFG, bias_M1G, rectify=rectify)
        ctx.save_for_backward(*tensors)
        return out_MNG

    @staticmethod
    def backward(ctx: Any, grad_MNG: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        refuse_second_derivatives()
        x_MNP, weight_MPP, rectified_MNG = ctx.saved_tensors
        product = Product(x_MNP, weight_MPP, rectified_MNG, ctx.fans)
        return *differentiate(product, grad_MNG, wants_x=ctx.needs_input_grad[0]), None


def _pad_weight(weight_MFG: Tensor) -> Tensor:
    missing_in, missing_out = (-fan % COLUMN_MULTIPLE for fan in weight_MFG.shape[-2:])
    if missing_in or missing_out:
        return pad(weight_MFG, (0, missing_out, 0, missing_in))
    return weight_MFG


def _cut(wide_MNP: Tensor, columns: int) -> Tensor:
    return wide_MNP if wide_MNP.shape[-1] == columns else wide_MNP[..., :columns]
