"""The one factory of models."""

import math
from collections.abc import Sequence
from typing import assert_never

from trainer.models.mlp import StackedMlp
from trainer.models.protocol import Model
from trainer.settings import ModelSettings, Norm


def build_model(
    settings: ModelSettings, image_shape: tuple[int, int, int], norms: Sequence[Norm] = ()
) -> Model:
    """Return the model that ``settings`` describe.

    Args:
        image_shape: Channels, height and width of the images it sees.
        norms: Normalisation of each member; without any, all have that of ``settings``.
    """
    match settings.encoder:
        case "mlp":
            return StackedMlp.of(settings, math.prod(image_shape), norms)
        case unreachable:
            assert_never(unreachable)
