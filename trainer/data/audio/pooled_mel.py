"""Features of a spectrogram without a network: means and deviations of its bands.

Shape legend: N = clips, K = mel bands, F = frames, S = segments.
"""

from itertools import pairwise

import torch
from torch import Tensor


def pool_log_mels(log_mels_NKF: Tensor, segments: int) -> Tensor:
    """Return mean and deviation of every band in each of S stretches, (N, S * 2 * K), float32.

    A clip's row is, stretch by stretch, the K means and then the K deviations (of the stretch's
    own frames, so 0 for one frame). Stretch s holds the frames from s F // S to before
    (s + 1) F // S: as equal as they can be, none empty.

    Args:
        log_mels_NKF: Standardised.
        segments: From 1 to F.
    """
    frames = log_mels_NKF.shape[2]
    assert 1 <= segments <= frames, "checked with the settings"
    ends = [segment * frames // segments for segment in range(segments + 1)]
    parts = []
    for start, end in pairwise(ends):
        stretch_NKf = log_mels_NKF[:, :, start:end].double()
        deviation_NK, mean_NK = torch.std_mean(stretch_NKf, dim=2, correction=0)
        parts += [mean_NK, deviation_NK]
    return torch.cat(parts, dim=1).float()
