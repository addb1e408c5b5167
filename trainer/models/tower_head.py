"""Towers from an encoder and a projection head, or from the head alone."""

from collections.abc import Callable

import torch
from torch import nn

from trainer.models.layers import StackedLayers
from trainer.models.mlp import StackedMlp
from trainer.models.module_model import ModuleModel
from trainer.tower_settings import TowersSettings


class TowerEncoder(nn.Module):
    """An encoder of clips or captions that knows the ``width`` of its features."""

    width: int


def head_alone(settings: TowersSettings, feature_width: int) -> StackedMlp:
    """Return the tower of an encoder that stays as it is: its inputs are features."""
    head = _lay_out_head(settings, feature_width)
    return StackedMlp(StackedLayers((), head.norms, "none"), head)


def put_head_on(
    draw_encoder: Callable[[], TowerEncoder], settings: TowersSettings, input_shape: tuple[int, ...]
) -> ModuleModel:
    """Return the tower of an encoder that is trained; ``draw_encoder`` as in ModuleModel."""
    with torch.random.fork_rng(devices=[]):
        template = draw_encoder()
    head = _lay_out_head(settings, template.width)
    return ModuleModel(draw_encoder, template, input_shape, head)


def _lay_out_head(settings: TowersSettings, feature_width: int) -> StackedLayers:
    widths = (feature_width, *settings.head_hidden, settings.embed_dim)
    return StackedLayers.chain("head", widths, (settings.norm,), widest=settings.norm)
