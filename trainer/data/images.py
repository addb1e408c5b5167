"""The one factory of image sources."""

from typing import assert_never

from trainer.data.digits import load_digits_images
from trainer.data.image_data import ImageData
from trainer.settings import DataSettings


def load_images(settings: DataSettings) -> ImageData:
    """Load the source that ``settings`` names, split and standardised, on the CPU."""
    match settings.source:
        case "digits":
            return load_digits_images(settings)
        case unreachable:
            assert_never(unreachable)
