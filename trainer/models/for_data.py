"""The model of a cohort: one encoder for images, a tower each for sounds and captions."""

import math
from collections.abc import Sequence
from typing import assert_never

from trainer.data.image_data import ImageData
from trainer.data.pair_data import PairData
from trainer.data.training_data import TrainingData
from trainer.models.audio_tower import build_audio_tower
from trainer.models.build import build_model
from trainer.models.protocol import Model
from trainer.models.text_tower import build_text_tower
from trainer.models.two_towers import TwoTowers
from trainer.settings import ModelSettings, Norm
from trainer.tower_settings import TowersSettings


def model_for(
    settings: ModelSettings | TowersSettings, data: TrainingData, norms: Sequence[Norm] = ()
) -> Model:
    """Return the model that ``settings`` describe for what is loaded.

    Args:
        norms: Normalisation of each member, as for :func:`trainer.models.build.build_model`;
            two towers have one for all.

    Raises:
        ModelSettingsError: If the settings describe no model for such data.
    """
    match data:
        case ImageData():
            assert isinstance(settings, ModelSettings), "refused when the study was read"
            return build_model(settings, data.image_shape, norms)
        case PairData():
            assert isinstance(settings, TowersSettings), "refused when the study was read"
            return _towers(settings, data)
        case unreachable:
            assert_never(unreachable)


def _towers(settings: TowersSettings, data: PairData) -> TwoTowers:
    shape = data.clips.shape
    audio = build_audio_tower(settings, shape, data.settings)
    text = build_text_tower(settings, (data.text_width,), data.vocabulary)
    return TwoTowers.of(text, audio, data.text_width, math.prod(shape), settings.weight_noise)
