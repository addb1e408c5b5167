"""What the encoders of the two towers take.

Shape legend: K = mel bands, F = frames, L = samples of a waveform.
"""

from typing import Literal, assert_never

from trainer.audio_settings import AudioSettings
from trainer.tower_settings import AudioTowerSettings

AudioInput = Literal["log_mel", "decibels", "waveform"]
"""``log_mel``: a spectrogram with the train clips' mean and deviation at 0 and 1; ``decibels``:
one as it is; ``waveform``: samples, amplitudes as in the recording."""


def audio_input(settings: AudioTowerSettings) -> AudioInput:
    """Return what the encoder takes.

    CLAP takes decibels, for its first layer is a batch norm whose statistics are those of the
    decibels that it was trained on.
    """
    match settings.encoder:
        case "pooled_mel" | "conv" | "ast":
            return "log_mel"
        case "clap":
            return "decibels"
        case "wav2vec2" | "yamnet":
            return "waveform"
        case unreachable:
            assert_never(unreachable)


def audio_input_shape(settings: AudioTowerSettings, audio: AudioSettings) -> tuple[int, ...]:
    """Return the shape of one clip as the encoder takes it: (K, F) or (L,)."""
    if audio_input(settings) == "waveform":
        return (audio.clip_samples,)
    return (audio.mel.bands, audio.frames)
