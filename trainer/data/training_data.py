"""What a cohort is trained on: images, or what a frozen encoder makes of them, or sounds."""

from typing import overload

import torch

from trainer.audio_settings import AudioSettings
from trainer.data.encoded import FrozenEncoder
from trainer.data.image_data import ImageData
from trainer.data.images import load_images
from trainer.data.load_pairs import load_pairs
from trainer.data.pair_data import PairData
from trainer.settings import DataSettings, ModelSettings
from trainer.tower_settings import TowersSettings

TrainingData = ImageData | PairData


@overload
def load_training_data(
    settings: DataSettings, model: ModelSettings, device: torch.device, dtype: torch.dtype
) -> ImageData: ...


@overload
def load_training_data(
    settings: DataSettings | AudioSettings,
    model: ModelSettings | TowersSettings,
    device: torch.device,
    dtype: torch.dtype,
) -> TrainingData: ...


def load_training_data(
    settings: DataSettings | AudioSettings,
    model: ModelSettings | TowersSettings,
    device: torch.device,
    dtype: torch.dtype,
) -> TrainingData:
    """Load what ``settings`` name on ``device`` in ``dtype``; encoded, where encoders are frozen.

    Raises:
        DataError: If a source is damaged, or is not where it was when the study was read.
        FeatureCacheError: If the features of a frozen encoder cannot be stored.
        ModelSettingsError: If the settings describe no encoder for such data.
    """
    if isinstance(settings, AudioSettings):
        assert isinstance(model, TowersSettings), "refused when the study was read"
        return load_pairs(settings, model, device, dtype)
    assert isinstance(model, ModelSettings), "refused when the study was read"
    data = load_images(settings).to(device, dtype)
    if not model.frozen:
        return data
    encoder = FrozenEncoder(model, settings, data, device, dtype)
    return encoder.encode_data().to(device, dtype)
