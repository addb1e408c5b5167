"""Cross-entropy (CE) of a linear layer on the normalised projection: the supervised baseline.

Embeddings are L2-normalised by the caller. Any number of leading member dimensions is one call.

Shape legend: M = members (any leading dims), B = pairs, D = embedding dim, K = classes.
"""

import torch
from torch import Tensor

from trainer.losses.pairs import check_pairs, promote_half


def cross_entropy(
    x_MBD: Tensor, y_MBD: Tensor, labels_MB: Tensor, weight_MKD: Tensor, bias_MK: Tensor
) -> Tensor:
    r"""Return the cross-entropy of each member, the mean over both views of all samples.

    :math:`-\frac1{2B} \sum_z \log \mathrm{softmax}(W z + b)_{c(z)}`; there is no temperature.

    Args:
        x_MBD: First views, L2-normalised by the caller, shape [..., B, D].
        y_MBD: Second views, same shape.
        labels_MB: Class of each pair, int64 in [0, K), shape [..., B].
        weight_MKD: Weights of the linear layer, shape [..., K, D].
        bias_MK: Its bias, shape [..., K].

    Returns:
        One loss per member, shape [...], in nats: log K for a layer of zeros.

    Raises:
        PairShapeError: If the batches do not match or are empty.

    References:
        Luthra et al. 2025, arXiv:2510.08852 (CE on the projections as supervised baseline).
    """
    check_pairs(x_MBD, y_MBD)
    labels_MB = labels_MB.expand(x_MBD.shape[:-1])
    return (
        one_view(x_MBD, labels_MB, weight_MKD, bias_MK)
        + one_view(y_MBD, labels_MB, weight_MKD, bias_MK)
    ) / 2


def one_view(
    embeddings_MBD: Tensor, labels_MB: Tensor, weight_MKD: Tensor, bias_MK: Tensor
) -> Tensor:
    """Return the mean cross-entropy of one view, shape [...]; see :func:`cross_entropy`."""
    embeddings_MBD, weight_MKD = promote_half(embeddings_MBD), promote_half(weight_MKD)
    logits_MBK = embeddings_MBD @ weight_MKD.mT + promote_half(bias_MK)[..., None, :]
    own_MB = torch.take_along_dim(logits_MBK, labels_MB[..., None], dim=-1).squeeze(-1)
    return (logits_MBK.logsumexp(dim=-1) - own_MB).mean(dim=-1)
