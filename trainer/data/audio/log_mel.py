"""Log-mel spectrograms: computed on the device of the waveforms, or read from a cache.

Shape legend: N = clips, B = clips of a batch, L = samples, K = mel bands, F = frames.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from trainer.audio_settings import AudioSettings, MelSettings
from trainer.data.audio.fit import fit_batch
from trainer.data.audio.source import AudioSource
from trainer.data.audio.torchaudio_import import import_torchaudio
from trainer.data.feature_cache import cache_folder, cached_features
from trainer.seeds import generator_for

_FORMAT = 1
"""To be raised when equal settings come to mean other spectrograms."""

_CLIPS_AT_ONCE = 32
_CLIPS_MEASURED = 512
_DTYPES = {"float32": torch.float32, "float16": torch.float16}


@dataclass(frozen=True, slots=True)
class LogMels:
    """The log-mel spectrograms of all clips of a source, in its order.

    Attributes:
        log_mels_NKF: Decibels; float32 or float16, on the CPU, memory-mapped.
        mean: Of the train clips (of all, where there are none), over bands and frames.
        std: As ``mean``; at least 1e-3. Both are of up to 512 clips, evenly spaced.
    """

    log_mels_NKF: Tensor
    mean: float
    std: float

    def take(self, positions: Tensor, device: torch.device) -> Tensor:
        """Return clips (B, K, F) in decibels, float32, on a device: what augmentation takes."""
        return self.log_mels_NKF[positions].to(device).float()

    def standardise(self, log_mels_BKF: Tensor) -> Tensor:
        """Return clips with the train clips' mean and deviation at 0 and 1: what encoders take."""
        return (log_mels_BKF - self.mean) / self.std


def compute_log_mels(waveforms_BL: Tensor, sample_rate_hz: int, settings: MelSettings) -> Tensor:
    """Return log-mel spectrograms in decibels, (B, K, F), float32, on the waveforms' device.

    ``10 log10`` of the mel bands' power, not below ``floor_db``: a sine of amplitude 1 comes to
    about ``20 log10(window_samples / 4)`` in its band. F = L // hop_samples + 1.
    """
    spectrogram = _spectrogram(sample_rate_hz, settings, waveforms_BL.device)
    power_BKF: Tensor = spectrogram(waveforms_BL.float())
    return 10 * power_BKF.clamp_min(10 ** (settings.floor_db / 10)).log10()


def load_log_mels(
    source: AudioSource, settings: AudioSettings, device: torch.device | None = None
) -> LogMels:
    """Return the spectrograms of a source's clips, from the cache or computed and stored.

    Recordings are fitted to ``clip_seconds``; a random crop is drawn once for each clip, by its
    id and the split's seed. A cache that is broken or of other clips or settings is built anew.

    Args:
        source: Opened with the same settings.
        settings: Length, fit, mel and dtype.
        device: Where spectrograms are computed; the CPU without.

    Raises:
        BadClipError: If a recording cannot be read.
        FeatureCacheError: If the cache cannot be stored.
    """
    device = device or torch.device("cpu")
    rows_NX = cached_features(
        cache_folder() / "log_mels",
        cache_key(source, settings),
        len(source.clips),
        _DTYPES[settings.cache_dtype],
        lambda: _pieces(source, settings, device),
    )
    log_mels_NKF = rows_NX.view(len(source.clips), settings.mel.bands, settings.frames)
    measured = source.positions("train") or tuple(range(len(source.clips)))
    step = -(-len(measured) // _CLIPS_MEASURED)
    sample_nKF = log_mels_NKF[list(measured[::step])].double()
    return LogMels(log_mels_NKF, float(sample_nKF.mean()), max(float(sample_nKF.std()), 1e-3))


def cache_key(source: AudioSource, settings: AudioSettings) -> str:
    """Return all that the spectrograms depend on, as text."""
    mel = {"format": _FORMAT, "mel": settings.mel.model_dump(mode="json")}
    return json.dumps(mel | clip_key(source, settings), sort_keys=True)


def clip_key(source: AudioSource, settings: AudioSettings) -> dict[str, object]:
    """Return all that the fitted waveforms of a source depend on."""
    return {
        "clips": source.digest(),
        "sample_rate_hz": settings.sample_rate_hz,
        "clip_samples": settings.clip_samples,
        "fit": settings.fit.model_dump(mode="json"),
        "crop_seed": settings.split_seed if settings.fit.crop == "random" else None,
        "dtype": settings.cache_dtype,
    }


def read_fitted(source: AudioSource, position: int, settings: AudioSettings) -> Tensor:
    """Return a clip's waveform (L,), the one that ``load_log_mels`` hears."""
    generator = generator_for(settings.split_seed, "crop", source.clips[position].id)
    waveforms = [source.read(position)]
    return fit_batch(waveforms, settings.clip_samples, settings.fit, generator)[0]


def _pieces(source: AudioSource, settings: AudioSettings, device: torch.device) -> Iterator[Tensor]:
    """Yield rows of bands times frames."""
    for first in range(0, len(source.clips), _CLIPS_AT_ONCE):
        positions = range(first, min(first + _CLIPS_AT_ONCE, len(source.clips)))
        waveforms_BL = torch.stack([read_fitted(source, p, settings) for p in positions])
        log_mels_BKF = compute_log_mels(
            waveforms_BL.to(device), settings.sample_rate_hz, settings.mel
        )
        yield log_mels_BKF.flatten(1).to(_DTYPES[settings.cache_dtype])


@lru_cache(maxsize=16)
def _spectrogram(sample_rate_hz: int, settings: MelSettings, device: torch.device) -> Any:
    transform = import_torchaudio().transforms.MelSpectrogram(
        sample_rate=sample_rate_hz,
        n_fft=settings.window_samples,
        hop_length=settings.hop_samples,
        f_min=settings.low_hz,
        f_max=min(settings.high_hz, sample_rate_hz / 2),
        n_mels=settings.bands,
        power=2.0,
    )
    return transform.to(device)
