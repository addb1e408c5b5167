"""Waveforms of one length, read and resampled once, from a cache on disk.

Shape legend: N = clips, L = samples.
"""

import json
from collections.abc import Iterator

import torch
from torch import Tensor

from trainer.audio_settings import AudioSettings
from trainer.data.audio.log_mel import clip_key, read_fitted
from trainer.data.audio.source import AudioSource
from trainer.data.feature_cache import cache_folder, cached_features

_FORMAT = 1
"""To be raised when equal settings come to mean other waveforms."""

_DTYPES = {"float32": torch.float32, "float16": torch.float16}
_CLIPS_AT_ONCE = 32


def load_waveforms(source: AudioSource, settings: AudioSettings) -> Tensor:
    """Return a source's clips (N, L), fitted to ``clip_seconds``, memory-mapped on the CPU.

    Args:
        source: Opened with the same settings.
        settings: Length, fit and dtype.

    Raises:
        BadClipError: If a recording cannot be read.
        FeatureCacheError: If the cache cannot be stored.
    """
    key = json.dumps({"format": _FORMAT} | clip_key(source, settings), sort_keys=True)
    return cached_features(
        cache_folder() / "waveforms",
        key,
        len(source.clips),
        _DTYPES[settings.cache_dtype],
        lambda: _pieces(source, settings),
    )


def _pieces(source: AudioSource, settings: AudioSettings) -> Iterator[Tensor]:
    for first in range(0, len(source.clips), _CLIPS_AT_ONCE):
        positions = range(first, min(first + _CLIPS_AT_ONCE, len(source.clips)))
        waveforms_BL = torch.stack([read_fitted(source, p, settings) for p in positions])
        yield waveforms_BL.to(_DTYPES[settings.cache_dtype])
