"""AudioSettings: defaults by source, and refusals of what cannot be meant."""

from typing import Any

import pytest
from pydantic import ValidationError

from trainer.audio_settings import AudioSettings


def settings(**given: Any) -> AudioSettings:
    return AudioSettings.model_validate(given)


def test_general_midi_is_the_default_and_needs_no_settings() -> None:
    assert settings().source == "general_midi"
    assert settings().languages == ("en",)


@pytest.mark.parametrize(
    ("source", "seconds"), [("general_midi", 2.0), ("audiocaps", 10.0), ("esc50", 5.0)]
)
def test_a_clips_length_follows_its_source(source: str, seconds: float) -> None:
    assert settings(source=source).clip_seconds == seconds
    assert settings(source=source, clip_seconds=1.5).clip_seconds == 1.5


def test_samples_and_frames_follow_length_rate_and_hop() -> None:
    given = settings(clip_seconds=1.0, sample_rate_hz=16_000, mel={"hop_samples": 160})
    assert given.clip_samples == 16_000
    assert given.frames == 101


def test_settings_survive_a_ray_dict() -> None:
    given = settings(source="tuxpaint", languages=["zh", "en"], augment={"time_masks": 2})
    assert settings(**given.model_dump(mode="json")) == given
    assert hash(settings(**given.model_dump(mode="json"))) == hash(given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sample_rate_hz": 44_100}, "16000, 32000 or 48000"),
        ({"languages": ["english"]}, "ISO 639-1, e.g. en or zh, got 'english'"),
        ({"languages": ["xx"]}, "got 'xx'"),
        ({"languages": ["en", "en"]}, "every language once"),
        ({"languages": []}, "at least 1 item"),
        ({"source": "audioset"}, "'general_midi', 'tuxpaint'"),
        ({"fold": 11}, "less than or equal to 10"),
        ({"clip_seconds": 0.01}, "too few for windows of 1024"),
        ({"val_share": 0.5, "test_share": 0.5}, "leave no clips to train with"),
        ({"mel": {"low_hz": 500.0, "high_hz": 400.0}}, "expected low_hz below high_hz"),
        ({"mel": {"low_hz": 8000.0}, "sample_rate_hz": 16_000}, "half of 16000 Hz"),
        ({"mel": {"window_samples": 256}}, "hop_samples 320 leaves gaps"),
        ({"augment": {"mix_low_db": 9.0, "mix_high_db": 3.0}}, "mix_low_db at most mix_high_db"),
        ({"general_midi": {"fewest_events": 3, "most_events": 2}}, "fewest_events at most"),
        ({"general_midi": {"captions": 6}}, "less than or equal to 5"),
        ({"volume": 3}, "Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(**given)
