"""Features of fixed encoders are those of encoding on the fly, computed once.

Shape legend: N = clips, T = captions, K = mel bands, F = frames, C = features.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.trainer.data.audio.memory_source import sines
from tests.trainer.models.tower_folders import (
    AUDIO,
    BANDS,
    FRAMES,
    save_ast,
    save_bert,
    save_clap,
    save_roberta,
    save_wav2vec2,
)
from trainer.audio_settings import AudioSettings
from trainer.data.audio.log_mel import load_log_mels, read_fitted
from trainer.data.frozen_network import FrozenNetwork
from trainer.data.frozen_towers import audio_features, text_features
from trainer.data.text.hub_tokens import hub_token_ids
from trainer.data.text.word_hash import hash_words
from trainer.data.text.words import Vocabulary
from trainer.models.audio_tower import build_audio_tower
from trainer.models.text_tower import build_text_tower
from trainer.models.tower_inputs import audio_input_shape
from trainer.tower_settings import TowersSettings

CPU = torch.device("cpu")
SOURCE = sines(40, 16_000, AUDIO.clip_seconds)  # more than a batch of 32
CAPTIONS = ["a violin", "then a drum", "two bells then a violin", "", "скрипка"]
SAVERS: dict[str, Callable[[Path], Any]] = {
    "clap": save_clap,
    "ast": save_ast,
    "wav2vec2": save_wav2vec2,
    "roberta": save_roberta,
    "bert": save_bert,
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANKFALL_CACHE", str(tmp_path / "cache"))


def towers(**sides: dict[str, Any]) -> TowersSettings:
    return TowersSettings.model_validate(sides)


def hear(
    settings: TowersSettings, audio: AudioSettings = AUDIO, dtype: torch.dtype = torch.float32
) -> Tensor:
    return audio_features(SOURCE, audio, settings, CPU, dtype)


def refuse(*_: object) -> None:
    raise AssertionError("encoded again")


@pytest.mark.parametrize("encoder", ["conv", "clap", "ast", "wav2vec2"])
def test_features_of_clips_are_those_of_the_trained_towers_encoder(
    tmp_path: Path, encoder: str
) -> None:
    own: dict[str, Any] = {"encoder": encoder}
    if encoder in SAVERS:
        SAVERS[encoder](tmp_path / "weights")
        own["weights"] = str(tmp_path / "weights")
    audio = AUDIO.model_copy(update={"split_seed": 7})
    cached = hear(towers(audio=own | {"frozen": True}), audio)

    log_mels = load_log_mels(SOURCE, audio)
    decibels_NKF = log_mels.log_mels_NKF.double()
    rows = {
        "wav2vec2": lambda: torch.stack([read_fitted(SOURCE, p, audio) for p in range(40)]),
        "clap": lambda: decibels_NKF,
    }.get(encoder, lambda: (decibels_NKF - log_mels.mean) / log_mels.std)()
    settings = towers(audio=own)
    model = build_audio_tower(settings, audio_input_shape(settings.audio, audio), audio)
    expected = model.encode(
        model.init_parameters([7]),
        {n: r.double() for n, r in model.init_running(1).items()},
        rows.double().flatten(1)[None],
        training=False,
    )[0]
    assert cached.dtype == torch.float32
    assert_close(cached, expected.detach().float(), rtol=1e-3, atol=1e-4)
    assert cached.std(dim=0).max() > 1e-5, "clips differ"


def test_pooled_mels_are_of_the_standardised_spectrograms() -> None:
    pooled = hear(towers(audio={"segments": 3}), dtype=torch.float64)
    log_mels = load_log_mels(SOURCE, AUDIO)
    first_KF = (log_mels.log_mels_NKF[0].double() - log_mels.mean) / log_mels.std
    thirds = torch.split(first_KF, FRAMES // 3, dim=1)
    expected = [part for third in thirds for part in (third.mean(1), third.std(1, correction=0))]
    assert pooled.shape == (40, 6 * BANDS)
    assert pooled.dtype == torch.float64
    assert_close(pooled[0], torch.cat(expected), rtol=1e-4, atol=1e-4)


def test_the_second_time_no_clip_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = towers(audio={"encoder": "conv", "hidden": [4], "frozen": True})
    first = hear(settings)
    doubled = hear(settings, dtype=torch.float64)
    monkeypatch.setattr(FrozenNetwork, "encode", refuse)
    assert torch.equal(hear(settings), first)
    assert torch.equal(hear(settings, dtype=torch.float64), doubled)
    assert_close(doubled.float(), first, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"split_seed": 1}, id="other weights"),
        pytest.param({"mel": AUDIO.mel.model_copy(update={"low_hz": 90.0})}, id="other mel"),
    ],
)
def test_what_changes_the_features_of_clips_is_never_taken_from_the_cache(
    change: dict[str, Any],
) -> None:
    settings = towers(audio={"encoder": "conv", "hidden": [4], "frozen": True})
    first = hear(settings)
    assert not torch.allclose(hear(settings, AUDIO.model_copy(update=change)), first)


def test_other_clips_and_other_weights_are_encoded(tmp_path: Path) -> None:
    save_ast(tmp_path)
    settings = towers(audio={"encoder": "ast", "weights": str(tmp_path), "frozen": True})
    first = hear(settings)
    other = audio_features(sines(40, 16_000, 0.4, take=1), AUDIO, settings, CPU, torch.float32)
    assert not torch.allclose(other, first)
    save_ast(tmp_path, hidden_size=32)
    assert hear(settings).shape == (40, 32)


@pytest.mark.parametrize("encoder", ["roberta", "bert"])
def test_features_of_captions_are_those_of_the_trained_towers_encoder(
    tmp_path: Path, encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    SAVERS[encoder](tmp_path)
    own = {"encoder": encoder, "weights": str(tmp_path), "tokens": 8}
    settings = towers(text=own | {"frozen": True})
    cached = text_features(CAPTIONS, settings, CPU, torch.float32)
    trained = towers(text=own)
    model = build_text_tower(trained, (8,), 0)
    rows = hub_token_ids(trained.text, CAPTIONS).double()
    expected = model.encode(model.init_parameters([3]), {}, rows[None], training=False)[0]
    assert_close(cached, expected.detach().float(), rtol=1e-4, atol=1e-5)
    monkeypatch.setattr(FrozenNetwork, "encode", refuse)
    assert torch.equal(text_features(CAPTIONS, settings, CPU, torch.float32), cached)
    with pytest.raises(AssertionError, match="encoded again"):
        text_features(CAPTIONS[::-1], settings, CPU, torch.float32)


def test_a_frozen_transformer_has_weights_by_the_split_seed_and_words_of_the_train_captions() -> (
    None
):
    settings = towers(text={"encoder": "transformer", "hidden": [16], "tokens": 6, "frozen": True})
    cached = text_features(
        CAPTIONS, settings, CPU, torch.float64, split_seed=5, train_captions=CAPTIONS[:2]
    )
    words = Vocabulary.of(CAPTIONS[:2])
    model = build_text_tower(
        towers(text={"encoder": "transformer", "hidden": [16], "tokens": 6}), (6,), words.size
    )
    rows = words.ids(CAPTIONS, 6).double()[None]
    expected = model.encode(model.init_parameters([5]), {}, rows, training=False)[0]
    assert_close(cached, expected.detach())
    other = text_features(CAPTIONS, settings, CPU, torch.float64, split_seed=6)
    assert not torch.allclose(other, cached)


def test_hashed_words_are_features_as_they_are() -> None:
    settings = towers(text={"buckets": 32})
    features = text_features(CAPTIONS, settings, CPU, torch.float64)
    assert torch.equal(features, hash_words(CAPTIONS, 32).double())
