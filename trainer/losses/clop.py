r"""CLOP: a contrastive loss plus a pull of labelled samples to frozen orthonormal prototypes.

Embeddings are L2-normalised by the caller. Any number of leading member dimensions is one call.

Shape legend: M = members (any leading dims), B = pairs, D = embedding dim, K = classes.
"""

from collections.abc import Callable
from typing import Literal, assert_never

import torch
from torch import Tensor

from trainer.losses.infonce import infonce
from trainer.losses.pairs import Scalar, as_member_scalar, check_pairs, promote_half

Similarity = Literal["cosine", "euclidean", "manhattan"]
"""How near an embedding is to its prototype: inner product, or a negative unsquared norm."""

PairLoss = Callable[[Tensor, Tensor, Scalar], Tensor]
"""A two-view loss without labels, called with both views and the temperature."""


def clop(
    x_MBD: Tensor,
    y_MBD: Tensor,
    targets_MBD: Tensor,
    labelled_MB: Tensor,
    temperature: Scalar,
    lambda_: Scalar,
    *,
    similarity: Similarity = "cosine",
    base: PairLoss = infonce,
) -> Tensor:
    r"""Return the CLOP loss of each member.

    :math:`L = L_{base} + \lambda \cdot \mathrm{mean}(1 - s(z_i, c_{y_i}))`, the mean over both
    views of all labelled samples. With :math:`\lambda = 0` it is the base loss to the last bit.

    Args:
        x_MBD: First views, L2-normalised by the caller, shape [..., B, D].
        y_MBD: Second views, same shape.
        targets_MBD: Frozen unit prototype of each pair's class, same shape; see
            :func:`look_up_prototypes`.
        labelled_MB: Whether a sample's label may be used, bool, shape [..., B].
        temperature: tau > 0 of the base loss, a float or a tensor of shape [...].
        lambda_: Weight of the pull, >= 0 (the paper calls 0.1 to 1.5 stable), a float or a
            tensor of shape [...].
        similarity: Measure of nearness.
        base: InfoNCE or NT-Xent.

    Returns:
        One loss per member, shape [...].

    Raises:
        PairShapeError: If the batches do not match or are empty.
        ValueError: If a float temperature is not positive.

    References:
        Li, Nguyen & Pimentel-Alarcón 2025, arXiv:2512.07880 (earlier arXiv:2403.18699). The
        record leaves open how the pull is reduced; here it is a mean like the base loss.
    """
    check_pairs(x_MBD, y_MBD)
    contrast_M = base(x_MBD, y_MBD, temperature)
    pull_M = (
        pull_to_targets(x_MBD, targets_MBD, labelled_MB, similarity)
        + pull_to_targets(y_MBD, targets_MBD, labelled_MB, similarity)
    ) / 2
    return contrast_M + as_member_scalar(lambda_, pull_M) * pull_M


def look_up_prototypes(prototypes_MKD: Tensor, labels_MB: Tensor, labelled_MB: Tensor) -> Tensor:
    """Return the prototype of each sample's class.

    Args:
        prototypes_MKD: Unit prototypes, shape [..., K, D].
        labels_MB: Class of each pair, int64, in [0, K) where labelled, shape [..., B].
        labelled_MB: Whether a sample's label may be used, bool, shape [..., B].

    Returns:
        Targets, shape [..., B, D]; those of unlabelled samples mean nothing.
    """
    index_MB1 = torch.where(labelled_MB, labels_MB, 0)[..., None]
    return torch.take_along_dim(prototypes_MKD, index_MB1, dim=-2)


def pull_to_targets(
    embeddings_MBD: Tensor, targets_MBD: Tensor, labelled_MB: Tensor, similarity: Similarity
) -> Tensor:
    """Return the mean of 1 - s(z_i, c_i) over the labelled samples, 0 if there is none.

    Args:
        embeddings_MBD: Rows to be pulled, shape [..., B, D].
        targets_MBD: Prototype of each row, same shape.
        labelled_MB: Which rows count, bool, shape [..., B].
        similarity: Measure of nearness.

    Returns:
        One value per member, shape [...]: in [0, 2] for unit rows and cosine, >= 1 otherwise.
    """
    embeddings_MBD = promote_half(embeddings_MBD)
    targets_MBD = targets_MBD.to(embeddings_MBD.dtype)
    match similarity:
        case "cosine":
            nearness_MB = (embeddings_MBD * targets_MBD).sum(dim=-1)
        case "euclidean":
            nearness_MB = -torch.linalg.vector_norm(embeddings_MBD - targets_MBD, dim=-1)
        case "manhattan":
            nearness_MB = -(embeddings_MBD - targets_MBD).abs().sum(dim=-1)
        case _:
            assert_never(similarity)
    apart_MB = torch.where(labelled_MB, 1 - nearness_MB, 0.0)
    return apart_MB.sum(dim=-1) / labelled_MB.sum(dim=-1).clamp(min=1)
