"""Recordings: what soundfile decodes is made mono and resampled without changing the sound."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile  # type: ignore[import-untyped]
import torch
from scipy.signal import resample as fourier_resample

from tests.trainer.data.audio.sound_files import sine
from trainer.data.audio.recordings import FileRecordings, Recording, resample

RATES = (16_000, 32_000, 48_000)
FILE_RATES = (8_000, 11_025, 22_050, 44_100, 96_000, 11_127)
"""The last has hardly a common factor with the others: scipy's way."""


def of_file(path: Path, rate_hz: int = 44_100) -> FileRecordings:
    return FileRecordings((Recording(path, "listing.csv:2"),), rate_hz)


def peak_hz(wave: npt.NDArray[np.float32], rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), 1 << 18))
    return float(np.argmax(spectrum)) * rate_hz / (1 << 18)


@pytest.mark.parametrize("to_hz", RATES)
@pytest.mark.parametrize("from_hz", FILE_RATES)
def test_a_tone_keeps_its_pitch_level_and_length(from_hz: int, to_hz: int) -> None:
    tone = sine(1000.0, 0.5, from_hz)
    heard = resample(torch.from_numpy(tone), from_hz, to_hz)
    assert heard.dtype == torch.float32
    assert len(heard) == pytest.approx(len(tone) * to_hz / from_hz, abs=1)
    assert peak_hz(heard.numpy(), to_hz) == pytest.approx(1000.0, abs=1.0)
    inner = heard[len(heard) // 4 : -len(heard) // 4]
    assert inner.square().mean().sqrt().item() == pytest.approx(0.5 / 2**0.5, rel=0.01)


@pytest.mark.parametrize(("from_hz", "to_hz"), [(44_100, 32_000), (16_000, 48_000), (5_000, 9_001)])
def test_agrees_with_scipys_fourier_resampling_inside_the_band(from_hz: int, to_hz: int) -> None:
    # A sum of whole periods is periodic, which Fourier resampling takes for granted.
    wave = sum(sine(hz, 1.0, from_hz) for hz in (100.0, 440.0, 1300.0))
    assert isinstance(wave, np.ndarray)
    ours = resample(torch.from_numpy(wave), from_hz, to_hz).numpy()
    reference = fourier_resample(wave.astype(np.float64), to_hz)
    edge = to_hz // 20
    np.testing.assert_allclose(ours[edge:-edge], reference[edge : to_hz - edge], atol=0.01)


def test_what_the_lower_rate_cannot_hold_is_lost() -> None:
    heard = resample(torch.from_numpy(sine(12_000.0, 0.3, 48_000)), 48_000, 16_000)
    assert heard[500:-500].abs().max() < 0.01


def test_channels_are_averaged(tmp_path: Path) -> None:
    left, right = sine(440.0, 0.1), sine(880.0, 0.1)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), 44_100, "FLOAT")
    heard = of_file(tmp_path / "a.wav").read(0).numpy()
    np.testing.assert_allclose(heard, (left + right) / 2, atol=1e-6)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_formats_decode_to_the_same_sound(tmp_path: Path, suffix: str) -> None:
    wave = sine(440.0, 0.5)
    soundfile.write(tmp_path / f"a.{suffix}", wave, 44_100)
    heard = of_file(tmp_path / f"a.{suffix}").read(0).numpy()
    np.testing.assert_allclose(heard[2000:-2000], wave[2000:-2000], atol=0.02)


def test_loud_samples_are_not_clipped(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", 4 * sine(440.0, 0.1), 44_100, "FLOAT")
    assert of_file(tmp_path / "a.wav").read(0).max() > 1.9


def test_a_fingerprint_follows_the_file_and_the_rate(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, sine(440.0, 0.1), 44_100)
    before = of_file(path).fingerprint(0)
    assert of_file(path).fingerprint(0) == before
    assert of_file(path, 16_000).fingerprint(0) != before
    soundfile.write(path, sine(440.0, 0.2), 44_100)
    assert of_file(path).fingerprint(0) != before
