"""The one factory of models."""

import math
from collections.abc import Sequence
from typing import assert_never

from trainer.models.conv_encoder import build_conv_model
from trainer.models.hub_encoder import build_hub_model
from trainer.models.mlp import StackedMlp
from trainer.models.protocol import SingleModel
from trainer.models.sizes import check_model
from trainer.settings import ModelSettings, Norm


def build_model(
    settings: ModelSettings, image_shape: tuple[int, int, int], norms: Sequence[Norm] = ()
) -> SingleModel:
    """Return the model that ``settings`` describe.

    Args:
        image_shape: Channels, height and width of the images it sees; before a frozen encoder
            that of its features.
        norms: Normalisation of each member, which may differ for mlp; without any, all have that
            of ``settings``.

    Raises:
        ModelSettingsError: If the settings describe no model for such images.
    """
    if settings.frozen:
        return StackedMlp.head_of(settings, math.prod(image_shape), norms)
    check_model(settings, image_shape)
    assert settings.encoder == "mlp" or set(norms) <= {settings.norm}, "one module for all members"
    match settings.encoder:
        case "mlp":
            return StackedMlp.of(settings, math.prod(image_shape), norms)
        case "conv":
            return build_conv_model(settings, image_shape)
        case "resnet" | "resnet18" | "resnet50" | "vit":
            return build_hub_model(settings, image_shape)
        case unreachable:
            assert_never(unreachable)
