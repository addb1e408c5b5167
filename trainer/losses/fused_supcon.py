"""SupCon L_out by the symmetric log-sum-exps and sums per class: no second N x N matrix.

Shape legend: M = members (any leading dims), B = pairs, D = embedding dim, N = 2B views,
C = classes present.
"""

import torch
from torch import Tensor

from trainer.losses.fused_gram import self_log_sums


def supcon_fused(x_MBD: Tensor, y_MBD: Tensor, labels_MB: Tensor, tau_M: Tensor) -> Tensor:
    """Return SupCon of each member, shape [M], for one leading dim and ``exp_is_safe`` logits.

    See :func:`trainer.losses.supcon.supcon` for the definition and the arguments.
    """
    log_sums_MN = self_log_sums(torch.cat([x_MBD, y_MBD], dim=-2), 1 / tau_M)
    return log_sums_MN.mean(dim=-1) - attraction(x_MBD, y_MBD, labels_MB) / tau_M


def attraction(x_MBD: Tensor, y_MBD: Tensor, labels_MB: Tensor) -> Tensor:
    """Return the mean over anchors of the mean inner product with their positives, shape [M].

    An anchor with n - 1 other views in its class contributes
    (z_i . (class sum) - z_i . z_i) / (n - 1): a sum per class instead of one per pair.
    """
    batch, dim = x_MBD.shape[-2:]
    class_of_MB, classes = number_classes(labels_MB)
    pair_sums_MBD = x_MBD + y_MBD
    flat_class = class_of_MB.flatten()
    sums_CD = x_MBD.new_zeros(classes, dim).index_add(0, flat_class, pair_sums_MBD.flatten(0, 1))
    others_C = 2 * torch.bincount(flat_class, minlength=classes) - 1
    own_sums_MBD = sums_CD.index_select(0, flat_class).view_as(x_MBD)
    self_MB = x_MBD.square().sum(dim=-1) + y_MBD.square().sum(dim=-1)
    similarity_MB = (pair_sums_MBD * own_sums_MBD).sum(dim=-1) - self_MB
    return (similarity_MB / others_C[class_of_MB]).sum(dim=-1) / (2 * batch)


def number_classes(labels_MB: Tensor) -> tuple[Tensor, int]:
    """Number the classes 0, 1, ... so that no two members share one; also say how many."""
    local_MB = torch.unique(labels_MB, return_inverse=True)[1]
    member_M1 = torch.arange(len(labels_MB), device=labels_MB.device)[:, None]
    class_of_MB = local_MB + member_M1 * (int(local_MB.max()) + 1)
    return class_of_MB, int(class_of_MB.max()) + 1
