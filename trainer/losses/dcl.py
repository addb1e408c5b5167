r"""DCL and its weighted form DCLW: decoupled contrastive learning.

Embeddings are L2-normalised by the caller. Any number of leading member dimensions is one call.

Shape legend: M = members (any leading dims), B = pairs, D = embedding dim, N = 2B views.
"""

import torch
from torch import Tensor

from trainer.losses.decoupled import cl, weighted_nscl
from trainer.losses.pairs import Scalar, as_member_scalar, check_pairs, promote_half


def dcl(x_MBD: Tensor, y_MBD: Tensor, temperature: Scalar) -> Tensor:
    """Return the DCL loss of each member: the mean over both views of eq. 6.

    Its formula is that of :func:`trainer.losses.decoupled.cl`, which has the details.

    References:
        Yeh et al. 2022, arXiv:2110.06848, eq. 6 with weight 1.
    """
    return cl(x_MBD, y_MBD, temperature)


def dclw(x_MBD: Tensor, y_MBD: Tensor, temperature: Scalar, sigma: Scalar) -> Tensor:
    """Return the weighted DCL loss of each member: pairs that are far apart pull harder.

    Args:
        x_MBD: First views, L2-normalised by the caller, shape [..., B, D].
        y_MBD: Second views, same shape.
        temperature: tau > 0, a float or a tensor of shape [...].
        sigma: Width of the weights, > 0 (0.5 in the paper), a float or a tensor of shape [...].

    Returns:
        One loss per member, shape [...], in nats. It may be negative.

    Raises:
        PairShapeError: If the batches do not match or are empty.
        ValueError: If a float temperature is not positive.
        NoNegativeError: If there is a single pair.

    References:
        Yeh et al. 2022, arXiv:2110.06848, eq. 6 and 7. As in lightly, no gradient passes
        through the weights.
    """
    check_pairs(x_MBD, y_MBD)
    labels_B = torch.arange(x_MBD.shape[-2], device=x_MBD.device)
    weight_MB = von_mises_fisher_weight(x_MBD, y_MBD, sigma)
    return weighted_nscl(x_MBD, y_MBD, labels_B, temperature, weight_MB)


def von_mises_fisher_weight(x_MBD: Tensor, y_MBD: Tensor, sigma: Scalar) -> Tensor:
    r"""Return :math:`2 - e^{x_i \cdot y_i / \sigma} / \mathrm{mean}_j e^{x_j \cdot y_j / \sigma}`.

    Shape [..., B], detached; the mean over the batch is 1.
    """
    x_MBD, y_MBD = promote_half(x_MBD.detach()), promote_half(y_MBD.detach())
    similarity_MB = (x_MBD * y_MBD).sum(dim=-1)
    share_MB = (similarity_MB / as_member_scalar(sigma, x_MBD)[..., None]).softmax(dim=-1)
    return 2 - x_MBD.shape[-2] * share_MB
