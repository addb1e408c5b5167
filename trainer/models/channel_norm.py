"""Normalisation of the maps of convolutional encoders: batch, group, layer, or none.

References:
    Wu & He 2018, arXiv:1803.08494 (group norm; groups of 16 channels: their table 3).
"""

from typing import assert_never

from torch import nn

from trainer.models.batch_norm import NORM_EPS
from trainer.settings import Norm

GROUP_SIZE = 16
"""Channels, or features of a vector, that are normalised together; a few more where 16 divides
no evenly. Groups of 2, as 32 groups of 64 channels are, would leave only the sign of a vector's
features."""


def count_groups(channels: int) -> int:
    """Return the largest number of equal groups of at least 16 channels; 1 below 32 channels."""
    return next(g for g in range(max(1, channels // GROUP_SIZE), 0, -1) if channels % g == 0)


def build_norm(norm: Norm, channels: int) -> nn.Module:
    """Return the normalisation of maps [N, C, H, W] of ``channels``, with gain and shift.

    ``layer`` is over all channels and pixels of an image, as one group.
    """
    match norm:
        case "none":
            return nn.Identity()
        case "layer":
            return nn.GroupNorm(1, channels, eps=NORM_EPS)
        case "group":
            return nn.GroupNorm(count_groups(channels), channels, eps=NORM_EPS)
        case "batch":
            batch_norm = nn.BatchNorm2d(channels, eps=NORM_EPS)
            drop_counter(batch_norm)
            return batch_norm
        case unreachable:
            assert_never(unreachable)


def drop_counter(batch_norm: nn.BatchNorm2d) -> None:
    """Drop the counter of batches, an integer that only a momentum of None would read."""
    batch_norm.num_batches_tracked = None


def replace_batch_norms(module: nn.Module, norm: Norm) -> None:
    """Put ``norm`` in the place of every batch norm below ``module``; same channels and dtype."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                own = build_norm(norm, child.num_features).to(child.running_mean)
                setattr(parent, name, own)
