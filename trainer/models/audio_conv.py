"""A small convolutional encoder of log-mel spectrograms, from scratch.

Every stage (a 3 x 3 convolution of stride 2, the norm, a ReLU) halves bands and frames. The last
map is averaged over bands; over time the mean and the maximum are added, as in PANNs: the mean
says what there is of a sound that lasts, the maximum keeps one that is short.

Shape legend: N = clips, K = mel bands, F = frames, C = channels of the last map, k, f = its sides.

References:
    Kong et al. 2020, "PANNs", arXiv:1912.10211 (section III-A and the authors' Cnn14: pooling).
"""

from collections.abc import Sequence

from torch import Tensor

from trainer.models.conv_encoder import build_stages
from trainer.models.tower_head import TowerEncoder
from trainer.settings import Norm


class AudioConv(TowerEncoder):
    """Standardised log-mel spectrograms [N, K, F] to features [N, C]."""

    def __init__(self, hidden: Sequence[int], norm: Norm) -> None:
        super().__init__()
        self.width = hidden[-1]
        self.stages = build_stages((1, *hidden), (2,) * len(hidden), norm)

    def forward(self, log_mels_NKF: Tensor) -> Tensor:
        """Return pooled features."""
        maps_NCkf: Tensor = self.stages(log_mels_NKF[:, None])
        over_time_NCf = maps_NCkf.mean(dim=2)
        return over_time_NCf.mean(dim=2) + over_time_NCf.amax(dim=2)
