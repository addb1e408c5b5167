r"""InfoNCE and NT-Xent: tell each pair's partner from everything else in the batch.

Both take embeddings that the caller has already L2-normalised. Any number of leading member
dimensions is one call: members differ in their embeddings, their temperature, or both, and the
value of a member does not depend on its neighbours in the stack.

Shape legend: M = members (any leading dims), B = pairs, D = embedding dim, N = 2B views.
"""

import torch
from torch import Tensor

from trainer.losses.exponent import choose_per_member, exp_is_safe
from trainer.losses.fused import infonce_fused
from trainer.losses.fused_gram import self_log_sums
from trainer.losses.pairs import (
    Scalar,
    as_member_scalar,
    check_pairs,
    check_temperature,
    promote_half,
    stack_pairs,
)
from trainer.losses.tiled import infonce_tiled

LARGEST_BUFFER_BYTES = 2 * 2**20
"""Size of one member's B x B similarities above which they are computed twice, not kept:
a quarter of the memory for a tenth to a fifth more time."""


def infonce(x_MBD: Tensor, y_MBD: Tensor, temperature: Scalar, *, is_safe: bool = False) -> Tensor:
    r"""Return the symmetric InfoNCE loss of each member.

    :math:`L = L_{x \to y} + L_{y \to x}` with
    :math:`L_{x \to y} = -\frac1B \sum_i \log \mathrm{softmax}_j(x_i \cdot y_j / \tau)_i`:
    the positive stays in the denominator, the directions are added (CLIP halves the sum).

    Args:
        x_MBD: First view or modality, L2-normalised by the caller, shape [..., B, D].
        y_MBD: Second view, same shape; row i is the partner of row i.
        temperature: tau > 0, a float or a tensor of shape [...]. Finite down to 0.005 in
            float32. Half-precision embeddings are promoted to float32.
        is_safe: The caller knows that ``exp_is_always_safe`` (B terms): nothing is looked up.

    Returns:
        One loss per member, shape [...], in nats: 2 log B for indistinguishable rows.

    Raises:
        PairShapeError: If the batches do not match or are empty.
        ValueError: If a float temperature is not positive.

    References:
        van den Oord et al. 2018, arXiv:1807.03748 (InfoNCE); Radford et al. 2021,
        arXiv:2103.00020, fig. 3 (symmetric form).
    """
    check_pairs(x_MBD, y_MBD)
    members, x_MBD, y_MBD, tau_M = stack_pairs(x_MBD, y_MBD, temperature)
    fast = infonce_tiled if is_large(x_MBD) else infonce_fused
    if is_safe:
        return fast(x_MBD, y_MBD, tau_M).reshape(members)
    is_safe_M = exp_is_safe(1 / tau_M.detach(), terms=x_MBD.shape[-2])
    losses_M = choose_per_member(is_safe_M, fast, infonce_plain, x_MBD, y_MBD, tau_M)
    return losses_M.reshape(members)


def nt_xent(x_MBD: Tensor, y_MBD: Tensor, temperature: Scalar, *, is_safe: bool = False) -> Tensor:
    r"""Return the NT-Xent (SimCLR) loss of each member.

    The 2B views form one matrix; each of them is an anchor, its partner the positive, itself
    excluded, the positive in the denominator, and the mean runs over all 2B anchors.

    Args:
        x_MBD: First views, L2-normalised by the caller, shape [..., B, D].
        y_MBD: Second views, same shape.
        temperature: tau > 0, a float or a tensor of shape [...].
        is_safe: The caller knows that ``exp_is_always_safe`` (2B terms): nothing is looked up.

    Returns:
        One loss per member, shape [...], in nats: log(2B - 1) for indistinguishable rows and
        0 for a single pair.

    Raises:
        PairShapeError: If the batches do not match or are empty.
        ValueError: If a float temperature is not positive.

    References:
        Chen et al. 2020, arXiv:2002.05709, eq. 1.
    """
    check_pairs(x_MBD, y_MBD)
    members, x_MBD, y_MBD, tau_M = stack_pairs(x_MBD, y_MBD, temperature)
    if is_safe:
        return nt_xent_fused(x_MBD, y_MBD, tau_M).reshape(members)
    is_safe_M = exp_is_safe(1 / tau_M.detach(), terms=2 * x_MBD.shape[-2])
    losses_M = choose_per_member(is_safe_M, nt_xent_fused, nt_xent_plain, x_MBD, y_MBD, tau_M)
    return losses_M.reshape(members)


def is_large(x_MBD: Tensor) -> bool:
    """Return whether one member's similarities are too many to be kept."""
    return x_MBD.shape[-2] ** 2 * x_MBD.element_size() > LARGEST_BUFFER_BYTES


def infonce_plain(x_MBD: Tensor, y_MBD: Tensor, temperature: Scalar) -> Tensor:
    """Reference form of :func:`infonce`: the formula, differentiated by autograd."""
    logits_MBB = similarity_logits(x_MBD, y_MBD, temperature)
    return one_way_infonce(logits_MBB) + one_way_infonce(logits_MBB.mT)


def nt_xent_fused(x_MBD: Tensor, y_MBD: Tensor, tau_M: Tensor) -> Tensor:
    """Fused form of :func:`nt_xent` for one leading dim and temperatures that are not tiny."""
    log_sums_MN = self_log_sums(torch.cat([x_MBD, y_MBD], dim=-2), 1 / tau_M)
    return log_sums_MN.mean(dim=-1) - (x_MBD * y_MBD).sum(dim=-1).mean(dim=-1) / tau_M


def nt_xent_plain(x_MBD: Tensor, y_MBD: Tensor, temperature: Scalar) -> Tensor:
    """Reference form of :func:`nt_xent`: the formula, differentiated by autograd."""
    check_pairs(x_MBD, y_MBD)
    batch = x_MBD.shape[-2]
    views_MND = torch.cat([x_MBD, y_MBD], dim=-2)
    logits_MNN = similarity_logits(views_MND, views_MND, temperature)
    is_self_NN = torch.eye(2 * batch, dtype=torch.bool, device=x_MBD.device)
    log_sum_MN = logits_MNN.masked_fill(is_self_NN, -torch.inf).logsumexp(dim=-1)
    positives_MB = logits_MNN.diagonal(offset=batch, dim1=-2, dim2=-1)
    return log_sum_MN.mean(dim=-1) - positives_MB.mean(dim=-1)


def similarity_logits(x_MBD: Tensor, y_MBD: Tensor, temperature: Scalar) -> Tensor:
    """Return all similarities x_i . y_j / tau, shape [..., B, B].

    Raises:
        PairShapeError: If the batches do not match or are empty.
        ValueError: If a float temperature is not positive.
    """
    check_pairs(x_MBD, y_MBD)
    check_temperature(temperature)
    x_MBD, y_MBD = promote_half(x_MBD), promote_half(y_MBD)
    tau_M11 = as_member_scalar(temperature, x_MBD)[..., None, None]
    return (x_MBD / tau_M11) @ y_MBD.mT


def one_way_infonce(logits_MBB: Tensor) -> Tensor:
    """Return the mean over rows of -log softmax at the diagonal, shape [...]."""
    positives_MB = logits_MBB.diagonal(dim1=-2, dim2=-1)
    return (logits_MBB.logsumexp(dim=-1) - positives_MB).mean(dim=-1)
