"""Class variability against class distance: CDNV and directional CDNV.

Shape legend: M = members (any number of leading dimensions), N = samples, D = dimension,
C = classes present.
"""

import math

import torch
from torch import Tensor

from trainer.collapse.errors import EmbeddingShapeError
from trainer.collapse.members import map_members
from trainer.probes import check_labels, class_centres


def cdnv(features_MND: Tensor, labels_N: Tensor) -> Tensor:
    r"""Return the mean over pairs of classes of :math:`(v_i + v_j) / (2 \|\mu_i - \mu_j\|^2)`.

    :math:`v_i` is the mean squared distance of class i from its centre :math:`\mu_i`.

    Args:
        features_MND: Features [..., N, D], used as they are.
        labels_N: Their classes, int64 [N], >= 0; at least two classes must occur.

    Returns:
        Tensor [...] >= 0, float64: 0 at neural collapse. Infinite if two centres coincide,
        as at complete collapse: such a value is a finding, but no number to log.

    Raises:
        EmbeddingShapeError: If the labels do not fit or name fewer than two classes.
        NonFiniteEmbeddingError: If any feature is NaN or infinite.

    References:
        Galanti, György & Hutter, arXiv:2112.15121, definition 1.
    """
    _check_two_classes(features_MND, labels_N)

    def member(features_ND: Tensor) -> Tensor:
        deviations_ND, centres_CD, member_CN = _split_classes(features_ND, labels_N)
        variance_C = member_CN @ deviations_ND.square().sum(dim=-1)
        spread_CC = (variance_C.unsqueeze(0) + variance_C.unsqueeze(1)) / 2
        distance_CC = _squared_distances(centres_CD)
        return _mean_off_diagonal(spread_CC, distance_CC)

    return map_members(member, features_MND)


def directional_cdnv(features_MND: Tensor, labels_N: Tensor) -> Tensor:
    r"""Return the mean over ordered pairs of classes of the variance along their axis.

    For classes i and j with the unit vector :math:`u` from :math:`\mu_i` to :math:`\mu_j` it
    is :math:`\mathrm{mean}_{x \in i} (u \cdot (x - \mu_i))^2 / \|\mu_i - \mu_j\|^2`: only
    variability that can carry a sample over to the other class counts.

    Args:
        features_MND: Features [..., N, D], used as they are.
        labels_N: Their classes, int64 [N], >= 0; at least two classes must occur.

    Returns:
        Tensor [...] >= 0, float64, never above :func:`cdnv`; infinite if two centres coincide.

    Raises:
        EmbeddingShapeError: If the labels do not fit or name fewer than two classes.
        NonFiniteEmbeddingError: If any feature is NaN or infinite.

    References:
        Luthra et al., arXiv:2506.04411 (definition); Luthra et al., arXiv:2603.03530.
    """
    _check_two_classes(features_MND, labels_N)

    def member(features_ND: Tensor) -> Tensor:
        deviations_ND, centres_CD, member_CN = _split_classes(features_ND, labels_N)
        distance_CC = _squared_distances(centres_CD)
        # Per class i, project its deviations on the axes mu_j - mu_i to all others.
        along_C: list[Tensor] = []
        for centre_D, share_N in zip(centres_CD, member_CN, strict=True):
            axes_CD = centres_CD - centre_D
            along_C.append(share_N @ (deviations_ND @ axes_CD.mT).square())
        return _mean_off_diagonal(torch.stack(along_C), distance_CC.square())

    return map_members(member, features_MND)


def _split_classes(features_ND: Tensor, labels_N: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return deviations from the class centre, centres, and rows that average over a class.

    Features are divided by their largest entry first: both measures are blind to scale.
    """
    features_ND = features_ND.double()
    peak = features_ND.abs().max()
    features_ND = features_ND / torch.where(peak > 0, peak, 1.0)
    classes_C, centres_CD = class_centres(features_ND, labels_N)
    is_member_CN = labels_N == classes_C.unsqueeze(1)
    average_CN = is_member_CN.double() / is_member_CN.sum(dim=1, keepdim=True)
    index_N = torch.searchsorted(classes_C, labels_N)
    return features_ND - centres_CD[index_N], centres_CD, average_CN


def _squared_distances(centres_CD: Tensor) -> Tensor:
    """Return ||mu_i - mu_j||^2 without the cancellation of the product form."""
    rows = [(centres_CD - centre_D).square().sum(dim=-1) for centre_D in centres_CD]
    return torch.stack(rows)


def _mean_off_diagonal(numerator_CC: Tensor, divisor_CC: Tensor) -> Tensor:
    ratio_CC = torch.where(divisor_CC > 0, numerator_CC / divisor_CC, math.inf)
    pairs = len(ratio_CC) * (len(ratio_CC) - 1)
    return ratio_CC.fill_diagonal_(0.0).sum() / pairs


def _check_two_classes(features_MND: Tensor, labels_N: Tensor) -> None:
    check_labels(features_MND, labels_N)
    classes = len(labels_N.bincount().nonzero())
    if classes < 2:
        raise EmbeddingShapeError(f"class variability needs at least 2 classes, got {classes}")
