"""Sounds in files: decoded by soundfile, made mono, resampled by torchaudio.

Shape legend: T = samples, C = channels.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
import soundfile  # type: ignore[import-untyped]
import torch
from torch import Tensor

from trainer.data.audio.torchaudio_import import import_torchaudio
from trainer.errors import BadClipError

_MOST_PHASES = 1920


@dataclass(frozen=True, slots=True)
class Recording:
    """One file.

    Attributes:
        path: Where it is.
        place: The row that names it, for messages, e.g. ``train.csv:12``.
        rate_hz: The sample rate it is declared to have, if any is declared.
    """

    path: Path
    place: str
    rate_hz: int | None = None


@dataclass(frozen=True, slots=True)
class FileRecordings:
    """The files of a source's clips, in their order."""

    recordings: tuple[Recording, ...]
    sample_rate_hz: int

    def read(self, position: int) -> Tensor:
        """Return the waveform_T of a clip; see ``Recordings.read``."""
        recording = self.recordings[position]
        samples_TC, rate_hz = _decode(recording)
        if recording.rate_hz not in (None, rate_hz):
            raise _bad(
                recording,
                f"expected the declared sample rate of {recording.rate_hz} Hz, the file has "
                f"{rate_hz} Hz; correct the one or convert the other",
            )
        if not len(samples_TC):
            raise _bad(recording, "expected sound, got no samples; remove the row or the file")
        if not np.isfinite(samples_TC).all():
            raise _bad(recording, "expected finite samples, got NaN or infinity")
        waveform_T = torch.from_numpy(samples_TC.mean(axis=1, dtype=np.float32))
        return resample(waveform_T, rate_hz, self.sample_rate_hz)

    def fingerprint(self, position: int) -> str:
        """Return name, size and time of change of the file, and the sample rate asked for."""
        recording = self.recordings[position]
        try:
            status = recording.path.stat()
        except OSError as error:
            raise _bad(recording, f"expected a file, got: {error}") from error
        return f"{recording.path.name} {status.st_size} {status.st_mtime_ns} {self.sample_rate_hz}"


def resample(waveform_T: Tensor, from_hz: int, to_hz: int) -> Tensor:
    """Return a waveform at another sample rate, by band-limited interpolation.

    Torchaudio's default: a sinc of 6 zero crossings under a Hann window. Rates with hardly a
    common factor (11,127 Hz from an old Macintosh, say) would need a table of its filter at tens
    of thousands of phases, 27 s for a clip of 1.4 s; they are left to scipy's polyphase filter.
    Frequencies above half of the lower rate are lost.
    """
    if from_hz == to_hz:
        return waveform_T
    common = gcd(from_hz, to_hz)
    if to_hz // common > _MOST_PHASES:
        from scipy.signal import resample_poly  # noqa: PLC0415 (0.8 s, and seldom needed)

        polyphase = resample_poly(waveform_T.numpy(), to_hz // common, from_hz // common)
        return torch.from_numpy(polyphase.astype(np.float32))
    resampled_T: Tensor = _resampler(from_hz, to_hz)(waveform_T)
    return resampled_T


@lru_cache(maxsize=16)
def _resampler(from_hz: int, to_hz: int) -> Any:
    return import_torchaudio().transforms.Resample(from_hz, to_hz)


def _decode(recording: Recording) -> tuple[np.ndarray[Any, np.dtype[np.float32]], int]:
    if not recording.path.is_file():
        raise _bad(recording, "the file was there when the source was opened, now it is not")
    try:
        samples_TC, rate_hz = soundfile.read(recording.path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
        raise _bad(recording, f"expected a sound file that can be decoded ({error})") from error
    return samples_TC, int(rate_hz)


def _bad(recording: Recording, reason: str) -> BadClipError:
    return BadClipError("folder", f"{recording.path} ({recording.place}): {reason}")
