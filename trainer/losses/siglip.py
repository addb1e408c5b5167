r"""SigLIP: every pair of the batch is its own yes-or-no question.

Embeddings are L2-normalised by the caller. Any number of leading member dimensions is one call.

Shape legend: M = members (any leading dims), B = pairs, D = embedding dim.
"""

import torch
from torch import Tensor
from torch.nn.functional import softplus

from trainer.losses.exponent import choose_per_member, exp_is_safe
from trainer.losses.fused_siglip import siglip_sum
from trainer.losses.pairs import (
    Scalar,
    as_member_scalar,
    check_pairs,
    member_shape,
    promote_half,
    stack_embeddings,
    stack_scalar,
)


def siglip(x_MBD: Tensor, y_MBD: Tensor, scale: Scalar, bias: Scalar) -> Tensor:
    r"""Return the sigmoid loss of each member.

    :math:`L = -\frac1B \sum_{ij} \log \sigma\big(z_{ij} (k\, x_i \cdot y_j + b)\big)`, z = +1 on
    the diagonal, -1 off it. A learnable scale is kept as its logarithm by whoever learns it
    (:math:`k = e^{k'}`, initially 10; b initially -10); gradients flow to both.

    Args:
        x_MBD: First view or modality, L2-normalised by the caller, shape [..., B, D].
        y_MBD: Second view, same shape; row i is the partner of row i.
        scale: k, a float or a tensor of shape [...].
        bias: b, a float or a tensor of shape [...].

    Returns:
        One loss per member, shape [...], in nats, at least 0.

    Raises:
        PairShapeError: If the batches do not match or are empty.

    References:
        Zhai et al. 2023, arXiv:2303.15343, eq. 1 and algorithm 1.
    """
    check_pairs(x_MBD, y_MBD)
    members = member_shape(x_MBD, scale, bias)
    x_MBD, y_MBD = stack_embeddings(x_MBD, members), stack_embeddings(y_MBD, members)
    scale_M, bias_M = (stack_scalar(s, members, like=x_MBD) for s in (scale, bias))
    # x may be a support vector (trainer.losses.svr), which is longer than 1.
    longest_M = torch.linalg.vector_norm(x_MBD.detach(), dim=-1).amax(dim=-1)
    largest_M = scale_M.detach().abs() * longest_M + bias_M.detach().abs()
    is_safe_M = exp_is_safe(largest_M, terms=x_MBD.shape[-2])
    arguments = (x_MBD, y_MBD, scale_M, bias_M)
    return choose_per_member(is_safe_M, siglip_fused, siglip_plain, *arguments).reshape(members)


def siglip_fused(x_MBD: Tensor, y_MBD: Tensor, scale_M: Tensor, bias_M: Tensor) -> Tensor:
    """Fused form of :func:`siglip` for one leading dim and logits that exp can take."""
    return siglip_sum(x_MBD * scale_M[:, None, None], y_MBD, bias_M) / x_MBD.shape[-2]


def siglip_plain(x_MBD: Tensor, y_MBD: Tensor, scale: Scalar, bias: Scalar) -> Tensor:
    """Reference form of :func:`siglip`: the formula, differentiated by autograd."""
    check_pairs(x_MBD, y_MBD)
    x_MBD, y_MBD = promote_half(x_MBD), promote_half(y_MBD)
    scale_M11 = as_member_scalar(scale, x_MBD)[..., None, None]
    bias_M11 = as_member_scalar(bias, x_MBD)[..., None, None]
    logits_MBB = (x_MBD * scale_M11) @ y_MBD.mT + bias_M11
    batch = x_MBD.shape[-2]
    is_partner_BB = torch.eye(batch, dtype=torch.bool, device=x_MBD.device)
    surprise_MBB = softplus(torch.where(is_partner_BB, -logits_MBB, logits_MBB))
    return surprise_MBB.sum(dim=(-2, -1)) / batch
