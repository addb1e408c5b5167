"""Matrix products for the fused objectives, through the faster library where there is a choice.

On AMD processors PyTorch's float32 ``matmul`` goes to MKL, which there reaches 95 GFLOP/s a core
where oneDNN, shipped in the same wheel, reaches 220 (torch 2.13, EPYC with AVX-512). Its products
also have the same bits wherever a matrix starts in memory, MKL's only at multiples of 64 bytes.
Other devices and dtypes, matrices with leading dims, and builds without oneDNN use ``matmul``.

Not differentiable: for use inside ``torch.autograd.Function``.

Shape legend: R, C = rows and columns of the result, K = the dimension summed over.
"""

import torch
from torch import Tensor

HAS_ONEDNN = torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def times_transposed(a_RK: Tensor, b_CK: Tensor) -> Tensor:
    """Return a b', shape [..., R, C]."""
    if _suits_onednn(a_RK, b_CK):
        return _onednn_linear(a_RK, b_CK)
    return _matmul(a_RK, b_CK.mT)


def times(a_RK: Tensor, b_KC: Tensor) -> Tensor:
    """Return a b, shape [..., R, C]."""
    if _suits_onednn(a_RK, b_KC):
        return _onednn_linear(a_RK, b_KC.mT)
    return _matmul(a_RK, b_KC)


def transposed_times(a_KR: Tensor, b_KC: Tensor) -> Tensor:
    """Return a' b, shape [..., R, C], where ``a_KR`` is the larger of the two.

    oneDNN reads a transposed second operand at full speed, a transposed first one only after a
    copy, so the small matrix goes first and the result is a transposed view.
    """
    if _suits_onednn(a_KR, b_KC):
        return _onednn_linear(b_KC.mT, a_KR.mT).mT
    return _matmul(a_KR.mT, b_KC)


def _matmul(a_RK: Tensor, b_KC: Tensor) -> Tensor:
    # On a stack matmul calls bmm, after six calls that look at its shape.
    is_stack = a_RK.ndim == b_KC.ndim == 3
    return torch.bmm(a_RK, b_KC) if is_stack else a_RK @ b_KC


def _suits_onednn(a: Tensor, b: Tensor) -> bool:
    return (
        HAS_ONEDNN
        and a.ndim == b.ndim == 2
        and a.dtype == b.dtype == torch.float32
        and a.device.type == "cpu"
    )


def _onednn_linear(a_RK: Tensor, b_CK: Tensor) -> Tensor:
    operands = _pack(a_RK), _pack(b_CK)
    product: Tensor = torch.ops.mkldnn._linear_pointwise(*operands, None, "none", [], "")
    return product


def _pack(matrix: Tensor) -> Tensor:
    # A window into a wider matrix would send oneDNN to its reference loop, 100 times slower.
    return matrix if matrix.is_contiguous() or matrix.mT.is_contiguous() else matrix.contiguous()
