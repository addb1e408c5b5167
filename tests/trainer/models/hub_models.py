"""Small models with an encoder of transformers, and images for them."""

import pytest
import torch
from torch import Tensor, nn

from trainer.models.build import build_model
from trainer.models.module_model import ModuleModel
from trainer.settings import ModelSettings

SHAPE = (1, 8, 8)


SIZES = {"resnet": [8, 16], "vit": [16, 16]}


every_encoder = pytest.mark.parametrize("encoder", ["resnet", "vit"])


def settings_of(encoder: str, **more: object) -> ModelSettings:
    given = {"encoder": encoder, "hidden": SIZES[encoder], "embed_dim": 6}
    return ModelSettings.model_validate(given | more)


def build(encoder: str) -> ModuleModel:
    model = build_model(settings_of(encoder), SHAPE)
    assert isinstance(model, ModuleModel)
    return model


def images(members: int, samples: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(members, samples, 64, generator=generator, dtype=torch.float64)


def doubled(running: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: rows.double() for name, rows in running.items()}


def floats(model: ModuleModel, members: int) -> dict[str, Tensor]:
    return {name: rows.float() for name, rows in model.init_running(members).items()}


def own_module(model: ModuleModel, parameters: dict[str, Tensor], m: int) -> nn.Module:
    """Return a module of its own with one member's weights, loaded the way torch loads them."""
    module = model.draw_encoder()
    state = {n.removeprefix("encoder."): p[m] for n, p in parameters.items() if "encoder." in n}
    missing, unexpected = module.load_state_dict(state, strict=False)
    assert all("num_batches" in name for name in unexpected), "torch makes them up"
    assert all("running" in name for name in missing)
    return module
