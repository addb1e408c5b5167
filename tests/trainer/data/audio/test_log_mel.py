"""Log-mel: an independent float64 reference, levels of tones, and the cache.

Shape legend: B = clips, L = samples, K = mel bands, F = frames.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from tests.trainer.data.audio.sound_files import sine, write_esc, write_sound
from trainer.audio_settings import AudioSettings, MelSettings
from trainer.data.audio.log_mel import compute_log_mels, load_log_mels, read_fitted
from trainer.data.audio.open_source import open_audio_source
from trainer.data.audio.source import AudioSource

Reals = npt.NDArray[np.float64]


def reference_log_mel(wave_L: Reals, rate_hz: int, mel: MelSettings) -> Reals:
    """Frame by frame and band by band, from the definitions, in float64."""
    window, hop = mel.window_samples, mel.hop_samples
    high_hz = min(mel.high_hz, rate_hz / 2)
    padded = np.pad(wave_L, window // 2, mode="reflect")
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    lowest, highest = (2595 * np.log10(1 + hz / 700) for hz in (mel.low_hz, high_hz))
    corners = 700 * (10 ** (np.linspace(lowest, highest, mel.bands + 2) / 2595) - 1)
    bins_hz = np.arange(window // 2 + 1) * rate_hz / window
    frames = []
    for first in range(0, len(padded) - window + 1, hop):
        power = np.abs(np.fft.rfft(padded[first : first + window] * hann)) ** 2
        bands = []
        for low, middle, high in zip(corners, corners[1:], corners[2:], strict=False):
            rising, falling = (bins_hz - low) / (middle - low), (high - bins_hz) / (high - middle)
            bands.append((power * np.clip(np.minimum(rising, falling), 0, None)).sum())
        frames.append(bands)
    return 10 * np.log10(np.maximum(np.array(frames).T, 10 ** (mel.floor_db / 10)))


@pytest.mark.parametrize(
    ("rate_hz", "given"),
    [
        (32_000, {}),
        (16_000, {"window_samples": 400, "hop_samples": 160, "bands": 40, "low_hz": 0.0}),
        (48_000, {"window_samples": 2048, "hop_samples": 480, "high_hz": 20_000.0}),
    ],
)
def test_agrees_with_the_definition(rate_hz: int, given: dict[str, Any]) -> None:
    mel = MelSettings(**given)
    rng = np.random.default_rng(0)
    waves_BL = 0.1 * rng.standard_normal((3, 6000)) + sine(700.0, 6000 / rate_hz, rate_hz)
    ours_BKF = compute_log_mels(torch.from_numpy(waves_BL), rate_hz, mel)
    assert ours_BKF.shape == (3, mel.bands, 6000 // mel.hop_samples + 1)
    for ours_KF, wave_L in zip(ours_BKF, waves_BL, strict=True):
        reference_KF = reference_log_mel(wave_L.astype(np.float32).astype(float), rate_hz, mel)
        np.testing.assert_allclose(ours_KF.numpy(), reference_KF, atol=0.02)


def test_silence_lies_on_the_floor_and_ten_times_the_amplitude_is_20_decibels() -> None:
    mel = MelSettings(floor_db=-80.0)
    tone = torch.from_numpy(sine(1000.0, 0.5, 32_000))
    log_mels = compute_log_mels(torch.stack([0 * tone, 0.01 * tone, 0.1 * tone]), 32_000, mel)
    assert (log_mels[0] == -80.0).all()
    loudest = log_mels.amax(dim=(1, 2))
    assert (loudest[2] - loudest[1]).item() == pytest.approx(20.0, abs=0.01)


def test_a_clips_spectrogram_does_not_depend_on_its_batch() -> None:
    waves = torch.randn(4, 8000, generator=torch.Generator().manual_seed(0))
    together = compute_log_mels(waves, 32_000, MelSettings())
    alone = compute_log_mels(waves[2:3], 32_000, MelSettings())
    torch.testing.assert_close(together[2:3], alone, rtol=0, atol=1e-3)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RANKFALL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "log_mels"


def esc(tmp_path: Path, **given: Any) -> tuple[AudioSource, AudioSettings]:
    if not (tmp_path / "esc").exists():
        write_esc(tmp_path / "esc")
    settings = AudioSettings.model_validate(
        {
            "source": "esc50",
            "folder": str(tmp_path / "esc"),
            "fold": 1,
            "clip_seconds": 0.25,
            **given,
        }
    )
    return open_audio_source(settings), settings


def test_cached_spectrograms_are_those_of_the_fitted_clips(tmp_path: Path) -> None:
    source, settings = esc(tmp_path)
    loaded = load_log_mels(source, settings)
    assert loaded.log_mels_NKF.shape == (10, settings.mel.bands, settings.frames)
    wave_L = read_fitted(source, 7, settings)
    assert len(wave_L) == settings.clip_samples
    expected_KF = compute_log_mels(wave_L[None], settings.sample_rate_hz, settings.mel)[0]
    torch.testing.assert_close(loaded.log_mels_NKF[7], expected_KF, rtol=0, atol=1e-3)


def test_spectrograms_are_computed_once(tmp_path: Path, cache: Path) -> None:
    source, settings = esc(tmp_path)
    first = load_log_mels(source, settings)
    stamps = {path: path.stat().st_mtime_ns for path in cache.glob("*.features")}
    second = load_log_mels(source, settings)
    assert torch.equal(first.log_mels_NKF, second.log_mels_NKF)
    assert {path: path.stat().st_mtime_ns for path in cache.glob("*.features")} == stamps
    assert len(stamps) == 1


def test_a_broken_cache_is_computed_again(tmp_path: Path, cache: Path) -> None:
    source, settings = esc(tmp_path)
    right = load_log_mels(source, settings).log_mels_NKF.clone()
    (path,) = cache.glob("*.features")
    content = bytearray(path.read_bytes())
    content[-3] ^= 0xFF
    path.write_bytes(content)
    assert torch.equal(load_log_mels(source, settings).log_mels_NKF, right)


def test_a_sound_that_changed_is_heard(tmp_path: Path) -> None:
    source, settings = esc(tmp_path)
    before = load_log_mels(source, settings).log_mels_NKF.clone()
    write_sound(tmp_path / "esc" / "audio" / source.clips[0].id, hz=2000.0, seconds=0.3)
    after = load_log_mels(source, settings).log_mels_NKF
    assert not torch.equal(before[0], after[0])
    assert torch.equal(before[1:], after[1:])


@pytest.mark.parametrize(
    "changed",
    [
        {"clip_seconds": 0.3},
        {"sample_rate_hz": 16_000},
        {"mel": {"bands": 32}},
        {"fit": {"fill": "pad"}},
        {"cache_dtype": "float16"},
        {"limit": 1},
    ],
)
def test_other_settings_are_other_files(
    tmp_path: Path, cache: Path, changed: dict[str, Any]
) -> None:
    load_log_mels(*esc(tmp_path))
    load_log_mels(*esc(tmp_path, **changed))
    assert len(list(cache.glob("*.features"))) == 2


def test_augmentation_and_captions_share_one_file(tmp_path: Path, cache: Path) -> None:
    load_log_mels(*esc(tmp_path))
    load_log_mels(*esc(tmp_path, augment={"time_masks": 2}))
    assert len(list(cache.glob("*.features"))) == 1


def test_half_precision_is_off_by_less_than_a_tenth_of_a_decibel(tmp_path: Path) -> None:
    full, half = (
        load_log_mels(*esc(tmp_path, cache_dtype=dtype)).log_mels_NKF
        for dtype in ("float32", "float16")
    )
    assert half.dtype == torch.float16
    torch.testing.assert_close(half.float(), full, rtol=0, atol=0.07)


def test_standardised_train_clips_have_mean_0_and_deviation_1(tmp_path: Path) -> None:
    source, settings = esc(tmp_path)
    loaded = load_log_mels(source, settings)
    train = torch.tensor(source.positions("train"))
    taken_BKF = loaded.take(train, torch.device("cpu"))
    assert taken_BKF.dtype == torch.float32
    assert torch.equal(taken_BKF, loaded.log_mels_NKF[train].float())
    standard_BKF = loaded.standardise(taken_BKF)
    assert standard_BKF.mean().item() == pytest.approx(0.0, abs=1e-4)
    assert standard_BKF.std().item() == pytest.approx(1.0, abs=1e-3)


def test_a_random_crop_is_drawn_once_for_each_clip(tmp_path: Path) -> None:
    given = {"fit": {"crop": "random"}, "clip_seconds": 0.1}
    source, settings = esc(tmp_path, **given)
    assert torch.equal(read_fitted(source, 3, settings), read_fitted(source, 3, settings))
    crops = {tuple(read_fitted(source, i, settings)[:50].tolist()) for i in range(10)}
    assert len(crops) == 10  # all ten recordings are the same sine
