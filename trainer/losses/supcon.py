r"""Supervised contrastive losses (SCL): every sample of the anchor's class is a positive.

Embeddings are L2-normalised by the caller. Any number of leading member dimensions is one call.

Shape legend: M = members (any leading dims), B = pairs, D = embedding dim, N = 2B views.
"""

import torch
from torch import Tensor

from trainer.losses.exponent import choose_per_member, exp_is_safe
from trainer.losses.fused_supcon import supcon_fused
from trainer.losses.infonce import similarity_logits
from trainer.losses.pairs import (
    Scalar,
    as_member_scalar,
    check_pairs,
    promote_half,
    stack_pairs,
)


def supcon(x_MBD: Tensor, y_MBD: Tensor, labels_MB: Tensor, temperature: Scalar) -> Tensor:
    r"""Return SupCon :math:`L_{out}` of each member: the mean over positives outside the log.

    With the 2B views in one list, :math:`P(i)` the other views of anchor i's class (its
    partner among them) and :math:`A(i)` all views but i,

    .. math:: L = \frac1{2B} \sum_i \Big[ \log \sum_{a \in A(i)} e^{s_{ia}}
              - \frac1{|P(i)|} \sum_{p \in P(i)} s_{ip} \Big], \quad s_{ij} = z_i \cdot z_j / \tau.

    The mean over positives is linear in them, so it is taken from sums per class and needs no
    second 2B x 2B matrix.

    Args:
        x_MBD: First views, L2-normalised by the caller, shape [..., B, D].
        y_MBD: Second views, same shape.
        labels_MB: Class of each pair, int64, shape [..., B] (or [B], shared by all members).
        temperature: tau > 0, a float or a tensor of shape [...].

    Returns:
        One loss per member, shape [...], in nats: log(2B - 1) for indistinguishable rows. With
        all labels different it is NT-Xent.

    Raises:
        PairShapeError: If the batches do not match or are empty.
        ValueError: If a float temperature is not positive.

    References:
        Khosla et al. 2020, arXiv:2004.11362, eq. 2.
    """
    check_pairs(x_MBD, y_MBD)
    members, x_MBD, y_MBD, tau_M = stack_pairs(x_MBD, y_MBD, temperature)
    labels_MB = labels_MB.expand(*members, -1).reshape(x_MBD.shape[:-1])
    is_safe_M = exp_is_safe(1 / tau_M.detach(), terms=2 * x_MBD.shape[-2])
    arguments = (x_MBD, y_MBD, labels_MB, tau_M)
    return choose_per_member(is_safe_M, supcon_fused, supcon_plain, *arguments).reshape(members)


def supcon_plain(x_MBD: Tensor, y_MBD: Tensor, labels_MB: Tensor, temperature: Scalar) -> Tensor:
    """Reference form of :func:`supcon`: the formula, differentiated by autograd."""
    check_pairs(x_MBD, y_MBD)
    x_MBD, y_MBD = promote_half(x_MBD), promote_half(y_MBD)
    views_MND = torch.cat([x_MBD, y_MBD], dim=-2)
    logits_MNN = similarity_logits(views_MND, views_MND, temperature)
    is_self_NN = torch.eye(views_MND.shape[-2], dtype=torch.bool, device=x_MBD.device)
    log_sum_M = logits_MNN.masked_fill_(is_self_NN, -torch.inf).logsumexp(dim=-1).mean(dim=-1)
    attraction_M = mean_positive_similarity(x_MBD, y_MBD, labels_MB)
    return log_sum_M - attraction_M / as_member_scalar(temperature, x_MBD)


def mean_positive_similarity(x_MBD: Tensor, y_MBD: Tensor, labels_MB: Tensor) -> Tensor:
    """Return the mean over anchors of the mean inner product with their positives, shape [...].

    Positives are all views of the anchor's class but the anchor itself; see :func:`supcon` for
    the arguments.
    """
    same_MBB = is_same_class(labels_MB, x_MBD.shape[:-1]).to(x_MBD.dtype)
    class_sums_MBD = same_MBB @ (x_MBD + y_MBD)
    positives_MB = 2 * same_MBB.sum(dim=-1) - 1
    total_MB = (
        ((x_MBD + y_MBD) * class_sums_MBD).sum(dim=-1)
        - x_MBD.square().sum(dim=-1)
        - y_MBD.square().sum(dim=-1)
    )
    return (total_MB / positives_MB).mean(dim=-1) / 2


def supcon_cross_view(
    x_MBD: Tensor, y_MBD: Tensor, labels_MB: Tensor, temperature: Scalar
) -> Tensor:
    r"""Return the SupCon variant with the sum over positives inside the log, across views only.

    Per direction :math:`-\frac1B \sum_i \log \big( \sum_{j: c_j = c_i} e^{s_{ij}} /
    \sum_j e^{s_{ij}} \big)`, :math:`s_{ij} = x_i \cdot y_j / \tau`; the two directions are
    added. With all labels different it is InfoNCE; with all labels equal it is 0.

    Args, Returns and Raises are those of :func:`supcon`.

    References:
        Khosla et al. 2020, arXiv:2004.11362, eq. 3 (sum inside the log); cross-view as in the
        SupCon baseline of Li et al. 2025, arXiv:2512.07880.
    """
    logits_MBB = similarity_logits(x_MBD, y_MBD, temperature)
    is_other_MBB = ~is_same_class(labels_MB, x_MBD.shape[:-1])
    positives_MBB = logits_MBB.masked_fill(is_other_MBB, -torch.inf)
    x_to_y_MB = logits_MBB.logsumexp(dim=-1) - positives_MBB.logsumexp(dim=-1)
    y_to_x_MB = logits_MBB.logsumexp(dim=-2) - positives_MBB.logsumexp(dim=-2)
    return x_to_y_MB.mean(dim=-1) + y_to_x_MB.mean(dim=-1)


def is_same_class(labels_MB: Tensor, lead_and_rows: torch.Size) -> Tensor:
    """Return which pairs share their class, bool, shape [..., B, B] for rows [..., B]."""
    labels_MB = labels_MB.expand(lead_and_rows)
    return labels_MB[..., :, None] == labels_MB[..., None, :]
