"""The kinds of rows that audio encoders take: features, log-mel spectrograms, waveforms.

Shape legend: N = clips of a source, B = clips of a batch, F = flat row, L = samples, K = mel bands,
X = frames.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.audio_settings import AudioSettings
from trainer.data.audio.augment import augment_log_mels, augment_waveforms
from trainer.data.audio.log_mel import LogMels, compute_log_mels
from trainer.data.audio.pooled_mel import pool_log_mels

_SEGMENTS = 4
"""Stretches of a clip that frozen features tell apart where the encoder is trained."""


@dataclass(frozen=True, slots=True)
class FeatureRows:
    """Features of a fixed encoder, where they are trained on; all views of a clip are equal."""

    features_NF: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a row: its length."""
        return (self.features_NF.shape[1],)

    def plain(self, positions_B: Tensor) -> Tensor:
        """Return the features of clips, (B, F)."""
        return self.features_NF[positions_B]

    def views(self, positions_B: Tensor, generator: torch.Generator) -> Tensor:
        """Return the features of clips, (B, F)."""
        del generator
        return self.plain(positions_B)

    def frozen(self, positions_B: Tensor) -> Tensor:
        """Return the features of clips, (B, F)."""
        return self.plain(positions_B)


@dataclass(frozen=True, slots=True)
class LogMelRows:
    """Log-mel spectrograms, memory-mapped: in decibels, or standardised by the train clips."""

    log_mels: LogMels
    is_standardised: bool
    settings: AudioSettings
    device: torch.device
    dtype: torch.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Mel bands and frames."""
        return (self.settings.mel.bands, self.settings.frames)

    def plain(self, positions_B: Tensor) -> Tensor:
        """Return the spectrograms of clips, (B, F)."""
        return self._finish(self._take(positions_B))

    def views(self, positions_B: Tensor, generator: torch.Generator) -> Tensor:
        """Return the spectrograms with background, gain and masks, (B, F)."""
        log_mels_BKX = self._take(positions_B)
        augment = self.settings.augment
        return self._finish(augment_log_mels(log_mels_BKX, augment, self.settings.mel, generator))

    def frozen(self, positions_B: Tensor) -> Tensor:
        """Return means and deviations of the mel bands, (B, 8 K)."""
        return _pool(self._take(positions_B))

    def _take(self, positions_B: Tensor) -> Tensor:
        return self.log_mels.take(positions_B.cpu(), self.device)

    def _finish(self, log_mels_BKX: Tensor) -> Tensor:
        if self.is_standardised:
            log_mels_BKX = self.log_mels.standardise(log_mels_BKX)
        return log_mels_BKX.flatten(1).to(self.dtype)


@dataclass(frozen=True, slots=True)
class WaveformRows:
    """Waveforms, memory-mapped, with the amplitudes of the recordings."""

    waveforms_NL: Tensor
    settings: AudioSettings
    device: torch.device
    dtype: torch.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Samples of a clip."""
        return (self.settings.clip_samples,)

    def plain(self, positions_B: Tensor) -> Tensor:
        """Return the waveforms of clips, (B, F)."""
        return self._take(positions_B).to(self.dtype)

    def views(self, positions_B: Tensor, generator: torch.Generator) -> Tensor:
        """Return the waveforms with background and gain, (B, F); masks are for spectrograms."""
        views_BL = augment_waveforms(self._take(positions_B), self.settings.augment, generator)
        return views_BL.to(self.dtype)

    def frozen(self, positions_B: Tensor) -> Tensor:
        """Return means and deviations of the mel bands, (B, 8 K)."""
        waveforms_BL = self._take(positions_B)
        rate_hz, mel = self.settings.sample_rate_hz, self.settings.mel
        return _pool(compute_log_mels(waveforms_BL, rate_hz, mel))

    def _take(self, positions_B: Tensor) -> Tensor:
        return self.waveforms_NL[positions_B.cpu()].to(self.device).float()


def _pool(log_mels_BKX: Tensor) -> Tensor:
    return pool_log_mels(log_mels_BKX, min(_SEGMENTS, log_mels_BKX.shape[2]))
