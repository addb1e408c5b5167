"""resnet18 and resnet50: the published networks at width 1, scaled, with either stem and norm."""

import pytest
import torch
from torch import nn

from tests.trainer.cohorts import make_cohort, make_member, train_by_trial
from trainer.models.build import build_model
from trainer.models.module_model import ModuleModel
from trainer.models.sizes import ResNetSizes
from trainer.settings import ModelSettings

SHAPE = (1, 8, 8)


def settings_of(encoder: str, **more: object) -> ModelSettings:
    return ModelSettings.model_validate({"encoder": encoder, "embed_dim": 16} | more)


def module_of(settings: ModelSettings, shape: tuple[int, int, int] = SHAPE) -> nn.Module:
    model = build_model(settings, shape)
    assert isinstance(model, ModuleModel)
    return model.template


@pytest.mark.parametrize(
    ("encoder", "parameters"), [("resnet18", 11_176_512), ("resnet50", 23_508_032)]
)
def test_at_width_1_it_is_the_published_network(encoder: str, parameters: int) -> None:
    # torchvision's resnet18 and resnet50 without their last layer, 7 x 7 stem, colour.
    module = module_of(settings_of(encoder, stem="7x7"), (3, 32, 32))
    assert sum(p.numel() for p in module.parameters()) == parameters


@pytest.mark.parametrize(
    ("given", "side", "stem"),
    [({}, 32, "3x3"), ({}, 224, "7x7"), ({"stem": "7x7"}, 32, "7x7"), ({"stem": "3x3"}, 96, "3x3")],
)
def test_the_stem_follows_the_image_unless_it_is_given(
    given: dict[str, object], side: int, stem: str
) -> None:
    sizes = ResNetSizes.of(settings_of("resnet50", **given), (3, side, side))
    assert sizes.stem == stem
    assert sizes.widths == (256, 512, 1024, 2048)


def test_the_stem_decides_how_many_pixels_the_stages_see() -> None:
    kernels = {}
    for stem in ("3x3", "7x7"):
        module = module_of(settings_of("resnet18", width=0.0625, stem=stem))
        first = next(part for part in module.modules() if isinstance(part, nn.Conv2d))
        kernels[stem] = (first.kernel_size, first.stride)
    assert kernels == {"3x3": ((3, 3), (1, 1)), "7x7": ((7, 7), (2, 2))}


@pytest.mark.parametrize("encoder", ["resnet", "resnet18", "resnet50"])
@pytest.mark.parametrize("norm", ["batch", "group"])
def test_a_small_one_trains_alone_as_beside_others(encoder: str, norm: str) -> None:
    sizes: dict[str, object] = {"hidden": [4, 8]} if encoder == "resnet" else {"width": 0.03125}
    model = settings_of(encoder, norm=norm, **sizes)
    kinds = {type(part) for part in module_of(model).modules()}
    assert (nn.GroupNorm in kinds, nn.BatchNorm2d in kinds) == (norm == "group", norm == "batch")
    members = [make_member(kind, lr=0.05, kind=kind) for kind in ("infonce", "clop")]
    cohort = make_cohort(members, model=model)
    cohort = cohort.model_copy(update={"train": cohort.train.model_copy(update={"steps": 3})})
    together = train_by_trial(cohort)
    alone = train_by_trial(cohort.model_copy(update={"members": cohort.members[1:]}))
    assert alone["clop"] == together["clop"]
    assert together["infonce"].steps_done == 3
    assert torch.isfinite(torch.tensor(list(together["infonce"].measures.values()))).all()
