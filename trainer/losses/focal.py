r"""Asymmetric focal contrastive loss (AFCL): SupCon for imbalanced classes.

Embeddings are L2-normalised by the caller. Any number of leading member dimensions is one call.

Shape legend: M = members (any leading dims), B = pairs, D = embedding dim, N = 2B views.
"""

from typing import Literal

import torch
from torch import Tensor

from trainer.losses.decoupled import two_by_two_views, view_logits
from trainer.losses.pairs import Scalar, as_member_scalar, check_pairs
from trainer.losses.supcon import is_same_class

Normalizer = Literal["positives", "views"]
"""What an anchor's sums are divided by: its number of positives, or 2B (released code)."""

LOG_TINY = -80.0
"""Floor of log(1 - p) in the focal weight, which is 0 to float64 precision from there on."""


def asymmetric_focal(
    x_MBD: Tensor,
    y_MBD: Tensor,
    labels_MB: Tensor,
    temperature: Scalar,
    gamma: Scalar = 0.0,
    eta: Scalar = 0.0,
    *,
    normalizer: Normalizer = "positives",
) -> Tensor:
    r"""Return the asymmetric focal contrastive loss of each member.

    With :math:`p_{ia}` the softmax over all views but anchor i, P(i) and N(i) its positives and
    negatives, the mean over the 2B anchors of

    .. math:: -\frac1{n_i} \Big[ \sum_{a \in P(i)} (1 - p_{ia})^\gamma \log p_{ia}
              + \eta \sum_{a \in N(i)} \log(1 - p_{ia}) \Big].

    gamma = eta = 0 is SupCon L_out (with the normaliser ``positives``), eta = 0 the focal
    contrastive loss, gamma = 0 the asymmetric one.

    Args:
        x_MBD: First views, L2-normalised by the caller, shape [..., B, D].
        y_MBD: Second views, same shape.
        labels_MB: Class of each pair, int64, shape [..., B] (or [B], shared by all members).
        temperature: tau > 0, a float or a tensor of shape [...].
        gamma: Focal exponent >= 0 (the authors use up to 10), a float or a tensor of shape [...].
        eta: Weight of the negatives' term >= 0 (up to 300), a float or a tensor of shape [...].
        normalizer: :math:`n_i`: ``positives`` for |P(i)|, so that rare classes weigh as much as
            frequent ones and the scale is SupCon's; ``views`` for 2B, as in the released code.

    Returns:
        One loss per member, shape [...], in nats, >= 0.

    Raises:
        PairShapeError: If the batches do not match or are empty.
        ValueError: If a float temperature is not positive.

    References:
        Vito & Stefanus 2022, arXiv:2207.07080 (Entropy 24, 1303); code:
        github.com/valentinovito/Asymmetric-CL.
    """
    check_pairs(x_MBD, y_MBD)
    logits_MNN = view_logits(x_MBD, y_MBD, temperature)
    log_p_MNN, log_not_p_MNN = log_shares(logits_MNN)
    is_same_MNN = two_by_two_views(is_same_class(labels_MB, x_MBD.shape[:-1]))
    is_positive_MNN = is_same_MNN & ~identity_mask(logits_MNN)
    gamma_M11 = as_member_scalar(gamma, logits_MNN)[..., None, None]
    focus_MNN = (gamma_M11 * log_not_p_MNN.clamp(min=LOG_TINY)).exp()
    pull_MN = torch.where(is_positive_MNN, focus_MNN * log_p_MNN, 0.0).sum(dim=-1)
    push_MN = torch.where(is_same_MNN, 0.0, log_not_p_MNN).sum(dim=-1)
    eta_M1 = as_member_scalar(eta, logits_MNN)[..., None]
    positives_MN = is_positive_MNN.sum(dim=-1)
    count_MN = positives_MN if normalizer == "positives" else logits_MNN.shape[-1]
    return -((pull_MN + eta_M1 * push_MN) / count_MN).mean(dim=-1)


def log_shares(logits_MNN: Tensor) -> tuple[Tensor, Tensor]:
    """Return log p and log(1 - p) of the softmax over all views but the anchor itself.

    log(1 - p) is taken from p where p <= 1/2; of the one candidate per anchor that may exceed
    it, from the sum over the others, so a dominating negative keeps its finite push. Both are
    0 (and have no gradient) where anchor and candidate are the same view.
    """
    is_self_NN = identity_mask(logits_MNN)
    others_MNN = logits_MNN.masked_fill(is_self_NN, -torch.inf)
    log_sum_MN1 = others_MNN.logsumexp(dim=-1, keepdim=True)
    log_p_MNN = (logits_MNN - log_sum_MN1).masked_fill(is_self_NN, 0.0)

    top_MN1 = others_MNN.argmax(dim=-1, keepdim=True)
    is_top_MNN = torch.zeros_like(logits_MNN, dtype=torch.bool).scatter(-1, top_MN1, value=True)
    floor = torch.finfo(logits_MNN.dtype).min / 2  # finite: a lone candidate has no others
    log_rest_MN1 = others_MNN.masked_fill(is_top_MNN, floor).logsumexp(dim=-1, keepdim=True)
    small_p_MNN = log_p_MNN.masked_fill(is_top_MNN | is_self_NN, -torch.inf).exp()
    log_not_p_MNN = torch.where(is_top_MNN, log_rest_MN1 - log_sum_MN1, (-small_p_MNN).log1p())
    return log_p_MNN, log_not_p_MNN


def identity_mask(logits_MNN: Tensor) -> Tensor:
    """Return which entries compare a view with itself, bool, shape (2B, 2B)."""
    return torch.eye(logits_MNN.shape[-1], dtype=torch.bool, device=logits_MNN.device)
