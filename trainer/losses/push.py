r"""How hard the negatives push an anchor away: the weights of their differences in its gradient.

For one direction of InfoNCE the gradient at an anchor t of partner a is
:math:`\frac1B \sum_{j} w_j (a_j - a)` with :math:`w_j = P_j / \tau`; for SigLIP the negatives
alone give :math:`\frac1B \sum_j w_j a_j` with :math:`w_j = k\,\sigma(k\,t \cdot a_j + b)`.

Shape legend: M = members (any leading dims), B = pairs, D = embedding dim.
"""

from torch import Tensor

from trainer.losses.infonce import similarity_logits
from trainer.losses.pairs import Scalar, as_member_scalar


def infonce_push(anchors_MBD: Tensor, partners_MBD: Tensor, temperature: Scalar) -> Tensor:
    """Return the sum over negatives of P_j / tau for each anchor, shape [..., B].

    Args:
        anchors_MBD: Anchors, of any length, shape [..., B, D].
        partners_MBD: Row i is the positive of anchor i, the others its negatives.
        temperature: tau > 0, a float or a tensor of shape [...].

    References:
        Luo et al. 2025, "SupCLAP", arXiv:2509.21033 (the push and its two parts).
    """
    weights_MBB = similarity_logits(anchors_MBD, partners_MBD, temperature).softmax(dim=-1)
    tau_M1 = as_member_scalar(temperature, weights_MBB)[..., None]
    return _sum_off_diagonal(weights_MBB) / tau_M1


def siglip_push(anchors_MBD: Tensor, partners_MBD: Tensor, scale: Scalar, bias: Scalar) -> Tensor:
    """Return the sum over negatives of k sigma(k t . a_j + b) for each anchor, shape [..., B].

    Arguments as in :func:`infonce_push`, with k and b as in :func:`trainer.losses.siglip.siglip`.
    """
    scale_M11 = as_member_scalar(scale, anchors_MBD)[..., None, None]
    bias_M11 = as_member_scalar(bias, anchors_MBD)[..., None, None]
    logits_MBB = (anchors_MBD * scale_M11) @ partners_MBD.mT + bias_M11
    return _sum_off_diagonal(logits_MBB.sigmoid()) * scale_M11[..., 0]


def _sum_off_diagonal(weights_MBB: Tensor) -> Tensor:
    # Summed without the diagonal: 1 - P_i would lose small pushes to rounding.
    diagonal_MB = weights_MBB.diagonal(dim1=-2, dim2=-1)
    return (weights_MBB - diagonal_MB.diag_embed()).sum(dim=-1)
