r"""Decoupled contrastive losses: CL, and NSCL whose negatives are of other classes only.

Embeddings are L2-normalised by the caller. Any number of leading member dimensions is one call.

Shape legend: M = members (any leading dims), B = pairs, D = embedding dim, N = 2B views.
"""

import torch
from torch import Tensor

from trainer.errors import NoNegativeError
from trainer.losses.exponent import choose_per_member, exp_is_safe
from trainer.losses.fused_gram import self_log_sums
from trainer.losses.infonce import similarity_logits
from trainer.losses.pairs import (
    Scalar,
    check_pairs,
    promote_half,
    stack_pairs,
)
from trainer.losses.supcon import is_same_class


def cl(
    x_MBD: Tensor, y_MBD: Tensor, temperature: Scalar, *, positive_in_denominator: bool = False
) -> Tensor:
    r"""Return the decoupled contrastive loss of each member.

    The mean over all 2B views, as anchors, of

    .. math:: -s(z_i, z_i') + \log \sum_{j \ne i} e^{s(z_i, z_j)} + e^{s(z_i, z_j')},

    where :math:`z_i'` is the anchor's partner and j runs over the other pairs: neither the
    anchor nor its positive is in the denominator, so the pull to the positive never saturates
    (its gradient with respect to the positive similarity is exactly -1 per anchor).

    Args:
        x_MBD: First views, L2-normalised by the caller, shape [..., B, D].
        y_MBD: Second views, same shape.
        temperature: tau > 0, a float or a tensor of shape [...].
        positive_in_denominator: False is the paper's formula; True is the authors' released
            code, and the same as NT-Xent.

    Returns:
        One loss per member, shape [...], in nats: log(2B - 2) for indistinguishable rows. It
        may be negative.

    Raises:
        PairShapeError: If the batches do not match or are empty.
        ValueError: If a float temperature is not positive.
        NoNegativeError: If there is a single pair.

    References:
        Luthra et al. 2025, arXiv:2510.08852 and arXiv:2506.04411; the same loss is DCL of
        Yeh et al. 2022, arXiv:2110.06848.
    """
    # NSCL with as many classes as pairs: the two have the same bits where all labels differ.
    labels_B = torch.arange(x_MBD.shape[-2], device=x_MBD.device)
    return nscl(
        x_MBD, y_MBD, labels_B, temperature, positive_in_denominator=positive_in_denominator
    )


def nscl(
    x_MBD: Tensor,
    y_MBD: Tensor,
    labels_MB: Tensor,
    temperature: Scalar,
    *,
    positive_in_denominator: bool = False,
) -> Tensor:
    r"""Return the negatives-only supervised contrastive loss (NSCL) of each member.

    :func:`cl` with the sum restricted to samples of other classes. Samples of the anchor's own
    class are dropped, not turned into positives. An anchor whose class fills the batch has
    nothing to be told from and is left out of the mean.

    With N samples, :math:`n_{max}` of them in the largest class,
    :math:`NSCL \le CL \le NSCL + \log(1 + n_{max} e^{2/\tau} / (N - n_{max}))`, and NSCL = CL
    when all labels differ.

    Args:
        x_MBD: First views, L2-normalised by the caller, shape [..., B, D].
        y_MBD: Second views, same shape.
        labels_MB: Class of each pair, int64, shape [..., B] (or [B], shared by all members).
        temperature: tau > 0, a float or a tensor of shape [...].
        positive_in_denominator: False is the paper's formula; True is the authors' released
            code.

    Returns:
        One loss per member, shape [...], in nats.

    Raises:
        PairShapeError: If the batches do not match or are empty.
        ValueError: If a float temperature is not positive.
        NoNegativeError: If all labels of some member are equal.

    References:
        Luthra et al. 2025, arXiv:2510.08852 and arXiv:2506.04411.
    """
    if positive_in_denominator:
        return nscl_plain(x_MBD, y_MBD, labels_MB, temperature, positive_in_denominator=True)
    return weighted_nscl(x_MBD, y_MBD, labels_MB, temperature)


def weighted_nscl(
    x_MBD: Tensor,
    y_MBD: Tensor,
    labels_MB: Tensor,
    temperature: Scalar,
    weight_MB: Tensor | None = None,
) -> Tensor:
    """Return :func:`nscl` with a weight for each pair's positive similarity, 1 if None; fused."""
    check_pairs(x_MBD, y_MBD)
    members, x_MBD, y_MBD, tau_M = stack_pairs(x_MBD, y_MBD, temperature)
    labels_MB = labels_MB.expand(*members, -1).reshape(x_MBD.shape[:-1])
    check_negatives((labels_MB != labels_MB[:, :1]).any(dim=-1, keepdim=True))
    is_safe_M = exp_is_safe(1 / tau_M.detach(), terms=2 * x_MBD.shape[-2])
    arguments = [x_MBD, y_MBD, labels_MB, tau_M]
    if weight_MB is not None:
        arguments.append(weight_MB.expand(*members, -1).reshape(x_MBD.shape[:-1]))
    losses_M = choose_per_member(is_safe_M, nscl_fused, nscl_plain, *arguments)
    return losses_M.reshape(members)


def nscl_fused(
    x_MBD: Tensor,
    y_MBD: Tensor,
    labels_MB: Tensor,
    tau_M: Tensor,
    weight_MB: Tensor | None = None,
) -> Tensor:
    """Fused form of :func:`weighted_nscl` for one leading dim and temperatures not tiny."""
    views_MND = torch.cat([x_MBD, y_MBD], dim=-2)
    log_sums_MN = self_log_sums(views_MND, 1 / tau_M, two_views(labels_MB))
    similarity_MB = (x_MBD * y_MBD).sum(dim=-1)
    if weight_MB is not None:
        similarity_MB = similarity_MB * weight_MB
    return log_sums_MN.mean(dim=-1) - similarity_MB.mean(dim=-1) / tau_M


def nscl_plain(
    x_MBD: Tensor,
    y_MBD: Tensor,
    labels_MB: Tensor,
    temperature: Scalar,
    weight_MB: Tensor | None = None,
    *,
    positive_in_denominator: bool = False,
) -> Tensor:
    """Reference form of :func:`weighted_nscl`: the formula, differentiated by autograd."""
    check_pairs(x_MBD, y_MBD)
    is_other_MBB = ~is_same_class(labels_MB, x_MBD.shape[:-1])
    return decoupled(
        view_logits(x_MBD, y_MBD, temperature),
        is_other_MBB,
        positive_in_denominator=positive_in_denominator,
        positive_weight_MB=weight_MB,
    )


def decoupled(
    logits_MNN: Tensor,
    is_negative_MBB: Tensor,
    *,
    positive_in_denominator: bool = False,
    positive_weight_MB: Tensor | None = None,
) -> Tensor:
    """Return the mean over anchors of log-sum-exp of the negatives minus the positive.

    Args:
        logits_MNN: Similarities over temperature of all 2B views; see :func:`view_logits`.
        is_negative_MBB: Which pairs are negatives of which, symmetric, bool, [..., B, B].
        positive_in_denominator: Whether the positive is summed with the negatives.
        positive_weight_MB: Weight of each pair's positive similarity, shape [..., B]; 1 if None.

    Returns:
        One loss per member, shape [...]. Anchors without a negative are left out of the mean.

    Raises:
        NoNegativeError: If some member has no anchor with a negative.
    """
    has_negative_MN = two_views(is_negative_MBB.any(dim=-1))
    check_negatives(has_negative_MN)
    is_hidden_MNN = ~two_by_two_views(is_negative_MBB) & has_negative_MN[..., None]
    if positive_in_denominator:
        is_hidden_MNN &= ~is_partner(logits_MNN)
    repulsion_MN = logits_MNN.masked_fill(is_hidden_MNN, -torch.inf).logsumexp(dim=-1)
    attraction_MN = partner_similarity(logits_MNN)
    if positive_weight_MB is not None:
        attraction_MN = attraction_MN * two_views(positive_weight_MB)
    losses_MN = torch.where(has_negative_MN, repulsion_MN - attraction_MN, 0.0)
    return losses_MN.sum(dim=-1) / has_negative_MN.sum(dim=-1)


def view_logits(x_MBD: Tensor, y_MBD: Tensor, temperature: Scalar) -> Tensor:
    """Return the similarities over temperature of all views, first views first, [..., 2B, 2B]."""
    views_MND = torch.cat([promote_half(x_MBD), promote_half(y_MBD)], dim=-2)
    return similarity_logits(views_MND, views_MND, temperature)


def partner_similarity(logits_MNN: Tensor) -> Tensor:
    """Return each view's logit with the other view of its pair, shape [..., 2B]."""
    batch = logits_MNN.shape[-1] // 2
    x_to_y_MB = logits_MNN.diagonal(offset=batch, dim1=-2, dim2=-1)
    y_to_x_MB = logits_MNN.diagonal(offset=-batch, dim1=-2, dim2=-1)
    return torch.cat([x_to_y_MB, y_to_x_MB], dim=-1)


def is_partner(logits_MNN: Tensor) -> Tensor:
    """Return which views are the two views of one pair (a view is not its own partner)."""
    batch = logits_MNN.shape[-1] // 2
    is_same_pair_BB = torch.eye(batch, dtype=torch.bool, device=logits_MNN.device)
    zeros_BB = torch.zeros_like(is_same_pair_BB)
    upper_BN = torch.cat([zeros_BB, is_same_pair_BB], dim=-1)
    return torch.cat([upper_BN, upper_BN.roll(batch, dims=-1)], dim=-2)


def two_views(per_pair_MB: Tensor) -> Tensor:
    """Return a value per pair as a value per view, shape [..., 2B]."""
    return torch.cat([per_pair_MB, per_pair_MB], dim=-1)


def two_by_two_views(pairwise_MBB: Tensor) -> Tensor:
    """Return a relation between pairs as one between their views, shape [..., 2B, 2B]."""
    rows_MBN = torch.cat([pairwise_MBB, pairwise_MBB], dim=-1)
    return torch.cat([rows_MBN, rows_MBN], dim=-2)


def check_negatives(has_negative_MN: Tensor) -> None:
    """Raise NoNegativeError if some member has no anchor with a negative."""
    is_told_apart_M = has_negative_MN.any(dim=-1)
    if not bool(is_told_apart_M.all()):
        raise NoNegativeError(
            f"no anchor has a negative in {int((~is_told_apart_M).sum())} of "
            f"{is_told_apart_M.numel()} batches: a batch needs at least two pairs, and two "
            "classes where labels choose the negatives; raise train.batch_size"
        )
