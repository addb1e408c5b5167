"""What a cohort is trained on: images, or what a frozen encoder makes of them."""

import torch

from trainer.data.encoded import FrozenEncoder
from trainer.data.image_data import ImageData
from trainer.data.images import load_images
from trainer.settings import DataSettings, ModelSettings


def load_training_data(
    settings: DataSettings, model: ModelSettings, device: torch.device, dtype: torch.dtype
) -> ImageData:
    """Load the images on ``device`` in ``dtype``; encoded, if the encoder is frozen.

    Raises:
        FeatureCacheError: If the features of a frozen encoder cannot be stored.
        ModelSettingsError: If the settings describe no encoder for such images.
    """
    data = load_images(settings).to(device, dtype)
    if not model.frozen:
        return data
    encoder = FrozenEncoder(model, settings, data, device, dtype)
    return encoder.encode_data().to(device, dtype)
