"""The one factory of audio towers: an encoder of clips and a projection head.

Inputs are flat rows, as everywhere in a stack: of a spectrogram's K * F values, bands first, of a
waveform's L samples, or of the features of an encoder that stays as it is.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import assert_never

from trainer.audio_settings import AudioSettings
from trainer.models.audio_conv import AudioConv
from trainer.models.audio_hub import load_hub_audio
from trainer.models.audio_tower_check import check_audio_tower
from trainer.models.protocol import SingleModel
from trainer.models.tower_head import TowerEncoder, head_alone, put_head_on
from trainer.tower_settings import TowersSettings


def build_audio_tower(
    settings: TowersSettings, input_shape: tuple[int, ...], audio: AudioSettings
) -> SingleModel:
    """Return the audio tower that ``settings`` describe.

    Args:
        input_shape: Of one clip: that of ``audio_input_shape``; of its features, (C,), where the
            encoder stays as it is.
        audio: How clips are heard, which must suit pretrained weights.

    Raises:
        ModelSettingsError: If the settings describe no encoder for such clips.
    """
    own = settings.audio
    if own.is_fixed:
        return head_alone(settings, math.prod(input_shape))
    check_audio_tower(own, audio)
    return put_head_on(_choose_encoder(settings), settings, input_shape)


def _choose_encoder(settings: TowersSettings) -> Callable[[], TowerEncoder]:
    """Return what draws the encoder."""
    own = settings.audio
    match own.encoder:
        case "conv":
            return lambda: AudioConv(own.hidden, settings.norm).double()
        case "clap" | "ast" | "wav2vec2":
            assert own.weights is not None, "checked"
            return partial(load_hub_audio, own.encoder, own.weights)
        case "pooled_mel" | "yamnet":
            raise AssertionError(f"{own.encoder} has nothing to train")
        case unreachable:
            assert_never(unreachable)
